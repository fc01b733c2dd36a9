"""Weights -> the ONNX file `vsr unmakeup` runs, checked against PyTorch before it is kept.

    python -m models.crn.export [--weights models/crn/weights.pt] [--out models/crn.onnx]

picture [1, 3, H, W], RGB 0..1 -> components [groups, 3, H, W]: the predicted discrepancy, first
what the head's curves add, then by component; and evidence [1], the log odds that it was edited. H
and W are dynamic multiples of 32.
"""

from __future__ import annotations

import argparse
import json
import logging
import math
import warnings
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import onnxruntime as ort
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.export import Dim

from models.common.command import told
from models.common.onnx_file import keep
from models.common.provenance import Provenance, add_options, provenance
from models.common.replacing import replacing
from models.common.weights import fill, weights_in
from models.crn.canvas import CANVAS, FACE_HEIGHT
from models.crn.components import TONE, Components, names
from models.crn.network import MULTIPLE, Crn
from vsrcli.errors import CheckError, InputError
from vsrcli.networks.crn import CONTRACT

HERE = Path(__file__).parent
DETECTOR = HERE / "detector.json"
"""Of models.crn.detector: the regression that tells whether a photo was edited."""
SHIPPED = Provenance(
    weights_sha256="e6301e842b13122e9b9ffaf5ff139e0d459d957b83ef87c41f1833163610a7b2",
    version="4",
    training_data="361 portraits: Face Research Lab London Set (DeBruine and Jones, CC BY 4.0), "
    "its Canada set (CC BY 4.0) and Lisa set (CC0); Presidential Innovation Fellows and cio.gov "
    "(public domain of the USA, CC0); Interfaces (CC0 as its collector states). Edited "
    "synthetically: models/crn/edits.py. Split by person.",
    licence="MIT",
)
"""Of the weights.pt in the repository. Files made of other weights say no such thing."""
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
    """The network in PATH: a state_dict, or a checkpoint of models.crn.train (the average).

    Raises InputError if it is missing, damaged or of another network.
    """
    network = Crn(Components.load().scales).eval()
    fill(network, weights_in(path), path)
    return network


def read_detector(path: Path = DETECTOR) -> dict[str, object]:
    """The regression that models.crn.detector wrote. Raises InputError if PATH holds none."""
    if not path.is_file():
        raise InputError(f"{path} is missing; python -m models.crn.detector makes it")
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        numbers = [*found["weights"], found["edited_above"], found["edited_surely"]]
        whole = all(math.isfinite(number) for number in numbers)
    except (ValueError, KeyError, TypeError):
        whole = False
    if not whole:
        raise InputError(f"{path} is damaged; python -m models.crn.detector makes it anew")
    return found


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
    """Largest difference of PyTorch and onnxruntime over SIZES.

    Raises CheckError beyond TOLERANCE.
    """
    session = ort.InferenceSession(path, providers=["CPUExecutionProvider"])
    worst = 0.0
    for size in SIZES:
        picture = sample(*size)
        with torch.no_grad():
            expected = Single(network)(picture)
        found = session.run(None, {"picture": picture.numpy()})
        for ours, theirs in zip(expected, found, strict=True):
            assert ours.shape == theirs.shape
            # Unlike max, it keeps what is no number, which no bound lets pass.
            worst = float(np.maximum(worst, np.abs(ours.numpy() - theirs).max()))
    if not worst < TOLERANCE:
        raise CheckError(f"onnxruntime differs from PyTorch by {worst:.2e}; not kept")
    return worst


def model_card(
    network: Crn, name: str, detector: Mapping[str, object], of: Provenance = SHIPPED
) -> dict[str, str]:
    """What the file says of itself; read back by vsrcli.networks.crn."""
    variances = [float(f"{value:.4g}") for value in Components.load().variances.tolist()]
    return {
        "contract": CONTRACT,
        "name": name,
        "version": of.version,
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
        "training_data": of.training_data,
        "licence": of.licence,
        "source": PAPER,
        "weights_sha256": of.weights_sha256,
    }


@told
def main() -> None:
    """Export and compare; prints one line."""
    parser = argparse.ArgumentParser(
        prog="python -m models.crn.export", description=__doc__.splitlines()[0]
    )
    parser.add_argument("--weights", type=Path, default=HERE / "weights.pt")
    parser.add_argument("--out", type=Path, default=HERE.parent / "crn.onnx")
    add_options(parser)
    options = parser.parse_args()
    if options.out.suffix != ".onnx":
        parser.error(f"--out names an .onnx file, not {options.out}")
    network = load(options.weights)
    Components.load().check(network.scales, options.weights)
    of = provenance(options, SHIPPED)
    options.out.parent.mkdir(parents=True, exist_ok=True)
    with replacing(options.out) as made:
        export(network, made, model_card(network, options.out.stem, read_detector(), of))
        worst = compare(network, made)
    print(f"{options.out.name}: {options.out.stat().st_size} bytes, differs by {worst:.1e}")


if __name__ == "__main__":
    main()
