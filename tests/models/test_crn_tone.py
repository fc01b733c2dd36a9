"""The head bends tone as its nodes say, looks at the face, and sees how smooth it is."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest


def test_a_change_is_the_polygon_through_the_nodes(torch: Any) -> None:
    from models.crn.tone import NODES, change

    random = np.random.default_rng(0)
    nodes = random.normal(size=(2, 3, NODES)).astype(np.float32)
    picture = random.random((2, 3, 5, 7)).astype(np.float32)
    where = random.random((2, 1, 5, 7)).astype(np.float32)
    rest = random.random((2, 3, 5, 7)).astype(np.float32)
    found = change(*(torch.from_numpy(each) for each in (picture, nodes, where, rest))).numpy()
    places = np.linspace(0, 1, NODES)
    for one in range(2):
        for channel in range(3):
            bent = np.interp(picture[one, channel], places, nodes[one, channel])
            expected = bent * where[one, 0] + rest[one, channel]
            assert found[one, channel] == pytest.approx(expected, abs=1e-4)


def test_the_head_looks_where_the_training_cuts(torch: Any) -> None:
    from models.crn.canvas import CANVAS
    from models.crn.data import CONTEXT, NEAR
    from models.crn.tone import looked_at

    height, width = (extent // CONTEXT for extent in CANVAS)
    seen = looked_at(torch.zeros(1, 3, height, width))[0, 0].numpy()
    rows, columns = (slice(each.start // CONTEXT, each.stop // CONTEXT) for each in NEAR)
    assert seen[rows, columns].all()
    assert seen.sum() == (rows.stop - rows.start) * (columns.stop - columns.start)


def test_texture_tells_amplitude_and_octave(torch: Any) -> None:
    from models.crn.tone import OCTAVES, textures

    generator = torch.Generator().manual_seed(0)
    noise = torch.randn(1, 1, 64, 64, generator=generator)
    for octave in range(OCTAVES):
        coarse = torch.nn.functional.avg_pool2d(noise, 2**octave)
        band = torch.nn.functional.interpolate(coarse, scale_factor=2**octave) * 2**octave
        weak, strong = (textures(0.5 + gain * band.expand(-1, 3, -1, -1)) for gain in (0.04, 0.08))
        rise = (strong - weak).mean((0, 2, 3))
        # Twice the amplitude is ln 2 more, over 1.5; finer octaves have nothing in them.
        assert float(rise[2 * octave]) == pytest.approx(np.log(2) / 1.5, abs=0.03)
        assert rise[: 2 * octave].abs().max() < 1e-4 if octave else True
        assert abs(float(rise[2 * octave + 1])) < 0.03  # and it is no more peaked than before


def test_an_edge_is_more_peaked_than_noise(torch: Any) -> None:
    from models.crn.tone import textures

    flat = torch.full((1, 3, 16, 16), 0.5)
    edge, noise = flat.clone(), flat.clone()
    edge[..., 7] += 0.3
    noise += 0.03 * torch.randn(1, 1, 16, 16, generator=torch.Generator().manual_seed(0))
    assert float(textures(edge)[0, 1, 0, 0] - textures(noise)[0, 1, 0, 0]) > 1


def test_what_is_covered_is_not_learnt_from(torch: Any) -> None:
    from models.crn.tone import Tone
    from models.crn.train_tone import Sample, Views, losses

    generator = torch.Generator().manual_seed(3)
    small, truth = (0.2 + 0.6 * torch.rand(8, 3, 56, 48, generator=generator) for _ in "ab")
    traces = torch.randn(8, 8, 20, 16, generator=generator)
    views = Views(small, truth, traces, torch.ones(8), torch.arange(8), *torch.zeros(2, 8))
    plain = Sample.of(views, torch.arange(8))
    assert (plain.small == small).all() and plain.seen.all()
    one, two = (plain.varied(torch.Generator().manual_seed(4)) for _ in "ab")
    assert (one.small == two.small).all() and (one.seen == two.seen).all()
    assert 0.5 < one.seen.mean() < 1 and not (one.traces * (1 - one.seen)).any()
    ratio = (one.small / one.truth)[one.seen.expand_as(one.small) > 0]
    mirrored = (small / truth).flip(3), small / truth
    assert any(torch.isclose(ratio, each[one.seen.expand_as(each) > 0]).all() for each in mirrored)
    torch.manual_seed(0)
    head = Tone().eval()
    wrong = Sample(one.small, one.truth + (1 - one.seen), one.traces, one.seen)
    found, expected = (losses(head, each, views.edited)[0] for each in (wrong, one))
    assert torch.allclose(found, expected)


def test_likely_edits_are_seen_oftener(torch: Any) -> None:
    from models.crn.train_tone import APP_WEIGHT, UNTOUCHED_WEIGHT, USUAL_WEIGHT, Views

    untouched, other, app, usual = range(4)
    edited, near, known = torch.tensor([[0, 1, 1, 1], [0, 0, 1, 1], [0, 0, 0, 1.0]])
    weights = Views(*torch.zeros(3, 4), edited, torch.arange(4), near, known).weights
    assert weights[other] == 1 and weights[untouched] == UNTOUCHED_WEIGHT
    assert weights[app] == pytest.approx(APP_WEIGHT)
    assert weights[usual] == pytest.approx(APP_WEIGHT * USUAL_WEIGHT)


def test_the_usual_amount_is_that_of_the_known_app() -> None:
    from models.crn import edits

    ramp = np.repeat(np.linspace(0.15, 0.95, 200, dtype=np.float32)[None, :, None], 3, 2)
    known = edits.TONES["app table"](ramp, 1.0)
    errors = {a: np.abs(edits.TONES["toe log"](ramp, a) - known).max() for a in (0, 0.375, 1)}
    assert errors[0.375] < 3 / 255 < 5 / 255 < min(errors[0], errors[1])
    least, most = edits.APP_USUAL
    assert (least + most) / 2 == pytest.approx(0.375)


def test_pairs_are_what_they_are_called(tmp_path: Any, torch: Any) -> None:
    from models.crn.canvas import CANVAS
    from models.crn.data import KINDS, Faces

    assert sum(KINDS.values()) == pytest.approx(1)
    random = np.random.default_rng(0)
    pictures = random.integers(60, 190, (8, *CANVAS, 3)).astype(np.uint8)
    skin = np.full(CANVAS, 255, np.uint8)
    np.savez(tmp_path / "face.npz", pictures=pictures, skin=skin, sharp=True, apps=2)
    for kind in KINDS:
        faces = Faces(tmp_path, 64, kinds={kind: 1.0})
        draws = [faces.draw(random) for _ in range(12)]
        edited = [drawn.edited for drawn in draws]
        if kind != "tone":  # 15 % of those have a tint alone
            assert all(edited) if kind != "untouched" else not any(edited)
        for drawn in draws:
            if kind == "app":
                assert drawn.version in (6, 7)
                assert drawn.finish.tone in ("toe log", "light log", "log")
            elif kind in ("smoothing", "both"):
                assert 1 <= drawn.version <= 5
            else:
                assert drawn.version == 0
        if kind == "untouched":
            silent = next(drawn for drawn in draws if not drawn.finish.quality)
            found, truth = faces.pair(silent, 320, 320)
            assert np.abs(found - truth).max() < 1e-6
    faces = Faces(tmp_path, 64)
    one, two = (faces.batch(3, seed=5) for _ in range(2))
    assert (one.edited == two.edited).all() and (one.near == two.near).all()
    assert one.small.shape == (3, 3, 56, 48) and one.near.shape == (3, 3, 320, 256)
