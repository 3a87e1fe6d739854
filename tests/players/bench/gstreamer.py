"""Plays an address with GStreamer: run by the system's Python, which has its bindings; not part of the test suite.

    python3 gstreamer.py playbin3 http://…

Tells the time of each picture as it is shown, in nanoseconds, one a line; `pause` and `play` on its input are obeyed.
"""

from __future__ import annotations

import sys
from typing import Any

import gi

gi.require_version("Gst", "1.0")
from gi.repository import GLib, Gst  # noqa: E402 - the version has to be named before


def main(kind: str, address: str) -> int:
    """Plays to the end; gives the exit status."""
    Gst.init([])
    loop = GLib.MainLoop()
    player = Gst.ElementFactory.make(kind)
    picture = Gst.ElementFactory.make("fakesink")
    sound = Gst.ElementFactory.make("fakesink")
    for sink in (picture, sound):
        sink.set_property("sync", True)
    picture.set_property("signal-handoffs", True)
    picture.connect("handoff", lambda _sink, buffer, _pad: print(buffer.pts, flush=True))
    player.set_property("uri", address)
    player.set_property("video-sink", picture)
    player.set_property("audio-sink", sound)
    state = {"paused": False, "buffering": False, "status": 0}

    def settle() -> None:
        waits = state["paused"] or state["buffering"]
        player.set_state(Gst.State.PAUSED if waits else Gst.State.PLAYING)

    def heard(_bus: Any, message: Any) -> None:
        if message.type == Gst.MessageType.EOS:
            loop.quit()
        elif message.type == Gst.MessageType.ERROR:
            print(message.parse_error(), file=sys.stderr)
            state["status"] = 1
            loop.quit()
        elif message.type == Gst.MessageType.BUFFERING:
            state["buffering"] = message.parse_buffering() < 100  # as gst-launch does
            settle()

    def told(*_: object) -> bool:
        state["paused"] = sys.stdin.readline().strip() == "pause"
        settle()
        return True

    bus = player.get_bus()
    bus.add_signal_watch()
    bus.connect("message", heard)
    GLib.io_add_watch(sys.stdin.fileno(), GLib.IO_IN, told)
    settle()
    loop.run()
    player.set_state(Gst.State.NULL)
    return state["status"]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2]))
