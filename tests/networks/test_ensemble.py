"""The mean over mirrored and turned views: of the views themselves, and of the shipped network."""

from __future__ import annotations

import numpy as np
import pytest

from vsrcli.media.resample import resample, resample_matrix
from vsrcli.networks.card import find_model
from vsrcli.networks.ensemble import _VIEWS, Ensemble
from vsrcli.networks.spmc import SpmcUpscaler

from ..clips import detailed
from .tiny import flat, tiny_model


def test_every_view_is_another_and_leads_back() -> None:
    plane = np.arange(12.0).reshape(3, 4)
    seen = [view.of(plane) for view in _VIEWS]
    assert len({picture.tobytes() + bytes(picture.shape) for picture in seen}) == 8
    for view, picture in zip(_VIEWS, seen, strict=True):
        np.testing.assert_array_equal(view.back(picture), plane)
    np.testing.assert_array_equal(seen[0], plane)


def test_the_mean_is_that_of_clips_turned_beforehand() -> None:
    """Scenes, windows and states of the views keep apart, sizes are padded on their own sides."""
    generator = np.random.default_rng(0)
    frames = [generator.random((13, 18), np.float32) for _ in range(5)]
    alone = []
    for view in _VIEWS:
        upscaler = SpmcUpscaler(tiny_model(), frames=3)
        found = [
            luma
            for index, frame in enumerate(frames)
            for luma in upscaler.push(view.of(frame), cut=index == 3)
        ]
        alone.append([view.back(luma) for luma in found + upscaler.flush()])
    for count in (1, 2, 4, 8):
        ensemble = Ensemble(Cut(tiny_model(), frames=3), count)
        together = [luma for frame in frames for luma in ensemble.fuse(ensemble.look(frame))]
        together += ensemble.flush()
        assert len(together) == len(frames)
        for ours, theirs in zip(together, zip(*alone[:count], strict=True), strict=True):
            np.testing.assert_allclose(ours, np.mean(theirs, axis=0), atol=1e-6)


class Cut(SpmcUpscaler):
    """Finds a cut at the fourth frame, when asked to find one."""

    seen = 0

    def look(self, luma, *, cut=None):  # type: ignore[no-untyped-def]
        if cut is None:
            self.seen, cut = self.seen + 1, self.seen == 3
        return super().look(luma, cut=cut)


def test_the_first_view_alone_decides_where_scenes_begin() -> None:
    told: list[list[bool | None]] = []

    class Listening(SpmcUpscaler):
        def look(self, luma, *, cut=None):  # type: ignore[no-untyped-def]
            told[-1].append(cut)
            return super().look(luma, cut=len(told) == 3 if cut is None else cut)

    ensemble = Ensemble(Listening(tiny_model(), frames=3), 4)
    for value in (0.3, 0.4, 0.5, 0.6):
        told.append([])
        ensemble.fuse(ensemble.look(flat(value)))
    assert told == [[None, index == 2, index == 2, index == 2] for index in range(4)]


def test_other_numbers_of_views_are_refused() -> None:
    with pytest.raises(ValueError, match="not 9"):
        Ensemble(SpmcUpscaler(tiny_model()), 9)


def test_two_clips_at_once_do_not_touch() -> None:
    one = SpmcUpscaler(tiny_model(), frames=1)
    one.push(flat(0.1, 6, 8))
    other = one.another()
    (found,) = other.push(flat(0.3, 8, 6)) + other.flush()
    assert found.shape == (32, 24)
    assert len(one.push(flat(0.2, 6, 8))) == 1


def test_views_agree_better_with_the_truth() -> None:
    wide = detailed(120, 170)
    high = [wide[2 * i : 2 * i + 96, 5 * i : 5 * i + 128] for i in range(6)]
    rows, columns = resample_matrix(96, 24), resample_matrix(128, 32)
    low = [np.clip(resample(frame, rows, columns), 0, 1) for frame in high]
    errors = []
    for count in (1, 8):
        ensemble = Ensemble(SpmcUpscaler(find_model(precision="fp32"), threads=2), count)
        found = [luma for frame in low for luma in ensemble.fuse(ensemble.look(frame))]
        found += ensemble.flush()
        errors.append(np.mean([(a - b) ** 2 for a, b in zip(found, high, strict=True)]))
    assert errors[1] < 0.98 * errors[0]
