"""The shipped ONNX files are the network in the repository with the weights in the repository."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort
import pytest

from vsrcli.networks.card import ModelCard, find_model
from vsrcli.networks.spmc import Luma, Seen, SpmcUpscaler

SPMC = Path(__file__).parents[2] / "models" / "spmc"
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
    upscaler = Unprepared(MODEL, frames=2 * radius + 1, threads=2, cuts=False)
    found = [picture for frame in frames for picture in upscaler.push(frame)] + upscaler.flush()
    expected = pictures[0].clamp(0, 1).numpy()
    assert np.abs(np.stack(found) - expected).max() < 1e-3
    assert np.abs(np.stack(found) - expected).mean() < 1e-5
    # Prepared, it differs at the beginning and less and less.
    prepared = SpmcUpscaler(MODEL, frames=2 * radius + 1, threads=2, cuts=False)
    better = [picture for frame in frames for picture in prepared.push(frame)] + prepared.flush()
    apart = np.abs(np.stack(better) - expected).mean((1, 2))
    assert (apart[0] > 2 * apart[-1]) if radius else (apart < 1e-5).all()


def test_an_export_can_be_read_back(net: Any, tmp_path: Path) -> None:
    from models.spmc import export

    path = tmp_path / "other.compose.onnx"
    card = export.model_card(net, "other", "compose", "0" * 64)
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
