"""Components, network and export agree with each other; what needs torch is skipped without it."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort
import pytest

from vsrcli.errors import InputError
from vsrcli.networks.crn import CrnReverter, find_crn
from vsrcli.networks.session import read_metadata

CRN = Path(__file__).parents[2] / "models" / "crn"


@pytest.fixture(scope="module")
def network(torch: Any) -> Any:
    """The network with its weights."""
    pytest.importorskip("onnxscript", reason="onnxscript is not installed")
    from models.crn.export import load

    return load(CRN / "weights.pt")


@pytest.fixture(scope="module")
def exported(network: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What is exported of the shipped weights, which takes some ten seconds."""
    from models.crn import export

    path = tmp_path_factory.mktemp("exported") / "crn.onnx"
    export.export(network, path, export.model_card(network, "crn", export.read_detector()))
    return path


def test_the_card_names_these_weights() -> None:
    assert (
        find_crn().weights_sha256 == hashlib.sha256((CRN / "weights.pt").read_bytes()).hexdigest()
    )


def test_sizes_are_dynamic_and_no_path_is_inside() -> None:
    session = ort.InferenceSession(find_crn().path, providers=["CPUExecutionProvider"])
    (given,) = session.get_inputs()
    assert given.shape[:2] == [1, 3] and all(isinstance(side, str) for side in given.shape[2:])
    content = find_crn().path.read_bytes()
    assert b"site-packages" not in content and b"network.py" not in content


def test_onnxruntime_computes_what_torch_does(network: Any) -> None:
    from models.crn.export import compare

    assert compare(network, find_crn().path) < 1e-4


def test_the_export_can_be_repeated(network: Any, exported: Path) -> None:
    from models.crn import export

    assert export.compare(network, exported) < 1e-4
    picture = np.random.default_rng(0).random((64, 48, 3)).astype(np.float32)
    ours, theirs = (CrnReverter(find_crn(p), threads=1).predict(picture) for p in (exported, "crn"))
    assert np.abs(ours.components - theirs.components).max() < 1e-6
    assert ours.evidence == pytest.approx(theirs.evidence, abs=1e-5)


def test_components_are_orthonormal_and_sorted(torch: Any) -> None:
    from models.crn.components import GROUPS, Components

    found = Components.load()
    product = found.directions @ found.directions.T
    assert (product - torch.eye(363)).abs().max() < 1e-4
    assert (found.variances[:-1] >= found.variances[1:]).all()
    assert GROUPS[0][0] == 0 and GROUPS[-1][1] == 363
    assert all(a[1] == b[0] for a, b in zip(GROUPS, GROUPS[1:], strict=False))


def test_groups_add_up_and_are_the_projections(torch: Any) -> None:
    from models.crn.components import BORDER, Components, split

    components = Components.load()
    picture = torch.randn(1, 3, 48, 40, generator=torch.Generator().manual_seed(0))
    parts = split(picture, components.kernels())
    assert (parts.sum(1) - picture).abs().max() < 1e-5
    # Component 2 by hand: project every patch, put every projection back, mean over the patches.
    kernel = components.directions[1:2].reshape(1, 3, 11, 11)
    coefficients = components.project(picture, 2)[:, 1:2]
    expected = torch.nn.functional.conv_transpose2d(coefficients, kernel) / 121
    inner = slice(BORDER, -BORDER)
    assert (parts[:, 1] - expected)[..., inner, inner].abs().max() < 1e-5


def test_crops_see_what_the_whole_picture_sees(torch: Any) -> None:
    from models.crn.network import REDUCE, Crn
    from models.crn.tone import looked_at, textures

    torch.manual_seed(0)
    net = Crn(torch.ones(10)).eval()
    torch.nn.init.normal_(net.tone.leave.weight, std=0.1)  # so that the head has its say
    picture = torch.rand(1, 3, 320, 288, generator=torch.Generator().manual_seed(1))
    top, left = 96, 80
    crop = picture[..., top : top + 128, left : left + 128]
    with torch.no_grad():
        whole = net(picture)[0][..., top : top + 128, left : left + 128]
        small = torch.nn.functional.avg_pool2d(picture, REDUCE)
        traces = textures(picture) * looked_at(small)
        cut = net.on_crops(crop, small, traces, [(top, left)])
    assert cut[:, 0].std() > 0.01
    halo = net.config.halo
    inner = slice(halo, 128 - halo)
    assert 128 - 2 * halo > 8
    assert (whole - cut)[..., inner, inner].abs().max() < 1e-5
    assert (whole - cut).abs().max() > 1e-4  # beyond the halo they do differ


def test_every_branch_learns_from_its_own_component_alone(torch: Any) -> None:
    from models.crn.components import GROUPS
    from models.crn.network import Crn

    net = Crn(torch.ones(len(GROUPS)))
    picture = torch.rand(1, 3, 32, 32)
    found, evidence = net(picture)
    assert evidence.shape == (1,)
    found[:, 1 + 3].square().sum().backward()
    gradients = net.leave.weight.grad.flatten(1).abs().sum(1).reshape(len(GROUPS), -1).sum(1)
    assert gradients[3] > 0 and gradients.count_nonzero() == 1
    assert net.trunk[0].weight.grad.abs().sum() > 0


def run(monkeypatch: pytest.MonkeyPatch, *arguments: object) -> str:
    """What the export says when it fails, "" if it does not."""
    from models.crn import export

    monkeypatch.setattr("sys.argv", ["export", *map(str, arguments)])
    try:
        export.main()
    except SystemExit as ended:
        return str(ended.code)
    return ""


def test_the_shipped_weights_give_the_shipped_file(
    network: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from models.crn import export

    card = export.model_card(network, "crn", export.read_detector())
    assert card == read_metadata(find_crn().path)
    said = run(monkeypatch, "--out", tmp_path / "crn.onnx", "--licence", "CC0")
    assert "shipped weights" in said and not any(tmp_path.iterdir())


def test_a_file_of_other_weights_does_not_claim_to_be_the_shipped_one(
    network: Any, exported: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import onnx
    import torch

    from models.common.onnx_file import keep
    from models.crn import export

    def again(_: object, path: Path, card: dict[str, str]) -> None:
        """The weights are the same, only their file is another."""
        keep(onnx.load(exported), path, card, {"picture": (2, 3)})

    monkeypatch.setattr(export, "export", again)
    monkeypatch.setattr(export, "SIZES", ((32, 64),))
    weights, out = tmp_path / "own.pt", tmp_path / "new" / "own.onnx"
    torch.save({"average": network.state_dict()}, weights)
    assert not run(monkeypatch, "--weights", weights, "--out", out, "--licence", "CC0")
    card = find_crn(out)
    known = hashlib.sha256(weights.read_bytes()).hexdigest()
    assert (card.version, card.weights_sha256) == (known[:12], known)
    assert (card.training_data, card.licence) == ("not stated", "CC0")
    # What is not right is not kept, and leaves what is there.
    before = out.read_bytes()
    broken = network.state_dict() | {"leave.bias": network.leave.bias * float("nan")}
    torch.save(broken, weights)
    monkeypatch.setattr(export, "export", lambda _, path, card: path.write_bytes(before))
    said = run(monkeypatch, "--weights", weights, "--out", out)
    assert said == "error: onnxruntime differs from PyTorch by nan; not kept"
    assert out.read_bytes() == before and [*out.parent.iterdir()] == [out]


def test_weights_and_detectors_that_are_none_are_told(
    network: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from models.crn.export import read_detector

    out = ("--out", tmp_path / "a.onnx")
    for name, content in (("no.pt", None), ("bad.pt", b"PK"), ("detector.json", b"{}")):
        if content is not None:
            (tmp_path / name).write_bytes(content)
        assert name in run(monkeypatch, "--weights", tmp_path / name, *out)
    other = CRN.parent / "spmc" / "weights.pt"
    assert "another network" in run(monkeypatch, "--weights", other, *out)
    for name, said in (("detector.json", "is damaged"), ("none.json", "is missing")):
        with pytest.raises(InputError, match=said):
            read_detector(tmp_path / name)
