"""Makes the footage of the sample story: each clip with its own colour, tone, name and running frame number.

Frame number and clip number are also drawn as rows of black and white blocks, so that a test can tell from any decoded
frame, at any size, where it came from. Nothing is made twice; a run that is stopped leaves nothing half-made.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

from streamer.errors import BranchlineError
from streamer.packager.tools import find_tools

FRAME_RATE = 25
WIDTH, HEIGHT = 1280, 720
FOOTAGE = Path(__file__).parent / "sample" / "footage"

# The row of blocks: 16 of the frame's number and 8 of the clip's, lowest bit first; at the same place in every frame.
BLOCK = 40  # pixels, square
FRAME_BITS, CLIP_BITS = 16, 8
BLOCKS_X, BLOCKS_Y = 160, 660
BLACK, WHITE = 16, 235  # of limited range, so that scaling and encoding keep them apart


@dataclass(frozen=True, slots=True, kw_only=True)
class Shot:
    """One source file to make."""

    src: str
    number: int  # shown in the blocks
    frames: int  # at 25 a second
    colour: str  # of the background, RRGGBB
    tone: int  # Hz


SHOTS = (
    Shot(src="platform", number=1, frames=288, colour="1F3A5F", tone=220),  # 11.52 s
    Shot(src="yard", number=2, frames=184, colour="5B4B8A", tone=300),  # 7.36 s
    Shot(src="buffet", number=3, frames=221, colour="8A5A2B", tone=380),  # 8.84 s
    Shot(src="junction", number=4, frames=313, colour="2F5D50", tone=460),  # 12.52 s
    Shot(src="viaduct", number=5, frames=187, colour="3C7EA6", tone=540),  # 7.48 s
    Shot(src="lakeside", number=6, frames=231, colour="2E8B6F", tone=620),  # 9.24 s
    Shot(src="turntable", number=7, frames=274, colour="9C3D54", tone=700),  # 10.96 s
    Shot(src="underground", number=8, frames=338, colour="303338", tone=780),  # 13.52 s
    Shot(src="lamplight", number=9, frames=193, colour="B3862D", tone=860),  # 7.72 s
)


def main() -> None:
    """Makes what is missing."""
    missing = [shot for shot in SHOTS if not target_of(shot).exists()]
    if not missing:
        sys.stdout.write(f"footage: all {len(SHOTS)} clips are there\n")
        return
    FOOTAGE.mkdir(parents=True, exist_ok=True)
    with ThreadPoolExecutor(2) as pool:
        for count, shot in enumerate(pool.map(make, missing), 1):
            sys.stdout.write(f"footage: {count}/{len(missing)} {shot.src}\n")
            sys.stdout.flush()


def target_of(shot: Shot) -> Path:
    """Gives the file that a shot is made as."""
    return FOOTAGE / f"{shot.src}.mkv"


def make(shot: Shot) -> Shot:
    """Makes one source, whole or not at all.

    Raises:
        BranchlineError: ffmpeg failed; says what it said.
    """
    with tempfile.TemporaryDirectory(prefix=".making-", dir=FOOTAGE.parent) as folder:
        draft = Path(folder) / f"{shot.src}.mkv"
        process = subprocess.Popen(command(shot, draft), stdin=subprocess.PIPE, stderr=subprocess.PIPE)
        with ThreadPoolExecutor(1) as reader:
            assert process.stdin is not None
            assert process.stderr is not None
            complaints = reader.submit(process.stderr.read)
            try:
                for row in rows(shot):
                    process.stdin.write(row)
                process.stdin.close()
            except BrokenPipeError:
                pass  # ffmpeg ended early; its exit status tells
            if process.wait():
                raise BranchlineError(
                    f"{shot.src}: ffmpeg failed: {complaints.result().decode(errors='replace')[-600:]}"
                )
        draft.rename(target_of(shot))
    return shot


def rows(shot: Shot) -> Iterator[bytes]:
    """Gives the row of blocks of each frame: grey, 24 blocks wide and one high."""
    for frame in range(shot.frames):
        bits = [frame >> bit & 1 for bit in range(FRAME_BITS)] + [shot.number >> bit & 1 for bit in range(CLIP_BITS)]
        yield b"".join(bytes((WHITE if bit else BLACK,)) * BLOCK for bit in bits) * BLOCK


def command(shot: Shot, target: Path) -> Sequence[str]:
    """Gives the ffmpeg command that makes a shot, the blocks coming in on its standard input."""
    seconds = f"{shot.frames / FRAME_RATE:.2f}"
    font = resources.files("fontpkg_inter") / "files" / "Inter[opsz,wght].ttf"
    style = f"fontfile='{_escaped(str(font))}':fontcolor=white"
    lines = (
        f"drawtext={style}:fontsize=120:text='{shot.src}':x=(w-tw)/2:y=190",
        f"drawtext={style}:fontsize=30:alpha=0.75:text='The points':x=(w-tw)/2:y=140",
        f"drawtext={style}:fontsize=44:alpha=0.9:text='frame %{{frame_num}}':x=(w-tw)/2:y=350",
    )
    rails = "drawbox=y=520:w=iw:h=6:color=white@0.55:t=fill,drawbox=y=570:w=iw:h=6:color=white@0.55:t=fill"
    graph = (
        f"[0:v]{rails},{','.join(lines)}[ground];"
        "[1:v]format=gray[blocks];"
        "[ground][2:v]overlay=x='mod(t*190\\,w+240)-240':y=470:shortest=1[train];"
        f"[train][blocks]overlay=x={BLOCKS_X}:y={BLOCKS_Y},format=yuv420p[picture];"
        "[3:a]aformat=channel_layouts=stereo[sound]"
    )
    return (
        find_tools().ffmpeg,
        *("-hide_banner", "-loglevel", "error", "-y"),
        *("-f", "lavfi", "-i", f"color=c=0x{shot.colour}:s={WIDTH}x{HEIGHT}:r={FRAME_RATE}:d={seconds}"),
        *("-f", "rawvideo", "-pix_fmt", "gray", "-color_range", "tv", "-r", str(FRAME_RATE)),
        *("-s", f"{(FRAME_BITS + CLIP_BITS) * BLOCK}x{BLOCK}", "-i", "pipe:0"),
        *("-f", "lavfi", "-i", f"color=c=white@0.9:s=240x120:r={FRAME_RATE}:d={seconds},format=yuva420p"),
        # The generator's own level is 1/8 of full scale: -18 dBFS.
        *("-f", "lavfi", "-i", f"sine=frequency={shot.tone}:sample_rate=48000:duration={seconds}"),
        *("-filter_complex", graph, "-map", "[picture]", "-map", "[sound]"),
        *("-c:v", "libx264", "-preset", "ultrafast", "-crf", "12", "-c:a", "pcm_s16le", "-f", "matroska", str(target)),
    )


def _escaped(text: str) -> str:
    return "".join(f"\\{mark}" if mark in "\\':[],;" else mark for mark in text)


if __name__ == "__main__":
    try:
        main()
    except BranchlineError as error:
        sys.exit(str(error))
