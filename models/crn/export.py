"""Weights -> the ONNX file `vsr unmakeup` runs, checked against PyTorch before it is kept.

    python -m models.crn.export [--weights models/crn/weights.pt] [--out models/crn.onnx]

picture [1, 3, H, W], RGB 0..1 -> components [groups, 3, H, W]: the predicted discrepancy, first
what the head's curves add, then by component; and evidence [1], the log odds that it was edited. H
and W are dynamic multiples of 32.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import logging
import warnings
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import onnxruntime as ort
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.export import Dim

from models.common.onnx_file import keep
from models.crn.canvas import CANVAS, FACE_HEIGHT
from models.crn.components import TONE, Components, names
from models.crn.network import MULTIPLE, Crn

HERE = Path(__file__).parent
DETECTOR = HERE / "detector.json"
"""Of models.crn.detector: the regression that tells whether a photo was edited."""
VERSION = "4"
TRAINING_DATA = (
    "361 portraits: Face Research Lab London Set (DeBruine and Jones, CC BY 4.0), its Canada set "
    "(CC BY 4.0) and Lisa set (CC0); Presidential Innovation Fellows and cio.gov (public domain of "
    "the USA, CC0); Interfaces (CC0 as its collector states). Edited synthetically: "
    "models/crn/edits.py. Split by person."
)
PAPER = "Chen, Shen, Jia: Makeup-Go: Blind Reversion of Portrait Edit, ICCV 2017"
TOLERANCE = 1e-4
"""Largest difference between PyTorch and onnxruntime, of a picture 0..1."""
SIZES = ((32, 32), (224, 160), (512, 448))


class Single(nn.Module):
    """The network for one picture: components come first, without a batch."""

    def __init__(self, network: Crn) -> None:
        super().__init__()
        self.network = network

    def forward(self, picture: Tensor) -> tuple[Tensor, Tensor]:
        """PICTURE [1, 3, H, W] -> components [groups, 3, H, W] and evidence [1]."""
        found, evidence = self.network(picture)
        return found[0], evidence


def sample(height: int, width: int) -> Tensor:
    """A smooth random picture."""
    generator = torch.Generator().manual_seed(height)
    coarse = torch.rand(1, 3, height // 8 + 2, width // 8 + 2, generator=generator)
    return F.interpolate(coarse, (height, width), mode="bicubic").clamp(0, 1)


def load(path: Path) -> Crn:
    """The network in PATH: a state_dict, or a checkpoint of models.crn.train (the average)."""
    stored = torch.load(path, map_location="cpu", weights_only=True)
    network = Crn(Components.load().scales).eval()
    network.load_state_dict(stored.get("average", stored))
    return network


def export(network: Crn, path: Path, card: dict[str, str]) -> None:
    """Write NETWORK as PATH with CARD as its metadata; every size asserted dynamic."""
    warnings.simplefilter("ignore")
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    program = torch.onnx.export(
        Single(network).eval(),
        (sample(96, 64),),
        dynamo=True,
        external_data=False,
        input_names=["picture"],
        output_names=["components", "evidence"],
        dynamic_shapes={"picture": {2: MULTIPLE * Dim("rows"), 3: MULTIPLE * Dim("columns")}},
        opset_version=20,
        verbose=False,
    )
    keep(program.model_proto, path, card, {"picture": (2, 3)})


def compare(network: Crn, path: Path) -> float:
    """Largest difference of PyTorch and onnxruntime over SIZES; raises beyond TOLERANCE."""
    session = ort.InferenceSession(path, providers=["CPUExecutionProvider"])
    worst = 0.0
    for size in SIZES:
        picture = sample(*size)
        with torch.no_grad():
            expected = Single(network)(picture)
        found = session.run(None, {"picture": picture.numpy()})
        for ours, theirs in zip(expected, found, strict=True):
            assert ours.shape == theirs.shape
            worst = max(worst, float(np.abs(ours.numpy() - theirs).max()))
    assert worst < TOLERANCE, f"onnxruntime differs from PyTorch by {worst:.2e}"
    return worst


def model_card(
    network: Crn, name: str, sha256: str, detector: Mapping[str, object]
) -> dict[str, str]:
    """What the file says of itself; read back by vsrcli.networks.crn."""
    variances = [float(f"{value:.4g}") for value in Components.load().variances.tolist()]
    return {
        "contract": "vsr-crn-2",
        "name": name,
        "version": VERSION,
        "components": json.dumps(["curve", *names()]),
        "tone": str(1 + TONE),
        "variances": json.dumps(variances),
        "face_height": str(FACE_HEIGHT),
        "canvas": json.dumps(CANVAS),
        "multiple_of": str(MULTIPLE),
        "halo": str(-(-network.config.halo // MULTIPLE) * MULTIPLE),
        "detector": json.dumps(detector["weights"]),
        "edited_above": json.dumps(detector["edited_above"]),
        "edited_surely": json.dumps(detector["edited_surely"]),
        "training_data": TRAINING_DATA,
        "licence": "MIT",
        "source": PAPER,
        "weights_sha256": sha256,
    }


def main() -> None:
    """Export and compare; prints one line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--weights", type=Path, default=HERE / "weights.pt")
    parser.add_argument("--out", type=Path, default=HERE.parent / "crn.onnx")
    options = parser.parse_args()
    network = load(options.weights)
    detector = json.loads(DETECTOR.read_text(encoding="utf-8"))
    sha256 = hashlib.sha256(options.weights.read_bytes()).hexdigest()
    card = model_card(network, options.out.stem, sha256, detector)
    export(network, options.out, card)
    worst = compare(network, options.out)
    print(f"{options.out.name}: {options.out.stat().st_size} bytes, differs by {worst:.1e}")


if __name__ == "__main__":
    main()
