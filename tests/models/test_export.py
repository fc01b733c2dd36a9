"""The shipped ONNX files are the network in the repository with the weights in the repository."""

from __future__ import annotations

import hashlib
import io
import shutil
from contextlib import redirect_stderr
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import onnxruntime as ort
import pytest

from vsrcli.errors import CheckError
from vsrcli.networks.card import ModelCard, find_model, read_card
from vsrcli.networks.session import read_metadata
from vsrcli.networks.spmc import Luma, Seen, SpmcUpscaler

SPMC = Path(__file__).parents[2] / "models" / "spmc"
SMALL = {"channels": 16, "inner": (16,), "state": 4, "score": 16, "motion": (8, 8)}
MODEL = find_model(precision="fp32")
GRAPHS = pytest.mark.parametrize(
    "card", [MODEL.motion, MODEL.compose, MODEL.fusion], ids=lambda card: card.role
)


@pytest.fixture(scope="module")
def net() -> Any:
    """The network with its weights; needs the packages of the `train` extra."""
    torch = pytest.importorskip("torch", reason="torch is not installed (pip install 'vsr[train]')")
    pytest.importorskip("onnxscript", reason="onnxscript is not installed")
    from models.spmc.network import Spmc

    net = Spmc().eval()
    net.load_state_dict(torch.load(SPMC / "weights.pt", map_location="cpu", weights_only=True))
    return net


@GRAPHS
def test_the_card_names_these_weights(card: ModelCard) -> None:
    assert card.weights_sha256 == hashlib.sha256((SPMC / "weights.pt").read_bytes()).hexdigest()


@GRAPHS
def test_sizes_are_dynamic(card: ModelCard) -> None:
    session = ort.InferenceSession(card.path, providers=["CPUExecutionProvider"])
    for value in session.get_inputs():
        assert isinstance(value.shape[2], str)
        assert isinstance(value.shape[3], str)
        counted = card.role != "fusion" or value.name in ("frames", "flows")
        assert isinstance(value.shape[0], str) == counted


@GRAPHS
def test_no_path_of_the_exporting_machine_is_inside(card: ModelCard) -> None:
    content = card.path.read_bytes()
    assert b"site-packages" not in content
    assert b"network.py" not in content


@GRAPHS
def test_onnxruntime_computes_what_torch_does(card: ModelCard, net: Any) -> None:
    from models.spmc import export

    module = export.graphs(net)[card.role]
    worst = export.compare(
        card.role, module, card.path, net, sizes=((1, 1), (5, 7)), neighbours=(1, 4)
    )
    assert worst < (1e-4 if card.role == "fusion" else 1e-3)


class Unprepared(SpmcUpscaler):
    """Begins a scene as training does, with no history at all."""

    def _begin(self, items: tuple[Seen, ...]) -> Luma:
        self._forget(items[0])
        return self._fuse(items, 0, items[0].still)


@pytest.mark.parametrize("radius", [0, 1, 2])
def test_the_upscaler_computes_what_training_does(net: Any, radius: int) -> None:
    import torch

    generator = np.random.default_rng(3)
    wide = generator.random((20, 24)).astype(np.float32).repeat(3, 0).repeat(3, 1)
    frames = [wide[i : i + 40, 2 * i : 2 * i + 48] for i in range(6)]
    with torch.no_grad():
        pictures = net(torch.from_numpy(np.stack(frames))[None], radius)
    upscaler = Unprepared(MODEL, frames=2 * radius + 1, threads=2)
    found = [picture for frame in frames for picture in upscaler.push(frame, cut=False)]
    found += upscaler.flush()
    expected = pictures[0].clamp(0, 1).numpy()
    assert np.abs(np.stack(found) - expected).max() < 1e-3
    assert np.abs(np.stack(found) - expected).mean() < 1e-5
    # Prepared, it differs at the beginning and less and less.
    prepared = SpmcUpscaler(MODEL, frames=2 * radius + 1, threads=2)
    better = [picture for frame in frames for picture in prepared.push(frame, cut=False)]
    better += prepared.flush()
    apart = np.abs(np.stack(better) - expected).mean((1, 2))
    assert (apart[0] > 2 * apart[-1]) if radius else (apart < 1e-5).all()


def test_an_export_can_be_read_back(net: Any, tmp_path: Path) -> None:
    from models.spmc import export

    path = tmp_path / "other.compose.onnx"
    card = export.model_card(net, "other", "compose")
    export.export("compose", export.Compose(), path, card, net.config)
    assert export.compare("compose", export.Compose(), path, net) < 1e-4
    session = ort.InferenceSession(path, providers=["CPUExecutionProvider"])
    assert session.get_modelmeta().custom_metadata_map == card


def test_the_memory_of_a_graph_is_measured_by_a_program(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from models.spmc import measure

    monkeypatch.setattr(measure, "peak", lambda path, count: 1000 * count + len(path.name))
    for arguments, shown in ((["a.onnx"], "1006\n"), (["a.onnx", "5"], "5006\n")):
        monkeypatch.setattr("sys.argv", ["measure", *arguments])
        measure.main()
        assert capsys.readouterr().out == shown
    monkeypatch.setattr("sys.argv", ["measure", "--help"])
    with pytest.raises(SystemExit) as ended:
        measure.main()
    assert ended.value.code == 0 and "an .onnx file" in capsys.readouterr().out


@pytest.fixture(scope="module")
def own(net: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Weights of somebody's own, of another size: of a network that has learnt nothing."""
    import torch

    from models.spmc.network import Spmc, SpmcConfig

    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("own") / "own.pt"
    torch.save({"average": Spmc(SpmcConfig(**SMALL)).state_dict()}, path)
    return path


@pytest.fixture
def brief(net: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Exports compare at one size, and take their memory as known: both take minutes."""
    shorten(monkeypatch)


def shorten(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have exports be `brief`."""
    from models.spmc import export

    small = {"sizes": ((2, 3),), "neighbours": (2,)}
    monkeypatch.setattr(export, "compare", partial(export.compare, **small))
    known = {"first": 1000, "further": 100}
    monkeypatch.setattr(export, "bytes_per_pixel", lambda _: known)


@pytest.fixture(scope="module")
def exported(own: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of what the command exports of these weights, which takes some twenty seconds."""
    from models.spmc import export

    folder, told = tmp_path_factory.mktemp("exported") / "out", io.StringIO()
    with pytest.MonkeyPatch.context() as patched, redirect_stderr(told):
        shorten(patched)
        assert not run(export, patched, "--weights", own, "--out", folder, "--name", "own")
    assert "made of other weights" not in told.getvalue()
    return folder


def run(module: Any, monkeypatch: pytest.MonkeyPatch, *arguments: object) -> str:
    """What the command MODULE says when it fails, "" if it does not."""
    monkeypatch.setattr("sys.argv", ["command", *map(str, arguments)])
    try:
        module.main()
    except SystemExit as ended:
        return str(ended.code)
    return ""


@GRAPHS
def test_the_shipped_weights_give_the_shipped_card(card: ModelCard, net: Any) -> None:
    from models.spmc import export

    shipped = read_metadata(card.path)
    assert export.model_card(net, "spmc_x4", card.role).items() <= shipped.items()
    assert shipped.keys() - export.model_card(net, "spmc_x4", card.role).keys() == {
        "bytes_per_pixel"
    }


def test_files_of_other_weights_do_not_claim_to_be_the_shipped_ones(
    brief: None,
    own: Path,
    exported: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    import torch

    from models.spmc import data, export, halve, quantise

    out = shutil.copytree(exported, tmp_path / "out")
    named = ("--out", out, "--name", "own")
    model = find_model(out / "own", "fp32")
    known = hashlib.sha256(own.read_bytes()).hexdigest()
    for card in (model.motion, model.compose, model.fusion):
        assert card.version == known[:12] and card.weights_sha256 == known
        assert card.licence == card.training_data == "not stated"
    noise = np.random.default_rng(0).integers(0, 255, (320, 320), np.uint8)
    (tmp_path / "cache").mkdir()
    data.store(
        np.stack([np.roll(noise, t, 1)[:256, :256] for t in range(16)]), tmp_path / "cache/a.npz"
    )
    ours = ("--models", out, "--name", "own")
    assert not run(quantise, monkeypatch, "--clips", tmp_path / "cache", *ours)
    assert not run(halve, monkeypatch, *ours)
    for precision in ("int8", "fp16"):
        assert find_model(out / "own", precision).fusion.licence == "not stated"
    assert "made of other weights" not in capsys.readouterr().err
    # Of other weights something may be said; what was converted before is not of these.
    other = own.with_name("other.pt")
    torch.save(torch.load(own)["average"], other)
    monkeypatch.setattr(export, "graphs", lambda net: {"compose": export.Compose()})
    said = ("--training-data", "ten clips, CC0", "--licence", "CC0")
    assert not run(export, monkeypatch, "--weights", other, *named, *said)
    compose = read_card(out / "own.compose.onnx")
    assert (compose.training_data, compose.licence) == ("ten clips, CC0", "CC0")
    told = capsys.readouterr().err
    assert told.count("made of other weights") == 4 and "own.fusion.int8.onnx" in told


def test_of_the_shipped_weights_nothing_else_can_be_said(
    net: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from models.spmc import export

    assert "shipped weights" in run(export, monkeypatch, "--out", tmp_path, "--licence", "CC0")
    assert not any(tmp_path.iterdir())


def test_an_export_that_is_not_right_leaves_what_was_there(
    brief: None, own: Path, exported: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch

    from models.spmc import export

    def as_of_own(_: str, module: object, path: Path, *others: object) -> None:
        shutil.copyfile(exported / path.name, path)

    monkeypatch.setattr(export, "graphs", lambda net: {"fusion": net.fusion})
    monkeypatch.setattr(export, "export", as_of_own)
    broken = torch.load(own, weights_only=True)
    broken["average"]["fusion.head.bias"][3] = float("nan")
    torch.save(broken, tmp_path / "broken.pt")
    out = tmp_path / "out"
    out.mkdir()
    (out / "own.fusion.onnx").write_bytes(b"before")
    said = run(
        export, monkeypatch, "--weights", tmp_path / "broken.pt", "--out", out, "--name", "own"
    )
    assert said.startswith("error: fusion: onnxruntime differs from PyTorch by nan")
    assert [path.name for path in out.iterdir()] == ["own.fusion.onnx"]
    assert (out / "own.fusion.onnx").read_bytes() == b"before"


def test_a_conversion_that_is_not_right_leaves_what_was_there(
    net: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from models.spmc import halve, quantise

    for role in ("motion", "compose", "fusion"):
        (tmp_path / f"spmc_x4.{role}.onnx").write_bytes(getattr(MODEL, role).path.read_bytes())
    for precision in ("fp16", "int8"):
        (tmp_path / f"spmc_x4.motion.{precision}.onnx").write_bytes(b"before")
    before = {path.name for path in tmp_path.iterdir()}
    monkeypatch.setattr(halve, "difference", lambda *_: float("nan"))
    assert "would differ by nan" in run(halve, monkeypatch, "--models", tmp_path)

    def fail(source: Path, target: Path, *_: object, **__: object) -> None:
        target.write_bytes(b"half of it")
        raise CheckError("no")

    monkeypatch.setattr(quantise, "quantise", fail)
    monkeypatch.setattr(quantise, "load_clips", lambda *_: [])
    monkeypatch.setattr(quantise, "record", lambda *_: {"motion": [], "fusion": []})
    assert run(quantise, monkeypatch, "--models", tmp_path, "--clips", tmp_path) == "error: no"
    assert {path.name for path in tmp_path.iterdir()} == before
    for precision in ("fp16", "int8"):
        assert (tmp_path / f"spmc_x4.motion.{precision}.onnx").read_bytes() == b"before"


def test_differences_that_are_no_number_are_not_lost(net: Any, monkeypatch: Any) -> None:
    """The largest of 0.1 and what is no number is no number, in whatever order they come."""
    from models.spmc import halve

    class Session:
        def __init__(self, path: Path, **_: object) -> None:
            self.values = [np.zeros(2), np.full(2, path.name == "b" and np.nan), np.zeros(2)]

        def run(self, *_: object) -> list[Any]:
            return self.values

    monkeypatch.setattr(halve.ort, "InferenceSession", Session)
    monkeypatch.setattr(halve, "read_metadata", lambda _: {"states": "{}"})
    assert np.isnan(halve.difference(Path("a"), Path("b"), "motion"))


@pytest.mark.parametrize(
    ("peaks", "found"),
    [((2120, 2372), (2250, 100)), ((2250, 2251), (2250, 100)), ((700, 3100), (750, 600))],
)
def test_memory_is_rounded_up_and_never_nothing_for_a_frame(
    monkeypatch: pytest.MonkeyPatch, peaks: tuple[int, int], found: tuple[int, int]
) -> None:
    from models.spmc import measure

    def run(command: list[str], **_: object) -> SimpleNamespace:
        return SimpleNamespace(stdout=str(peaks[command[-1] == "5"]))

    monkeypatch.setattr(measure.subprocess, "run", run)
    known = measure.bytes_per_pixel(Path("graph.onnx"))
    assert (known["first"], known["further"]) == found


def test_a_missing_graph_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from models.spmc import measure

    assert run(measure, monkeypatch, tmp_path / "no.onnx").endswith("no.onnx is missing")
