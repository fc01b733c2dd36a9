"""The fusion graph in eight bits, for CPUs: QDQ with uint8 activations, per-channel int8 weights.

    python -m models.spmc.quantise --clips DIR [--models models] [--name spmc_x4]

Activations are calibrated on the inputs the graph meets when it upscales real clips, recurrence
included: the upscaler itself runs on them and every fourth call is kept. Convolutions and the
additions between them become integers; sampling, splatting and the bicubic skip stay float.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnx
from onnxruntime.quantization import (
    CalibrationDataReader,
    CalibrationMethod,
    QuantFormat,
    QuantType,
    quantize_static,
)
from onnxruntime.quantization.shape_inference import quant_pre_process

from vsrcli.networks.card import find_model
from vsrcli.networks.session import CPU, Arrays, Session
from vsrcli.networks.spmc import SpmcUpscaler

FRAMES = 12
"""Frames of each clip that are upscaled."""
WINDOW, SIDE = 5, 64
"""Frames of a window and LR pixels of a side of what is calibrated on."""
EVERY = 4
"""Every so many-th run of the graph is kept for calibration."""


class Recorder:
    """Stands in for the fusion session and keeps some of its inputs."""

    def __init__(self, session: Session) -> None:
        self.session, self.kept, self.count = session, [], 0

    def run(self, inputs: Arrays) -> Arrays:
        """As the session, remembering."""
        # The calibrator wants runs of one shape: whole windows only.
        if self.count % EVERY == EVERY - 1 and len(inputs["frames"]) == WINDOW:
            self.kept.append({name: np.array(value) for name, value in inputs.items()})
        self.count += 1
        return self.session.run(inputs)


class Inputs(CalibrationDataReader):
    """Hands recorded inputs to the calibrator, one by one."""

    def __init__(self, recorded: list[Arrays]) -> None:
        self._left: Iterator[Arrays] = iter(recorded)

    def get_next(self) -> Arrays | None:
        """The next inputs, or None at the end."""
        return next(self._left, None)


def record(prefix: Path, clips: list[np.ndarray]) -> list[Arrays]:
    """Inputs of the fusion graph while it upscales CLIPS, luma [T, H, W] uint8."""
    upscaler = SpmcUpscaler(find_model(prefix, "fp32"), CPU, frames=WINDOW, tile="off")
    recorder = Recorder(upscaler._fusion)
    upscaler._fusion = recorder  # type: ignore[assignment]
    for clip in clips:
        for luma in clip[:FRAMES]:
            upscaler.push(luma.astype(np.float32) / 255)
        upscaler.flush()
    return recorder.kept


def keep_float(model: onnx.ModelProto) -> list[str]:
    """Names of convolutions that stay float: the bicubic skip, the confidence, the merging one.

    The merging convolution sees the fused window, the reference, the hidden state and the detail
    side by side. In int8 they would share one step size, which costs 1.1 dB; left in float, it
    costs 8 % of the arithmetic and the loss is within 0.02 dB.
    """
    shapes = {tensor.name: tuple(tensor.dims) for tensor in model.graph.initializer}
    return [
        node.name
        for node in model.graph.node
        if node.op_type == "Conv"
        and (min(shapes.get(node.input[1], (0, 0))[:2]) < 4 or "merge" in node.input[1])
    ]


def additions(model: onnx.ModelProto) -> list[str]:
    """Names of the residual additions: those of two results that come out of convolutions."""
    made = {output: node for node in model.graph.node for output in node.output}

    def quantised(name: str) -> bool:
        node = made.get(name)
        return node is not None and node.op_type in ("Conv", "Relu", "Add") and bool(node.input)

    return [
        node.name
        for node in model.graph.node
        if node.op_type == "Add" and all(quantised(name) for name in node.input)
    ]


def quantise(source: Path, target: Path, recorded: list[Arrays]) -> None:
    """Write TARGET, the int8 graph of SOURCE, with SOURCE's card."""
    card = {entry.key: entry.value for entry in onnx.load(source).metadata_props}
    with tempfile.TemporaryDirectory() as folder:
        prepared = Path(folder) / "prepared.onnx"
        quant_pre_process(str(source), str(prepared), skip_symbolic_shape=True)
        model = onnx.load(prepared)
        convolutions = [node.name for node in model.graph.node if node.op_type == "Conv"]
        excluded = set(keep_float(model))
        quantize_static(
            str(prepared),
            str(target),
            Inputs(recorded),
            quant_format=QuantFormat.QDQ,
            per_channel=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            nodes_to_quantize=[n for n in convolutions if n not in excluded] + additions(model),
            calibrate_method=CalibrationMethod.MinMax,
            extra_options={"ActivationSymmetric": False},
        )
    made = onnx.load(target)
    del made.metadata_props[:]
    onnx.helper.set_model_props(made, card | {"precision": "int8"})
    target.write_bytes(made.SerializeToString(deterministic=True))


def main() -> None:
    """Calibrate and write NAME.fusion.int8.onnx beside the fp32 file."""
    parser = argparse.ArgumentParser(prog="python -m models.spmc.quantise", description=__doc__)
    parser.add_argument("--clips", type=Path, required=True, help="a cache of models.spmc.data")
    parser.add_argument("--models", type=Path, default=Path(__file__).parents[1])
    parser.add_argument("--name", default="spmc_x4")
    parser.add_argument("--count", type=int, default=24, help="clips to calibrate on")
    given = parser.parse_args()
    paths = sorted(given.clips.glob("*.npz"))
    chosen = paths[:: max(1, len(paths) // given.count)][: given.count]
    clips = []
    for number, path in enumerate(chosen):
        with np.load(path) as stored:
            clip = stored["contest" if number % 3 == 0 else "bi"][:, :SIDE, :SIDE]
        if clip.shape[1:] == (SIDE, SIDE):
            clips.append(clip)
    prefix = given.models / given.name
    recorded = record(prefix, clips)
    target = given.models / f"{given.name}.fusion.int8.onnx"
    quantise(given.models / f"{given.name}.fusion.onnx", target, recorded)
    print(f"{target.name}: {target.stat().st_size} bytes, calibrated on {len(recorded)} runs")


if __name__ == "__main__":
    main()
