"""What all tests share."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from blockbuster import blockbuster_ctx
from hypothesis import settings

from tests.manual import FORK, publish
from tests.serving import Starter, package_sample, starter
from tests.valkey import Valkey, valkey

# What runs while viewers wait; packaging is a command of its own, and may.
SERVING = ["streamer.web", "streamer.service", "streamer.live", "streamer.shelf", "streamer.origin", "streamer.store"]
settings.register_profile("branchline", deadline=None)  # no test fails by the clock: machines differ
settings.load_profile("branchline")
GOLDEN = Path(__file__).parent / "golden"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Adds the switch that rewrites golden files."""
    parser.addoption("--golden-update", action="store_true", help="write what is made now as the golden files")


class Golden:
    """Compares a text with the file of its name, whole."""

    def __init__(self, *, update: bool) -> None:
        self._update = update

    def check(self, name: str, text: str) -> None:
        """Fails where the text differs from tests/golden/`name`."""
        path = GOLDEN / name
        if self._update:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, "utf-8")
        assert path.exists(), f"{path} is missing: run pytest --golden-update and read what it wrote"
        assert text == path.read_text("utf-8")


@pytest.fixture
def golden(request: pytest.FixtureRequest) -> Golden:
    """Gives the golden files."""
    return Golden(update=request.config.getoption("--golden-update"))


@pytest.fixture(autouse=True)
def no_call_blocks_the_loop() -> Iterator[None]:
    """Fails a test in which the server makes its event loop wait for a disk, a lock or a socket."""
    with blockbuster_ctx(SERVING):
        yield


@pytest.fixture(scope="session")
def sample_library() -> Path:
    """Gives the library with the sample story."""
    return package_sample()


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Gives a library with a story of one decision, and a loop."""
    publish(tmp_path, FORK)
    return tmp_path


@pytest.fixture
async def server() -> AsyncIterator[Valkey]:
    """Gives a Valkey server."""
    async with valkey() as found:
        yield found


@pytest.fixture
def start(tmp_path: Path) -> Starter:
    """Gives what starts servers."""
    return starter(tmp_path)
