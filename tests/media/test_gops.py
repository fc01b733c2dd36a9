"""What is passed over undecoded before the part that is wanted, and what is kept."""

from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import pytest

from vsrcli.media import gops
from vsrcli.media.gops import Groups, can_pass_over


def picture(pts: int, *, key: bool = False, discard: bool = False) -> Any:
    """A packet of 100 bytes as far as groups look at it."""
    return SimpleNamespace(pts=pts, is_keyframe=key, is_discard=discard, size=100)


def grown(least: int, coded: Sequence[tuple[int, bool]]) -> tuple[Groups, list[list[int]]]:
    """Groups of packets (PTS, key) in decoding order, and what was passed over after each."""
    groups, passed = Groups(least), []
    for pts, key in coded:
        groups.add(picture(pts, key=key))
        passed.append(groups.pass_over())
    return groups, passed


def test_a_group_is_passed_over_once_enough_is_shown_from_the_next_on() -> None:
    coded = [(pts, pts % 4 == 0) for pts in range(12)]
    groups, passed = grown(4, coded)
    assert passed == [[]] * 7 + [[0, 1, 2, 3]] + [[]] * 3 + [[4, 5, 6, 7]]
    assert groups.key == 8 and [packet.pts for packet in groups.kept()] == [8, 9, 10, 11]
    groups, passed = grown(5, coded)
    assert passed == [[]] * 8 + [[0, 1, 2, 3]] + [[]] * 3
    assert groups.key == 4


def test_pictures_shown_before_their_key_frame_are_not_counted_on() -> None:
    """They need the group before, which is dropped: they are told of apart."""
    coded = [(0, True), (1, False), (4, True), (2, False), (3, False), (5, False), (6, False)]
    groups, passed = grown(4, coded)
    assert not any(passed) and groups.key == 0
    groups, passed = grown(4, [*coded, (7, False)])
    assert passed[-1] == [0, 1]
    assert groups.key == 4 and groups.leading() == [2, 3]


def test_packets_that_show_nothing_are_no_pictures() -> None:
    groups = Groups(2)
    for pts in range(4):
        groups.add(picture(pts, key=pts == 0, discard=pts == 1))
    groups.add(picture(4, key=True))
    groups.add(picture(5, discard=True))
    assert groups.pass_over() == []
    groups.add(picture(6))
    assert groups.pass_over() == [0, 2, 3]


def test_no_more_is_held_back_than_memory_allows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gops, "_MOST_BYTES", 500)
    groups = Groups(2)
    for pts in range(5):
        groups.add(picture(pts, key=pts in (0, 3)))
        assert not groups.full
    groups.add(picture(5))
    assert groups.full
    assert groups.pass_over() == [0, 1, 2] and not groups.full


def test_only_packets_that_are_whole_pictures_with_times_are_counted() -> None:
    assert can_pass_over("mov,mp4,m4a,3gp,3g2,mj2", "h264", fields=False)
    assert can_pass_over("matroska,webm", "vp9", fields=False)
    assert not can_pass_over("matroska,webm", "h264", fields=True)
    assert not can_pass_over("matroska,webm", "vc1", fields=False)
    for form in ("mpegts", "avi", "flv", "nut"):
        assert not can_pass_over(form, "h264", fields=False)
