"""What the server does over real sockets, beside baselines in the same run: polls, segments, choices, memory.

Needs wrk and nginx (Debian's packages); figures of what is not there are left out, and that is said.
"""

from __future__ import annotations

import asyncio
import gc
import json
import math
import os
import random
import re
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from uuid import uuid4

from aiohttp import ClientSession, ClientTimeout

from streamer.config import Settings
from streamer.identity import Identity
from streamer.library.filesystem import Library
from streamer.service import Sessions
from tests.builders import lengths_of, package, staged_text, story_text
from tests.fleet import free_port
from tests.manual import ManualClock, publish, serving
from tests.serving import ROOT, starter
from tests.valkey import valkey

SECRET = "5a" * 32
SIDES = 8  # ways through the story, by an input
WAYS = "\n".join(f"w{n} 6 -> s0" for n in range(SIDES))
SCENES = "\n".join(f"s{n} 12 -> s{n + 1} | s{n + 2}" for n in range(80))
STORY = f"begin 4 -> w0\n{WAYS}\n{SCENES}\ns80 12 .\ns81 12 ."
SECONDS = 6  # of one measurement
ROUNDS = 3  # ours and the baseline in turn; the middle one counts
CONNECTIONS = 32
CHOICES = 200
LOAD_POLLS = 2_000  # a second, beside the choices
HELD = 10_000  # sockets
AT_ONCE = 200  # requests in process
Figure = dict[str, object]


def figure(name: str, ours: float, baseline: float, unit: str) -> Figure:
    """Gives one figure as build/bench.json has it."""
    ratio = round(ours / baseline, 3) if baseline else None
    return {"name": name, "ours": round(ours, 3), "baseline": round(baseline, 3), "ratio": ratio, "unit": unit}


def alone(name: str, ours: float, unit: str) -> Figure:
    """Gives a figure that has no baseline."""
    return {"name": name, "ours": round(ours, 3), "baseline": None, "ratio": None, "unit": unit}


def publish_paths(root: Path) -> None:
    """Publishes a story whose viewers go several ways, decide at each scene, and share what they share."""
    sides = ", ".join(f"w{n}" for n in range(SIDES))
    ways = ", ".join(f"{{to: w{n}, when: \"profile.side == 'w{n}'\"}}" for n in range(1, SIDES))
    text = story_text(STORY).replace("    next: [{to: w0}]\n", f"    next: [{ways}, {{to: w0}}]\n", 1)
    text = text.replace("scenes:\n", f"profile: {{side: {{type: enum, values: [{sides}], default: w0}}}}\nscenes:\n", 1)
    Library(root).publish(package(staged_text(text, lengths_of(STORY)).story, text, lengths_of(STORY)))


def session_paths(library: Path, count: int, rendition: str = "v0") -> list[str]:
    """Gives addresses of Media Playlists of so many sessions that nobody has asked for yet."""
    identity = Identity(bytes.fromhex(SECRET))
    revision = Library(library).current("test")
    now_s = int(time.time())
    profiles = ({"side": f"w{number % SIDES}"} for number in range(count))
    ids = (identity.new_id(story="test", revision=revision, created_s=now_s, profile=each) for each in profiles)  # type: ignore[arg-type]
    return [f"/s/{session}/1/{rendition}.m3u8" for session in ids]


def cpu_seconds(pid: int) -> float:
    """Gives the CPU seconds that a process has had."""
    fields = Path(f"/proc/{pid}/stat").read_text("ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def resident_bytes(pid: int | str = "self") -> int:
    """Gives the memory that a process has."""
    return int(re.findall(r"VmRSS:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text("ascii"))[0]) * 1024


async def wrk(
    url: str, paths: Sequence[str], seconds: float, *, connections: int = CONNECTIONS, pause_ms: int = 0
) -> dict[str, float]:
    """Asks for addresses as fast as they come, or with a pause; gives what came."""
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as file:
        file.write("\n".join(paths) + "\n")
        file.flush()
        process = await asyncio.create_subprocess_exec(
            *("wrk", "-t1", f"-c{connections}", f"-d{math.ceil(seconds)}s", "--timeout", "15s"),
            *("-s", str(ROOT / "tests" / "bench" / "load.lua"), url, "--", file.name, str(pause_ms)),
            stdout=asyncio.subprocess.PIPE,
        )
        told, _ = await process.communicate()
    found: dict[str, float] = json.loads("{" + told.decode().rpartition("{")[2])
    return found


@asynccontextmanager
async def bare(body: bytes, headers: dict[str, str], *options: str) -> AsyncIterator[tuple[str, int]]:
    """Runs the baseline server; gives its address and process."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "body.bin"
        file.write_bytes(body)
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "tests.bench.bare", str(file), json.dumps(headers), *options),
            stdout=asyncio.subprocess.PIPE,
            cwd=ROOT,
        )
        assert process.stdout is not None
        port = int(await process.stdout.readline())
        try:
            yield f"http://127.0.0.1:{port}", process.pid
        finally:
            process.terminate()
            await process.wait()


@asynccontextmanager
async def ours(library: Path, folder: Path, *options: str, store: str = "") -> AsyncIterator[tuple[str, int]]:
    """Runs the server with its defaults, media at a shared address; gives its address and process."""
    environment = {"BRANCHLINE_SECRET": SECRET, "BRANCHLINE_STORE_URL": store}
    await asyncio.to_thread(folder.mkdir, exist_ok=True)
    start = starter(folder)
    async with start(library, "--media-base", "../../../m/", *options, environment=environment) as server:
        yield server.url, server.process.pid


async def polled(url: str, pid: int, paths: Sequence[str]) -> tuple[float, float, float]:
    """Gives polls a second, CPU microseconds a poll, and the 99th percentile in ms."""
    before = cpu_seconds(pid)
    found = await wrk(url, paths, SECONDS)
    assert found["failed"] == 0, found
    return (
        found["requests"] / found["seconds"],
        (cpu_seconds(pid) - before) / found["requests"] * 1e6,
        found["p99_us"] / 1000,
    )


def middle(runs: Sequence[tuple[float, ...]]) -> tuple[float, ...]:
    """Gives the median of each column."""
    return tuple(statistics.median(column) for column in zip(*runs, strict=True))


async def polls(sessions: int, store: str = "") -> list[Figure]:
    """Polls of so many live sessions on mixed paths, the edge moving, beside ready bytes of the same size."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        publish_paths(root)
        paths = session_paths(root, sessions)
        async with ours(root, root / "run", store=store) as (url, pid), ClientSession() as http:
            await wrk(url, paths, max(SECONDS, sessions / 1500))  # each is opened, and play begins
            async with http.get(f"{url}{paths[0]}") as response:
                body, headers = await response.read(), dict(response.headers)
            kept = {name: value for name, value in headers.items() if name not in ("Content-Length", "Date", "Server")}
            async with bare(body, kept) as (other, its):
                runs = [(await polled(url, pid, paths), await polled(other, its, paths)) for _ in range(ROUNDS)]
    mine, its_own = middle([each for each, _ in runs]), middle([each for _, each in runs])
    name = f"poll.bare_aiohttp.{sessions}" + (".redis" if store else "")
    return [
        figure(name, mine[0], its_own[0], "polls a second"),
        figure(f"{name}.cpu", mine[1], its_own[1], "µs CPU a poll"),
        figure(f"{name}.p99_ms", mine[2], its_own[2], f"ms with {CONNECTIONS} connections"),
    ]


async def bytes_of_sessions(counts: Sequence[int]) -> list[Figure]:
    """Memory of live sessions, without sockets, over a story whose paths they share; the store is a file."""
    found = []
    for count in counts:
        async with AsyncExitStack() as stack:
            root, clock = Path(stack.enter_context(tempfile.TemporaryDirectory())), ManualClock()
            publish_paths(root)
            settings = Settings.model_validate({"media": {"base": "../../../m/"}})
            sessions = await stack.enter_async_context(serving(root, clock, settings))
            sides = [f"w{number % SIDES}" for number in range(count)]
            ids = [(await sessions.open("test", {"side": side}, trusted=False)).id for side in sides]
            await all_poll(sessions, ids[:SIDES])
            gc.collect()
            before = resident_bytes()
            for _ in range(9):  # past the first decision
                await all_poll(sessions, ids)
                clock.forward(3)
            gc.collect()
            each = (resident_bytes() - before) / count
            found.append(alone(f"session.bytes.{count}", each, "bytes a live session, RSS"))
    return found


async def all_poll(sessions: Sessions, ids: Sequence[str]) -> None:
    """Gives every session's list, some of them at a time."""
    for start in range(0, len(ids), AT_ONCE):
        await asyncio.gather(*(sessions.media_playlist(each, "v0") for each in ids[start : start + AT_ONCE]))


async def choices(store: str, replicas: int) -> list[Figure]:
    """From a choice sent to one replica until another has told it and answered a playlist, beside 2,000 polls/s."""
    async with AsyncExitStack() as stack:
        root = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        publish(root, "fork! 600 -> left | right\nleft 8 .\nright 8 .", story_of_choices())
        urls = [(await stack.enter_async_context(ours(root, root / str(n), store=store)))[0] for n in range(replicas)]
        http = await stack.enter_async_context(ClientSession(timeout=ClientTimeout(total=30)))
        paths = session_paths(root, 1000)
        pause = round(1000 * CONNECTIONS / LOAD_POLLS * replicas)
        seconds = 45
        load = [asyncio.create_task(wrk(url, paths, seconds, pause_ms=pause)) for url in urls]
        await asyncio.sleep(3)
        told = [await chosen(http, urls) for _ in range(CHOICES)]
        for task in load:
            task.cancel()
        await asyncio.gather(*load, return_exceptions=True)
    where = "one process" if replicas == 1 else f"{replicas} replicas"
    told.sort()
    p50, p99 = told[len(told) // 2], told[int(len(told) * 0.99)]
    return [
        alone(f"choice.p50_ms, {where}", p50, f"ms, beside {LOAD_POLLS} polls a second"),
        alone(f"choice.p99_ms, {where}", p99, f"ms, beside {LOAD_POLLS} polls a second"),
    ]


def story_of_choices() -> str:
    """Gives a story with a long window in which an answer counts at once."""
    return story_text("fork! 600 -> left | right\nleft 8 .\nright 8 .").replace("opens_at: -9s", "opens_at: 0.5s")


async def chosen(http: ClientSession, urls: Sequence[str]) -> float:
    """Gives the milliseconds from sending a choice until it is told and a playlist answered, elsewhere if possible."""
    async with http.post(f"{urls[0]}/api/v1/sessions", json={"story": "test"}) as response:
        opened = await response.json()
    there = urls[-1]
    playlist = f"{there}/s/{opened['id']}/1/v0.m3u8"
    for url in (f"{urls[0]}/s/{opened['id']}/1/v0.m3u8", playlist):
        async with http.get(url) as response:
            assert response.status == 200
    body = {"decision": "after-fork", "visit": 1, "choice": random.choice(("left", "right")), "answer_id": uuid4().hex}
    headers = {"Authorization": f"Bearer {opened['token']}"}
    async with http.get(f"{there}/api/v1/sessions/{opened['id']}/events") as stream:
        await anext(aiter(stream.content))
        begins = time.perf_counter()
        async with http.post(f"{urls[0]}/api/v1/sessions/{opened['id']}/choices", json=body, headers=headers) as answer:
            assert answer.status == 200, await answer.text()
        async for line in stream.content:
            if line.startswith(b"event: committed"):
                break
        async with http.get(playlist) as response:
            assert response.status == 200
            await response.read()
        return (time.perf_counter() - begins) * 1000


async def held() -> list[Figure]:
    """Real sockets, each held in a blocking reload of a session of its own that has played for a while."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        publish_paths(root)
        paths = session_paths(root, HELD)
        async with ours(root, root / "run") as (url, pid):
            port = int(url.rpartition(":")[2])
            before = resident_bytes(pid)
            holding = [await opened(port, path) for path in paths]
            peak, answers = resident_bytes(pid), [0.0]

            async def hold(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, path: str, listed: int) -> None:
                begins = time.perf_counter()
                body = await asked(reader, writer, f"{path}?_HLS_msn={listed}")
                assert body.count(b"#EXTINF") >= listed
                answers.append(time.perf_counter() - begins)
                writer.close()

            spent, began = cpu_seconds(pid), time.perf_counter()
            await asyncio.gather(*(hold(*each) for each in holding))
            cpu, passed = cpu_seconds(pid) - spent, time.perf_counter() - began
    answers.sort()
    return [
        alone(f"held.{HELD}.bytes", (peak - before) / HELD, "bytes a held socket with its session"),
        alone(f"held.{HELD}.cpu", cpu / HELD * 1e6, f"µs CPU for each, all asked within {passed:.1f} s"),
        alone(f"held.{HELD}.p99_s", answers[int(HELD * 0.99)], "s until answered; the limit is 5"),
    ]


async def opened(port: int, path: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter, str, int]:
    """Opens a connection and asks for a list once; gives how many segments it has too."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    body = await asked(reader, writer, path)
    return reader, writer, path, body.count(b"#EXTINF")


async def asked(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, path: str) -> bytes:
    """Asks once over a connection that is kept."""
    writer.write(f"GET {path} HTTP/1.1\r\nHost: bench\r\n\r\n".encode())
    head = await reader.readuntil(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200"), head
    found = re.search(rb"content-length: (\d+)", head, re.IGNORECASE)
    assert found is not None, head
    return await reader.readexactly(int(found[1]))


async def segments() -> list[Figure]:
    """Bytes a second of one segment after the other, beside ready bytes, a file by aiohttp's sendfile, and nginx."""
    library = ROOT / "build" / "library"
    if not library.exists():
        print("segment.*: left out: there is no packaged story; make demo", file=sys.stderr)
        return []
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        async with ours(library, root / "run") as (url, _), ClientSession() as http:
            names = await segment_names(http, url)
            paths = [f"/m/{name}" for name in names]
            async with http.get(f"{url}{paths[0]}") as response:
                body, headers = await response.read(), dict(response.headers)
            kept = {name: value for name, value in headers.items() if name not in ("Content-Length", "Date", "Server")}
            mine = [await rate(url, paths) for _ in range(ROUNDS)]
            async with bare(body, kept) as (ready, _):
                of_ready = [await rate(ready, paths) for _ in range(ROUNDS)]
            async with bare(body, kept, "--no-uvloop", "--file") as (file, _):
                of_file = [await rate(file, paths) for _ in range(ROUNDS)]
            found = [
                figure("segment.bare_aiohttp", statistics.median(mine), statistics.median(of_ready), "MB a second"),
                figure("segment.aiohttp_sendfile", statistics.median(mine), statistics.median(of_file), "MB a second"),
            ]
            if shutil.which("nginx") is None:
                print("segment.nginx: left out: nginx is not there", file=sys.stderr)
                return found
            async with nginx(root, body) as other:
                of_nginx = [await rate(other, ["/body.m4s"]) for _ in range(ROUNDS)]
            return [
                *found,
                figure("segment.nginx", statistics.median(mine), statistics.median(of_nginx), "MB a second"),
            ]


async def segment_names(http: ClientSession, url: str) -> list[str]:
    """Gives the first picture segments of the sample."""
    async with http.post(f"{url}/api/v1/sessions", json={"story": "sample"}) as response:
        opened = await response.json()
    async with http.get(f"{url}/s/{opened['id']}/1/v0.m3u8") as response:
        text = await response.text()
    return [line.rpartition("/")[2] for line in text.splitlines() if line and not line.startswith("#")]


async def rate(url: str, paths: Sequence[str]) -> float:
    """Gives megabytes a second."""
    found = await wrk(url, paths, SECONDS)
    return found["bytes"] / found["seconds"] / 1e6


@asynccontextmanager
async def nginx(folder: Path, body: bytes) -> AsyncIterator[str]:
    """Runs nginx over one file, with sendfile and one worker."""
    (folder / "body.m4s").write_bytes(body)
    port = free_port()
    config = folder / "nginx.conf"
    config.write_text(
        f"daemon off; worker_processes 1; pid {folder}/nginx.pid; error_log {folder}/error.log;\n"
        f"events {{ worker_connections 1024; }}\n"
        f"http {{ access_log off; sendfile on; tcp_nopush on; keepalive_requests 1000000;\n"
        f"  client_body_temp_path {folder}/b; proxy_temp_path {folder}/p; fastcgi_temp_path {folder}/f;\n"
        f"  uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;\n"
        f"  server {{ listen 127.0.0.1:{port}; root {folder}; }} }}\n",
        "ascii",
    )
    await asyncio.to_thread(folder.chmod, 0o755)  # its worker is another user
    process = await asyncio.create_subprocess_exec("nginx", "-c", str(config), "-p", str(folder))
    try:
        await asyncio.sleep(0.5)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        await process.wait()


async def figures() -> list[Figure]:
    """Gives all figures."""
    if shutil.which("wrk") is None:
        print("poll.*, choice.*, segment.*: left out: wrk is not there (Debian: apt-get install wrk)", file=sys.stderr)
        return [*await bytes_of_sessions((1_000, 10_000, 100_000)), *await held()]
    found = [*await polls(1_000), *await polls(10_000)]
    found += await bytes_of_sessions((1_000, 10_000, 100_000))
    found += await choices("", 1)
    async with valkey() as server:
        found += await polls(1_000, server.url)
    async with valkey() as server:
        found += await choices(server.url, 2)
    return [*found, *await held(), *await segments()]


if __name__ == "__main__":
    for each in asyncio.run(figures()):
        print(json.dumps(each, ensure_ascii=False))
