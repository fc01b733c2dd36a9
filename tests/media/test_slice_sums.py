"""Check sums of FFV1."""

from __future__ import annotations

from pathlib import Path

import av
import pytest

from tests.conftest import MakeClip
from vsrcli.media.slice_sums import SliceSums


def packets_of(path: Path) -> list[bytes]:
    with av.open(str(path)) as container:
        return [bytes(p) for p in container.demux(container.streams.video[0]) if p.size]


def changed(packet: bytes, place: int) -> bytes:
    return packet[:place] + bytes([packet[place] ^ 16]) + packet[place + 1 :]


@pytest.mark.parametrize("pix_fmt", ["yuv420p", "gbrp10le", "yuv422p10le"])
def test_a_changed_bit_of_any_slice_is_seen(make_clip: MakeClip, pix_fmt: str) -> None:
    options = {"level": "3", "slices": "4", "slicecrc": "1", "g": "3"}
    path = make_clip("a.mkv", codec="ffv1", pix_fmt=pix_fmt, frames=6, options=options)
    sums, packets = SliceSums(), packets_of(path)
    assert not any(map(sums.are_wrong, packets))
    for eighth in (1, 3, 5, 7):
        assert sums.are_wrong(changed(packets[4], len(packets[4]) * eighth // 8))


@pytest.mark.parametrize("options", [{"level": "3", "slicecrc": "0"}, {"level": "1"}])
def test_without_sums_nothing_is_wrong(make_clip: MakeClip, options: dict[str, str]) -> None:
    path = make_clip("a.mkv", codec="ffv1", frames=4, options=options | {"threads": "1"})
    sums = SliceSums()
    for packet in packets_of(path):
        assert not sums.are_wrong(packet) and not sums.are_wrong(changed(packet, 30))


def test_what_cannot_be_taken_apart_is_left_to_the_decoder(make_clip: MakeClip) -> None:
    sums = SliceSums()
    (*_, packet) = packets_of(make_clip("a.mkv", codec="ffv1", options={"level": "3"}))
    assert not sums.are_wrong(packet)
    assert not sums.are_wrong(packet[:-9]) and not sums.are_wrong(packet[:5])
