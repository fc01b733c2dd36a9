"""The component regression network's card and its session."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from vsrcli.errors import ModelError
from vsrcli.networks.crn import CrnReverter, find_crn, read_crn_card

TINY = Path(__file__).parents[1] / "data" / "tiny_crn.onnx"


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A copy of the tiny model that may be spoilt."""
    return Path(shutil.copy(TINY, tmp_path))


def test_the_default_model_comes_with_vsr() -> None:
    card = find_crn()
    assert (card.name, card.licence, card.face_height) == ("crn", "MIT", 512)
    assert len(card.weights_sha256) == 64
    assert card.components[:4] == ("curve", "1", "2", "3") and card.tone == 4
    assert len(card.variances) == 363 and list(card.variances) == sorted(card.variances)[::-1]
    assert "CC BY 4.0" in card.training_data
    assert len(card.detector) == 11 and 0 < card.edited_above < card.edited_surely < 1


def test_all_facts_are_read() -> None:
    card = read_crn_card(TINY)
    assert (card.name, card.version, card.components) == ("tiny_crn", "1", ("1", "2-363"))
    assert (card.tone, card.face_height, card.canvas) == (1, 64, (112, 96))
    assert (card.multiple_of, card.halo) == (16, 16)
    assert (card.edited_above, card.edited_surely) == (0.5, 0.6)
    assert find_crn(TINY) == card


@pytest.mark.parametrize("size", [(16, 16), (33, 50), (112, 96)])
def test_any_size_is_predicted_component_by_component(size: tuple[int, int]) -> None:
    picture = np.random.default_rng(0).random((*size, 3)).astype(np.float32)
    said = CrnReverter(read_crn_card(TINY), threads=1).predict(picture)
    found = said.components
    assert found.shape == (2, *size, 3)
    # Of the picture as padded, that is mirrored to a multiple of 16.
    assert said.evidence == pytest.approx(float(picture.mean()), abs=0.02)
    assert np.abs(found[0] + 0.1 * picture).max() < 1e-6
    middle = picture[1:4, 1:4].mean(axis=(0, 1))
    assert found[1, 2, 2] == pytest.approx(0.5 * (picture[2, 2] - middle), abs=1e-6)


def test_the_shipped_network_takes_any_size_and_repeats() -> None:
    reverter = CrnReverter(find_crn(), threads=1)
    picture = np.random.default_rng(1).random((70, 45, 3)).astype(np.float32)
    said = reverter.predict(picture)
    found = said.components
    assert found.shape == (len(reverter.card.components), 70, 45, 3)
    assert np.isfinite(found).all() and 0 < np.abs(found).max() < 1
    assert np.isfinite(said.evidence)
    again = reverter.predict(picture)
    assert (again.components == found).all() and again.evidence == said.evidence


def test_a_missing_model_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"gone\.onnx is missing"):
        find_crn(tmp_path / "gone.onnx")
    with pytest.raises(ModelError, match=r"nothing\.onnx is missing"):
        find_crn("nothing")


def test_a_damaged_model_is_named(copy: Path) -> None:
    copy.write_bytes(copy.read_bytes()[:200])
    with pytest.raises(ModelError, match=r"tiny_crn\.onnx is damaged"):
        read_crn_card(copy)


def test_a_foreign_model_is_refused(copy: Path) -> None:
    copy.write_bytes(copy.read_bytes().replace(b"vsr-crn-2", b"vsr-crn-9"))
    with pytest.raises(ModelError, match="not a model for this version"):
        read_crn_card(copy)


def test_an_incomplete_card_is_refused(copy: Path) -> None:
    copy.write_bytes(copy.read_bytes().replace(b"face_height", b"face_weight"))
    with pytest.raises(ModelError, match="incomplete model card.*face_height"):
        read_crn_card(copy)
