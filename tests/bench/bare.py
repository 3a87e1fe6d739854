"""The baseline: an aiohttp server that sends ready bytes with given headers, and does nothing else.

python -m tests.bench.bare BODY HEADERS [--no-uvloop] [--file]     prints its port
"""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path

import uvloop
from aiohttp import web


async def serve(body: Path, headers: dict[str, str], *, as_file: bool) -> None:
    """Serves one body at every address until it is ended."""
    ready = await asyncio.to_thread(body.read_bytes)

    async def answer(_: web.Request) -> web.StreamResponse:
        return web.FileResponse(body, headers=headers) if as_file else web.Response(body=ready, headers=headers)

    app = web.Application()
    app.router.add_get("/{path:.*}", answer)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    print(runner.addresses[0][1], flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    served = serve(Path(sys.argv[1]), json.loads(sys.argv[2]), as_file="--file" in sys.argv)
    (asyncio.run if "--no-uvloop" in sys.argv else uvloop.run)(served)
