"""Weights -> the three ONNX files `vsr upscale` runs, checked against PyTorch before they are kept.

    python -m models.spmc.export [--weights models/spmc/weights.pt] [--out models] [--name spmc_x4]

motion   reference [B,1,H,W], neighbour [B,1,H,W] -> flow [B,2,H,W] (reference -> neighbour), back
         [B,2,H,W] (neighbour -> reference)
compose  first [B,2,H,W] (a -> b), second [B,2,H,W] (b -> c) -> flow [B,2,H,W] (a -> c)
fusion   frames [N,1,H,W], the neighbours, flows [N,2,H,W], reference [1,1,H,W], state_flow
         [1,2,H,W] and each state NAME [1,C,H,W] -> luma [1,1,4H,4W] and each next_NAME [1,C,H,W]

B, N, H and W are dynamic. What the files say of themselves (metadata_props) is all the runtime
knows of the network: a network with other states, sizes or radii needs no change there.
"""

from __future__ import annotations

import argparse
import glob
import json
import logging
import tempfile
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.export import Dim

from models.common.command import say, told
from models.common.onnx_file import keep
from models.common.provenance import Provenance, add_options, provenance
from models.spmc.geometry import LIMIT, SCALE, compose, inverse
from models.spmc.measure import bytes_per_pixel
from models.spmc.motion import Motion
from models.spmc.network import Spmc, SpmcConfig, load
from models.spmc.rotation import rotate
from vsrcli.errors import CheckError
from vsrcli.networks.card import CONTRACT
from vsrcli.networks.session import read_metadata

HERE = Path(__file__).parent
WINDOW = 5
MOTION_ALLOWANCE = 20
"""Motion, in LR pixels, that a tile's halo covers on top of what the convolutions see."""
SHIPPED = Provenance(
    weights_sha256="132e2a2f5486fb87f2f992d96ef85ccc7efd40a2ad29cf76af99e164bdab0b82",
    version="13",
    training_data="About 70 web-encoded clips (Pexels licence, Apache-2.0, BSD, MIT, CC0, CC-BY), "
    "photographs (CC0, CC-BY, CC-BY-SA, BSD, Unsplash and Pexels licences) moved synthetically, "
    "and pictures drawn by a program; inputs reduced by anti-aliased bicubic, by Gaussian blur, or "
    "as by ffmpeg through x264 at crf 18 to 28. No benchmark clip.",
    licence="MIT",
)
"""Of the weights.pt in the repository. Files made of other weights say no such thing."""
PAPER = (
    "Tao, Gao, Liao, Wang, Jia: Detail-revealing Deep Video Super-resolution, "
    "ICCV 2017, arXiv 1704.02738"
)

PICTURE_TOLERANCE = 1e-4
"""Largest difference between PyTorch and onnxruntime, of luma and detail, which span 1, and of the
hidden state as a share of what it spans, twice LIMIT."""
FLOW_TOLERANCE = 1e-3
"""The same for flows, in LR pixels. Flows are tens of pixels, not 0..1, and the network rounds its
own positions: at a width of 1000 float32 places a sample to 6e-5 pixel only, and a steep edge
multiplies that. A thousandth of a pixel moves the canvas by 1/250 of one of its pixels."""
SIZES = ((1, 1), (5, 7), (13, 23))
"""Heights and widths checked, in multiples of `multiple_of`."""
NEIGHBOURS = (1, 2, 4, 8)


class BothWays(nn.Module):
    """Motion estimation one way, and the inverse of what it finds."""

    def __init__(self, motion: Motion) -> None:
        super().__init__()
        self.motion = motion

    def forward(self, reference: Tensor, neighbour: Tensor) -> tuple[Tensor, Tensor]:
        """Flows [B, 2, H, W] from REFERENCE to NEIGHBOUR, both [B, 1, H, W], and back."""
        flow = self.motion(reference, neighbour)
        return flow, inverse(flow)


class Compose(nn.Module):
    """`compose` as a module, which the exporter asks for."""

    def forward(self, first: Tensor, second: Tensor) -> Tensor:
        """Flow a -> c of FIRST a -> b and SECOND b -> c."""
        return compose(first, second)


def graphs(net: Spmc) -> dict[str, nn.Module]:
    """What becomes a file each, by role."""
    return {"motion": BothWays(net.motion), "compose": Compose(), "fusion": net.fusion}


def sample(
    count: int, height: int, width: int, channels: Mapping[str, int]
) -> dict[str, dict[str, Tensor]]:
    """Inputs of every graph, by role: smooth texture that moves, as video does, and its flows.

    CHANNELS of every recurrent state, by name.
    """
    generator = torch.Generator().manual_seed(height * width + count)
    margin = 8
    coarse = torch.rand(1, 1, height // 3 + 8, width // 3 + 8, generator=generator)
    size = (height + 2 * margin, width + 2 * margin)
    texture = F.interpolate(coarse, size, mode="bicubic", align_corners=False).clamp(0, 1)
    steps = torch.randint(0, 2 * margin, (count, 2), generator=generator).tolist()
    frames = torch.cat([texture[:, :, y : y + height, x : x + width] for y, x in steps])
    flows = 6 * F.interpolate(
        torch.randn(count + 1, 2, 3, 3, generator=generator), (height, width), mode="bilinear"
    )
    states = {
        name: torch.randn(1, number, height, width, generator=generator) * 0.1
        for name, number in channels.items()
    }
    reference = frames[count // 2 : count // 2 + 1]
    return {
        "motion": {"reference": frames, "neighbour": frames.flip(0)},
        "compose": {"first": flows[:count], "second": flows[1:]},
        "fusion": {
            "frames": frames,
            "flows": flows[:count],
            "reference": reference,
            "state_flow": flows[count:],
            **states,
        },
    }


def outputs(role: str, config: SpmcConfig) -> list[str]:
    """Names of what a graph gives."""
    states = [f"next_{name}" for name in config.states]
    return {"motion": ["flow", "back"], "compose": ["flow"], "fusion": ["luma", *states]}[role]


def dynamic_axes(role: str, name: str) -> dict[int, object]:
    """Dynamic axes of one input: H and W always, the first one where it counts something."""
    counted = role != "fusion" or name in ("frames", "flows")
    return dict.fromkeys((0, 2, 3) if counted else (2, 3), Dim.DYNAMIC)


def export(
    role: str, module: nn.Module, path: Path, card: dict[str, str], config: SpmcConfig
) -> None:
    """Write MODULE as PATH with CARD as its metadata; every size asserted dynamic."""
    multiple = config.multiple_of
    inputs = sample(3, 40 // multiple * multiple, 56 // multiple * multiple, config.states)[role]
    warnings.simplefilter("ignore")
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    program = torch.onnx.export(
        module.eval(),
        tuple(inputs.values()),
        dynamo=True,
        external_data=False,
        input_names=list(inputs),
        output_names=outputs(role, config),
        dynamic_shapes={name: dynamic_axes(role, name) for name in inputs},
        opset_version=20,
        verbose=False,
    )
    keep(program.model_proto, path, card, {name: dynamic_axes(role, name) for name in inputs})


def compare(
    role: str,
    module: nn.Module,
    path: Path,
    net: Spmc,
    sizes: Sequence[tuple[int, int]] = SIZES,
    neighbours: Sequence[int] = NEIGHBOURS,
) -> float:
    """Largest difference of PyTorch and onnxruntime over SIZES and NEIGHBOURS.

    Raises CheckError if it is too large.
    """
    multiple_of = net.config.multiple_of
    session = ort.InferenceSession(path, providers=["CPUExecutionProvider"])
    tolerance = PICTURE_TOLERANCE if role == "fusion" else FLOW_TOLERANCE
    worst = 0.0
    for rows, columns in sizes:
        for count in neighbours:
            inputs = sample(count, rows * multiple_of, columns * multiple_of, net.config.states)[
                role
            ]
            with torch.no_grad():
                expected = module(*inputs.values())
            found = session.run(None, {name: value.numpy() for name, value in inputs.items()})
            expected = expected if isinstance(expected, tuple) else (expected,)
            for name, ours, theirs in zip(outputs(role, net.config), expected, found, strict=True):
                assert ours.shape == theirs.shape
                span = 2 * LIMIT if name == "next_hidden" else 1
                # Unlike max, it keeps what is no number, which no bound lets pass.
                worst = float(np.maximum(worst, np.abs(ours.numpy() - theirs).max() / span))
    if not worst < tolerance:
        raise CheckError(f"{role}: onnxruntime differs from PyTorch by {worst:.2e}; not kept")
    return worst


def model_card(net: Spmc, name: str, role: str, of: Provenance = SHIPPED) -> dict[str, str]:
    """What one file says of itself; read back by vsrcli.networks.card."""
    config = net.config
    radius = {"motion": config.motion_radius, "compose": 0, "fusion": config.fusion_radius}[role]
    halo = -(-(radius + MOTION_ALLOWANCE) // config.multiple_of) * config.multiple_of
    return {
        "contract": CONTRACT,
        "name": name,
        "role": role,
        "version": of.version,
        "scale": str(SCALE),
        "multiple_of": str(config.multiple_of),
        "halo": str(halo),
        "states": json.dumps(config.states if role == "fusion" else {}),
        "precision": "fp32",
        "window": str(WINDOW),
        "training_data": of.training_data,
        "licence": of.licence,
        "source": PAPER,
        "weights_sha256": of.weights_sha256,
    }


def add_memory(path: Path) -> dict[str, int]:
    """Measure PATH's peak memory per LR pixel, for one frame and for each further one; note it."""
    measured = bytes_per_pixel(path)
    model = onnx.load(path)
    model.metadata_props.add(key="bytes_per_pixel", value=json.dumps(measured))
    path.write_bytes(model.SerializeToString(deterministic=True))
    return measured


def converted_before(prefix: Path, of: Provenance) -> list[Path]:
    """The files in fewer bits beside PREFIX.fusion.onnx, which is OF new weights, that are not."""
    files = prefix.parent.glob(f"{glob.escape(prefix.name)}.*.*.onnx")
    return sorted(
        path for path in files if read_metadata(path).get("weights_sha256") != of.weights_sha256
    )


@told
def main() -> None:
    """Export, compare, measure; prints one line a file."""
    parser = argparse.ArgumentParser(
        prog="python -m models.spmc.export", description=__doc__.splitlines()[0]
    )
    parser.add_argument("--weights", type=Path, default=HERE / "weights.pt")
    parser.add_argument("--out", type=Path, default=HERE.parent)
    parser.add_argument("--name", default="spmc_x4")
    add_options(parser)
    options = parser.parse_args()
    net = load(options.weights)
    if net.config.channels & (net.config.channels - 1):
        say(f"not rotated for eight bits: {net.config.channels} channels are no power of two")
    else:
        rotate(net.fusion)
    of = provenance(options, SHIPPED)
    options.out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=options.out, prefix=".export-") as folder:
        made = []
        for role, module in graphs(net).items():
            path = Path(folder, f"{options.name}.{role}.onnx")
            card = model_card(net, options.name, role, of)
            export(role, module, path, card, net.config)
            worst = compare(role, module, path, net)
            memory = add_memory(path)
            size = path.stat().st_size
            print(f"{path.name}: {size} bytes, differs by {worst:.1e}, {memory} B/px", flush=True)
            made.append(path)
        for path in made:  # all are as they should be, and belong together
            path.replace(options.out / path.name)
    for path in converted_before(options.out / options.name, of):
        say(f"{path} was made of other weights: make it anew (quantise, halve) or delete it")


if __name__ == "__main__":
    main()
