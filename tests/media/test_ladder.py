"""The ladder at other frame rates."""

from __future__ import annotations

import pytest

from streamer.media.ladder import DEFAULT_LADDER, VideoRung, at_rate


@pytest.mark.parametrize(
    ("frame_rate", "levels"),
    [
        ((24_000, 1001), ["3.1", "3.1", "3.1"]),
        ((30, 1), ["3.1", "3.1", "3.1"]),
        ((50, 1), ["3.1", "3.1", "3.2"]),
        ((60, 1), ["3.1", "3.2", "3.2"]),
        ((120, 1), ["3.2", "4.0", "4.2"]),
    ],
)
def test_more_frames_a_second_need_a_higher_level(frame_rate: tuple[int, int], levels: list[str]) -> None:
    ladder = at_rate(DEFAULT_LADDER, frame_rate)

    assert ladder.frame_rate == frame_rate
    assert [rung.level for rung in ladder.video] == levels
    assert at_rate(ladder, (25, 1)).video == ladder.video  # a level that is asked for is kept


def test_the_largest_picture_gets_the_highest_level() -> None:
    rung = VideoRung(id="v9", width=7680, height=4320, bitrate_kbps=1, max_bitrate_kbps=1, level="5.2")

    assert at_rate(at_rate(DEFAULT_LADDER, (25, 1)), (25, 1)).video == DEFAULT_LADDER.video
    huge = type(DEFAULT_LADDER)(
        video=(rung,), audio=DEFAULT_LADDER.audio, frame_rate=(25, 1), segment_seconds=2, preset="veryfast"
    )
    assert at_rate(huge, (120, 1)).video == (rung,)
