"""nginx and Varnish, as Debian has them, with the configurations that are shipped, in front of a server."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

from aiohttp import ClientConnectionError, ClientSession

from tests.serving import ROOT

CONFIG = ROOT / "config"
START_SECONDS = 20
Edge = Callable[[str, Path], AbstractAsyncContextManager[str]]  # the server's address, a folder: the edge's address


def filled(template: str, **values: object) -> str:
    """Fills in a shipped configuration, as envsubst does."""
    text = (CONFIG / template).read_text("utf-8")
    for name, value in values.items():
        assert f"${{{name}}}" in text
        text = text.replace(f"${{{name}}}", str(value))
    assert not re.search(r"\$\{BRANCHLINE_", text)
    return text


@asynccontextmanager
async def nginx(server: str, folder: Path) -> AsyncIterator[str]:
    """Runs nginx in front of a server; needs no root and takes no port but its own."""
    port, origin = free_port(), server.removeprefix("http://")
    (folder / "branchline.conf").write_text(
        filled(
            "nginx/branchline.conf.template",
            BRANCHLINE_LISTEN=f"127.0.0.1:{port}",
            BRANCHLINE_ORIGIN=origin,
            BRANCHLINE_CACHE=folder / "cache",
        )
    )
    temporary = "\n".join(
        f"{kind}_temp_path {folder}/{kind};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    user = "user root; " if os.getuid() == 0 else ""  # who else may not look into the folder
    (folder / "nginx.conf").write_text(
        f"{user}daemon off; pid {folder}/pid; error_log {folder}/error.log; worker_processes 1;\n"
        f"events {{}}\nhttp {{ access_log off; {temporary}\ninclude {folder}/branchline.conf; }}\n"
    )
    async with _running(port, "nginx", "-p", str(folder), "-c", str(folder / "nginx.conf")) as url:
        yield url


@asynccontextmanager
async def varnish(server: str, folder: Path) -> AsyncIterator[str]:
    """Runs Varnish in front of a server."""
    port = free_port()
    host, _, origin_port = server.removeprefix("http://").partition(":")
    vcl = folder / "branchline.vcl"
    vcl.write_text(
        filled("varnish/branchline.vcl.template", BRANCHLINE_ORIGIN_HOST=host, BRANCHLINE_ORIGIN_PORT=origin_port)
    )
    options = ("-F", "-n", str(folder / "varnish"), "-a", f"127.0.0.1:{port}", "-f", str(vcl), "-s", "malloc,256m")
    async with _running(port, "varnishd", *options, "-j", "none") as url:
        yield url


def free_port() -> int:
    """Gives a port to listen on."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def program(name: str) -> str | None:
    """Gives where a program is; Debian has these two where only root looks."""
    return shutil.which(name) or shutil.which(name, path="/usr/sbin")


@asynccontextmanager
async def _running(port: int, name: str, *options: str) -> AsyncIterator[str]:
    found = program(name)
    assert found is not None
    url = f"http://127.0.0.1:{port}"
    process = await asyncio.create_subprocess_exec(found, *options)
    try:
        async with asyncio.timeout(START_SECONDS), ClientSession() as http:
            while not await _answers(http, url):
                assert process.returncode is None, f"{name} has ended; what it said stands above"
                await asyncio.sleep(0.05)
        yield url
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()


async def _answers(http: ClientSession, url: str) -> bool:
    try:
        async with http.get(f"{url}/healthz") as response:
            return response.status == 200
    except ClientConnectionError:
        return False
