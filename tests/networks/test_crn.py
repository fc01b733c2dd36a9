"""The component regression network's card and its session."""

from __future__ import annotations

import os
import shutil
import sys
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


def test_a_graph_of_another_kind_than_its_card_says_is_refused(copy: Path) -> None:
    content = copy.read_bytes()
    for before, after in ((b"evidence", b"evidance"), (b'["1", "2-363"]', b'["1","2", "3"]')):
        copy.write_bytes(content.replace(before, after))
        with pytest.raises(ModelError, match=r"tiny_crn\.onnx is another graph than its card says"):
            CrnReverter(read_crn_card(copy)).predict(np.zeros((32, 32, 3), np.float32))


def test_a_card_that_makes_no_sense_is_refused(copy: Path) -> None:
    content = copy.read_bytes()
    for before, after in (
        (b"multiple_of\x12\x0216", b"multiple_of\x12\x0200"),
        (b"[112,", b"[  0,"),
    ):
        assert before in content
        copy.write_bytes(content.replace(before, after))
        with pytest.raises(ModelError, match="incomplete model card.*0 is less than 1"):
            read_crn_card(copy)


def test_damaged_names_in_a_model_are_damage(copy: Path) -> None:
    """Of them onnxruntime makes no text."""
    content = copy.read_bytes()
    for before, after in ((b"weights_sha256", b"weights_sh\xe3256"), (b"evidence", b"evid\xe3nce")):
        copy.write_bytes(content.replace(before, after, 1))
        with pytest.raises(ModelError, match=r"tiny_crn\.onnx is damaged"):
            read_crn_card(copy)


@pytest.mark.skipif(sys.platform != "linux", reason="such names are on Linux alone")
def test_a_model_in_a_folder_whose_name_is_no_text(copy: Path) -> None:
    folder = copy.with_name(os.fsdecode(b"mod\xe8le"))
    folder.mkdir()
    copy = copy.rename(folder / copy.name)
    found = CrnReverter(find_crn(copy)).predict(np.zeros((32, 32, 3), np.float32))
    assert found.components.shape == (2, 32, 32, 3)


def test_a_model_that_cannot_be_looked_at_is_named() -> None:
    with pytest.raises(ModelError, match=r"x\.onnx cannot be read \(File name too long\)"):
        find_crn("x" * 300 + ".onnx")


def test_an_incomplete_card_is_refused(copy: Path) -> None:
    copy.write_bytes(copy.read_bytes().replace(b"face_height", b"face_weight"))
    with pytest.raises(ModelError, match="incomplete model card.*face_height"):
        read_crn_card(copy)
