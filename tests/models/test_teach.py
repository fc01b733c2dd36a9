"""The teacher: what a network makes of several views of a clip, and how it is learnt from."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from models.spmc import teach
from vsrcli.media.resample import resample, resample_matrix
from vsrcli.networks.card import find_model
from vsrcli.networks.spmc import SpmcUpscaler

from ..clips import detailed


class Counting:
    """Stands in for a network: every pixel sixteen times, brighter from frame to frame."""

    def __init__(self) -> None:
        self._count = 0

    def push(self, luma: NDArray[np.uint8], *, cut: bool) -> list[NDArray[np.float32]]:
        """As the upscaler's, without delay."""
        assert not cut
        self._count += 1
        return [np.kron(luma, np.ones((4, 4))).astype(np.float32) / 255 + self._count * 8 / 255]

    def flush(self) -> list[NDArray[np.float32]]:
        """The next clip begins anew."""
        self._count = 0
        return []


def test_views_differ_and_lead_back() -> None:
    clip = np.random.default_rng(0).integers(0, 100, (4, 5, 6), np.uint8)
    seen = set()
    for turning, direction in teach.VIEWS:
        turned = [turning.of(frame) for frame in clip[::direction]]
        seen.add(b"".join(frame.tobytes() for frame in turned) + bytes(turned[0].shape))
    assert len(seen) == len(teach.VIEWS)
    large = np.kron(clip, np.ones((1, 4, 4), np.uint8))
    # Seen alone, the first view has brightened by 8, 16, 24, 32; with one run backwards by 20.
    forth = np.arange(8, 40, 8, dtype=np.uint8)[:, None, None]
    np.testing.assert_array_equal(teach.taught(Counting(), clip, 1), large + forth)  # type: ignore[arg-type]
    for views in (2, 4, 8):
        np.testing.assert_array_equal(teach.taught(Counting(), clip, views), large + 20)  # type: ignore[arg-type]


def error(pictures: NDArray[np.uint8], truth: NDArray[np.float32]) -> float:
    """Mean squared error in levels of 255."""
    return float(np.square(pictures - truth * np.float32(255)).mean())


def test_the_teacher_is_closer_to_the_truth(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of the shipped network, by the command; what is done is not done again."""
    whole = detailed(200, 240)
    truth = np.stack([whole[t : t + 160, 2 * t : 2 * t + 192] for t in range(5)])
    rows, columns = resample_matrix(160, 40), resample_matrix(192, 48)
    low = np.stack([np.rint(resample(each, rows, columns) * 255) for each in truth])
    for number in range(2):
        np.savez(tmp_path / f"{number}.npz", bi_x4=low.astype(np.uint8))
    arguments = ["teach", "--cache", str(tmp_path), "--precision", "fp32", "--part", "1/2"]
    for part in ("1/2", "2/2", "1/1"):
        monkeypatch.setattr(sys, "argv", [*arguments[:-1], part])
        if part == "1/1":  # nothing is left to do, so no clip is read
            for number in range(2):
                (tmp_path / f"{number}.npz").write_bytes(b"")
        monkeypatch.setattr(teach, "KINDS", ("bi",))
        teach.main()
    with np.load(tmp_path / "teacher" / "1.npz") as stored:
        assert list(stored) == ["bi_x4"]
        lesson = stored["bi_x4"]
    upscaler = SpmcUpscaler(find_model("spmc_x4", "fp32"), frames=teach.WINDOW)
    alone = np.rint(teach.enlarged(upscaler, low.astype(np.uint8)) * 255).astype(np.uint8)
    assert error(lesson, truth) < 0.97 * error(alone, truth)
