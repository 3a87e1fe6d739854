"""The pages: valid enough to trust, no other host, no inline code, and hls.js as recorded."""

from __future__ import annotations

import hashlib
import re
import xml.etree.ElementTree as ET
from html.parser import HTMLParser
from pathlib import Path

import pytest

from tools import vendor

STATIC = Path(__file__).resolve().parents[2] / "streamer" / "web" / "static"
PAGES = sorted(STATIC.glob("*.html"))
MODULES = sorted(STATIC.glob("*.js"))
STYLES = sorted(STATIC.glob("*.css"))
# Names, not addresses: nothing is fetched from them.
NAMESPACES = ("http://www.w3.org/2000/svg",)
VOID = {"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr"}
ADDRESSES = {"src", "href", "action", "data", "poster", "srcset"}
# What a page is opened as; its relative addresses are resolved against that.
SERVED_AS = {"index.html": "", "watch.html": "watch/"}


class Page(HTMLParser):
    """Everything that the tests ask of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.doctype = ""
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.inline: list[str] = []
        self.wrong: list[str] = []
        self.text: dict[str, str] = {}
        self.feed(text)
        self.close()

    def handle_decl(self, decl: str) -> None:
        self.doctype = decl

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        names = [name for name, _ in attrs]
        if len(names) != len(set(names)):
            self.wrong.append(f"{self.getpos()}: <{tag}> says an attribute twice")
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open.pop() != tag:
            self.wrong.append(f"{self.getpos()}: </{tag}> closes something else")

    def handle_data(self, data: str) -> None:
        if self.open and data.strip():
            self.text[self.open[-1]] = data.strip()
            if self.open[-1] in {"script", "style"}:
                self.inline.append(data)

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


@pytest.fixture(params=PAGES, ids=lambda path: path.name)
def path(request: pytest.FixtureRequest) -> Path:
    found: Path = request.param
    return found


@pytest.fixture
def page(path: Path) -> Page:
    return Page(path.read_text("utf-8"))


def test_the_pages_are_those_the_server_gives() -> None:
    assert {path.name for path in PAGES} == set(SERVED_AS)


def test_tags_are_closed_in_order(page: Page) -> None:
    assert page.wrong == []
    assert page.open == []


def test_a_page_has_what_every_page_needs(page: Page) -> None:
    assert page.doctype.lower() == "doctype html"
    assert page.all("html") == [{"lang": "en"}]
    assert page.all("meta")[0] == {"charset": "utf-8"}
    assert page.text["title"]
    assert any(meta.get("name") == "viewport" for meta in page.all("meta"))
    assert len(page.all("h1")) == 1
    assert len(page.all("main")) == 1


def test_ids_are_unique_and_references_lead_to_them(page: Page) -> None:
    ids = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    named = {attributes["aria-labelledby"] for _, attributes in page.tags if "aria-labelledby" in attributes}
    assert named <= set(ids)


def test_nothing_is_inline_that_the_content_security_policy_forbids(page: Page) -> None:
    assert page.inline == []
    for tag, attributes in page.tags:
        assert "style" not in attributes, tag
        assert not [name for name in attributes if name.startswith("on")], tag


def test_buttons_are_buttons_and_have_a_name(path: Path, page: Page) -> None:
    for button in page.all("button"):
        assert button.get("type") == "button"
    for markup in re.findall(r"<button.*?</button>", path.read_text("utf-8"), re.DOTALL):
        said = re.sub(r"<[^>]*>", "", markup).strip()
        assert said or 'aria-label="' in markup, markup


def test_addresses_stay_on_this_host_and_exist(path: Path, page: Page) -> None:
    for tag, attributes in page.tags:
        for name in ADDRESSES & attributes.keys():
            address = attributes[name]
            assert address, tag
            assert not re.match(r"[a-z]+:|/", address), f"{address} is not relative"
            parts = [part for part in (SERVED_AS[path.name] + address).split("/") if part]
            while ".." in parts:
                at = parts.index("..")
                assert at > 0, f"{address} leaves the application"
                del parts[at - 1 : at + 1]
            if parts:
                assert parts[0] == "static"
                assert (STATIC / Path(*parts[1:])).is_file(), address


@pytest.mark.parametrize(
    "source", [*PAGES, *MODULES, *STYLES, *sorted(STATIC.glob("*.svg"))], ids=lambda path: path.name
)
def test_no_other_host_is_named(source: Path) -> None:
    text = source.read_text("utf-8")
    for name in NAMESPACES:
        text = text.replace(name, "")
    assert not re.search(r"(https?:|wss?:|[\"'(])//[a-z]", text, re.IGNORECASE)


@pytest.mark.parametrize("module", MODULES, ids=lambda path: path.name)
def test_imports_lead_to_modules_and_code_needs_no_eval(module: Path) -> None:
    text = module.read_text("utf-8")
    for found in re.findall(r"""(?:from|import)\s*\(?["']([^"']+)["']""", text):
        assert (module.parent / found).is_file(), found
    assert not re.search(r"\beval\(|new Function\(|innerHTML|outerHTML|document\.write", text)


@pytest.mark.parametrize("style", STYLES, ids=lambda path: path.name)
def test_styles_are_balanced_and_import_what_exists(style: Path) -> None:
    text = re.sub(r"/\*.*?\*/", "", style.read_text("utf-8"), flags=re.DOTALL)
    assert text.count("{") == text.count("}")
    for found in re.findall(r"url\(\"?([^\")]+)\"?\)", text):
        assert (style.parent / found).is_file(), found


def test_the_page_has_every_element_that_its_code_looks_for() -> None:
    for page, modules in {
        "watch.html": ("watch.js", "prompt.js", "controls.js", "screens.js", "findings.js"),
        "index.html": ("index.js", "findings.js"),
    }.items():
        markup = (STATIC / page).read_text("utf-8")
        for module in modules:
            for found in re.findall(r"find\(\w+, \"\[([a-z-]+)\]\"\)", (STATIC / module).read_text("utf-8")):
                assert re.search(rf"\s{found}[\s>=]", markup), f"{page} lacks {found}, which {module} needs"


def test_the_icon_is_well_formed() -> None:
    icon = ET.fromstring((STATIC / "favicon.svg").read_text("utf-8"))
    assert icon.tag == "{http://www.w3.org/2000/svg}svg"


def test_hls_js_is_the_one_recorded() -> None:
    for script in vendor.SCRIPTS:
        assert hashlib.sha256((script.target / script.file).read_bytes()).hexdigest() == script.script_sha256
        assert (script.target / "README.md").read_text("utf-8") == script.readme
        assert "Apache License" in (script.target / "LICENSE").read_text("utf-8")


def test_the_page_loads_the_recorded_version() -> None:
    scripts = [script.get("src") for script in Page((STATIC / "watch.html").read_text("utf-8")).all("script")]
    assert f"../static/vendor/{vendor.SCRIPTS[0].target.name}/hls.min.js" in scripts
