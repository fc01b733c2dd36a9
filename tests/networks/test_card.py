"""Model cards and where models are found."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

import pytest

from vsrcli.errors import ModelError
from vsrcli.networks.card import DEFAULT_MODEL, ROLES, find_model, read_card, shipped_models
from vsrcli.networks.session import Device
from vsrcli.networks.spmc import SpmcUpscaler

from .tiny import TINY


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """Prefix of a copy of the tiny model that may be spoilt."""
    for role in ROLES:
        shutil.copy(TINY.with_name(f"tiny.{role}.onnx"), tmp_path)
    return tmp_path / "tiny"


def test_the_default_model_comes_with_vsr() -> None:
    model = find_model()
    assert model.name == DEFAULT_MODEL
    assert DEFAULT_MODEL in shipped_models()
    assert [card.role for card in (model.motion, model.compose, model.fusion)] == list(ROLES)
    assert (model.fusion.scale, model.fusion.licence) == (4, "MIT")
    assert len(model.fusion.weights_sha256) == 64
    assert model.fusion.states
    assert model.fusion.halo % model.fusion.multiple_of == 0


def test_all_facts_are_read() -> None:
    card = read_card(TINY.with_name("tiny.fusion.onnx"))
    assert (card.name, card.role, card.version, card.precision) == ("tiny", "fusion", "1", "fp32")
    assert (card.scale, card.multiple_of, card.halo, card.window) == (4, 2, 4, 3)
    assert card.states == {"count": 1, "memory": 3}
    assert card.memory(10, 20, frames=3) == 200 * (1000 + 2 * 100)


@pytest.mark.parametrize("suffix", ["", ".motion.onnx", ".fusion.onnx", ".compose.onnx"])
def test_a_model_is_named_by_prefix_or_any_file(copy: Path, suffix: str) -> None:
    model = find_model(f"{copy}{suffix}")
    assert model.fusion.path == copy.with_name("tiny.fusion.onnx")


def test_an_unknown_name_tells_what_there_is() -> None:
    with pytest.raises(ModelError, match=rf"no model 'nothing'.*{DEFAULT_MODEL}"):
        find_model("nothing")


def test_a_missing_part_is_named(copy: Path) -> None:
    copy.with_name("tiny.motion.onnx").unlink()
    with pytest.raises(ModelError, match=r"tiny\.motion\.onnx is missing"):
        find_model(copy)


def test_a_damaged_file_is_named(copy: Path) -> None:
    path = copy.with_name("tiny.fusion.onnx")
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(ModelError, match=r"tiny\.fusion\.onnx is damaged"):
        find_model(copy)


def test_a_file_under_the_wrong_name_is_refused(copy: Path) -> None:
    shutil.copy(copy.with_name("tiny.compose.onnx"), copy.with_name("tiny.motion.onnx"))
    with pytest.raises(ModelError, match="holds the graph 'compose', not 'motion'"):
        find_model(copy)


def test_a_foreign_model_is_refused(copy: Path) -> None:
    path = copy.with_name("tiny.fusion.onnx")
    path.write_bytes(path.read_bytes().replace(b"vsr-spmc-3", b"abc-spmc-1"))
    with pytest.raises(ModelError, match="not a model for this version"):
        find_model(copy)


def test_an_incomplete_card_is_refused(copy: Path) -> None:
    path = copy.with_name("tiny.fusion.onnx")
    path.write_bytes(path.read_bytes().replace(b"multiple_of", b"multiple_xx"))
    with pytest.raises(ModelError, match="incomplete model card.*multiple_of"):
        find_model(copy)


STATES = '{"count": 1, "memory": 3}'
BYTES = '{"first": 1000, "further": 100}'


@pytest.mark.parametrize(
    ("key", "value", "other"),
    [
        ("scale", "4", "0"),
        ("multiple_of", "2", "0"),
        ("window", "3", "0"),
        ("states", STATES, "[]"),
        ("states", STATES, "null"),
        ("states", STATES, '{"count": "1"}'),
        ("states", STATES, '{"count": -1}'),
        ("bytes_per_pixel", BYTES, '{"first": 1000}'),
        ("bytes_per_pixel", BYTES, "7"),
        ("bytes_per_pixel", BYTES, '{"first": "a", "further": 1}'),
    ],
)
def test_a_card_that_makes_no_sense_is_refused(
    copy: Path, key: str, value: str, other: str
) -> None:
    path = copy.with_name("tiny.fusion.onnx")
    before, after = (
        f"{key}\x12{chr(len(value))}{text:{len(value)}}".encode() for text in (value, other)
    )
    assert before in path.read_bytes()
    path.write_bytes(path.read_bytes().replace(before, after))
    with pytest.raises(ModelError, match=r"tiny\.fusion\.onnx has an incomplete model card"):
        find_model(copy)


@pytest.mark.parametrize(
    ("role", "output"), [("motion", "back"), ("compose", "flow"), ("fusion", "next_count")]
)
def test_a_graph_without_an_output_is_named(copy: Path, role: str, output: str) -> None:
    path = copy.with_name(f"tiny.{role}.onnx")
    path.write_bytes(path.read_bytes().replace(output.encode(), output.upper().encode()))
    with pytest.raises(ModelError, match=rf"{role}\.onnx has no output '{output}'"):
        SpmcUpscaler(find_model(copy))


def test_parts_of_two_trainings_are_refused(copy: Path) -> None:
    path = copy.with_name("tiny.motion.onnx")
    content = path.read_bytes()
    before = b"weights_sha256\x12\x010"
    assert before in content
    path.write_bytes(content.replace(before, b"weights_sha256\x12\x011"))
    with pytest.raises(ModelError, match="different trainings"):
        find_model(copy)


@pytest.mark.skipif(sys.platform != "linux", reason="such names are on Linux alone")
def test_a_model_in_a_folder_whose_name_is_no_text(copy: Path) -> None:
    folder = copy.with_name(os.fsdecode(b"mod\xe8le"))
    shutil.copytree(copy.parent, folder)
    SpmcUpscaler(find_model(folder / copy.name))


def test_a_model_that_cannot_be_looked_at_is_named() -> None:
    with pytest.raises(ModelError, match=r"x cannot be read \(File name too long\)"):
        find_model("x" * 300)


def test_something_else_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "picture.onnx"
    path.write_bytes(b"nothing")
    with pytest.raises(ModelError, match=r"picture\.onnx is not a vsr model"):
        find_model(path)


@pytest.mark.parametrize("int8", [True, False])
def test_precision_follows_the_device(
    copy: Path, int8: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vsrcli.networks.card.suits_int8", lambda: int8)
    for precision in ("int8", "fp16"):
        path = copy.with_name(f"tiny.fusion.{precision}.onnx")
        content = copy.with_name("tiny.fusion.onnx").read_bytes()
        path.write_bytes(content.replace(b"fp32", precision.encode()))
    assert find_model(copy).precision == ("int8" if int8 else "fp32")
    assert find_model(copy, device=Device("cuda")).precision == "fp16"
    assert find_model(copy, "fp32").precision == "fp32"
    assert find_model(copy, "int8").motion.precision == "fp32"


def test_a_precision_without_a_file_is_refused(copy: Path) -> None:
    with pytest.raises(ModelError, match="no fp16 file; there are: fp32"):
        find_model(copy, "fp16")
