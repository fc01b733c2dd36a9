"""Motion and fusion in eight bits, for CPUs: uint8 activations, int8 weights per channel.

    python -m models.spmc.quantise --clips DIR [--models models] [--name spmc_x4]

Activations are calibrated on the inputs the graphs meet when they upscale real clips, recurrence
included: the upscaler itself runs on them and every fourth call is kept. Convolutions and the
additions between them become integers; sampling, splatting and the bicubic skip stay float. The
graphs are QDQ: between a QuantizeLinear and a DequantizeLinear stands what onnxruntime fuses.
"""

from __future__ import annotations

import argparse
import json
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

from models.common.command import positive, told
from models.common.replacing import replacing
from models.spmc.data import cached, read
from models.spmc.graph import ROLES, Graph, measure_bytes, widen
from models.spmc.network import STATE_LEVELS
from vsrcli.errors import InputError
from vsrcli.networks.card import Model, find_model
from vsrcli.networks.session import CPU, Arrays, Session, Values, array_of
from vsrcli.networks.spmc import SpmcUpscaler

FRAMES = 12
"""Frames of each clip that are upscaled."""
WINDOW, SIDE = 5, 64
"""Frames of a window and LR pixels of a side of what is calibrated on."""
EVERY = 4
"""Every so many-th run of a graph is kept for calibration."""


class Recorder:
    """Stands in for a session and keeps some of its inputs, all of the shape of the largest."""

    def __init__(self, session: Session) -> None:
        self.session, self.count = session, 0
        self._kept: list[Arrays] = []

    def run(self, inputs: Values, stay: object = ()) -> Values:
        """As the session, remembering."""
        if self.count % EVERY == EVERY - 1:
            self._kept.append({name: array_of(value).copy() for name, value in inputs.items()})
        self.count += 1
        return self.session.run(inputs)

    @property
    def kept(self) -> list[Arrays]:
        """What was remembered. The calibrator wants runs of one shape: whole windows only."""
        sizes = [sum(value.size for value in inputs.values()) for inputs in self._kept]
        pairs = zip(sizes, self._kept, strict=True)
        return [inputs for size, inputs in pairs if size == max(sizes)]


class Inputs(CalibrationDataReader):
    """Hands recorded inputs to the calibrator, one by one."""

    def __init__(self, recorded: list[Arrays]) -> None:
        self._left: Iterator[Arrays] = iter(recorded)

    def get_next(self) -> Arrays | None:
        """The next inputs, or None at the end."""
        return next(self._left, None)


def record(model: Model, clips: list[np.ndarray]) -> dict[str, list[Arrays]]:
    """Inputs of each graph while MODEL upscales CLIPS, luma [T, H, W] uint8."""
    upscaler = SpmcUpscaler(model, CPU, frames=WINDOW, tile="off")
    motion, fusion = Recorder(upscaler.motion), Recorder(upscaler.fusion)
    upscaler.motion, upscaler.fusion = motion, fusion  # type: ignore[assignment]
    for clip in clips:
        for luma in clip[:FRAMES]:
            upscaler.push(luma.astype(np.float32) / 255)
        upscaler.flush()
    return {"motion": motion.kept, "fusion": fusion.kept}


def quantise(source: Path, target: Path, recorded: list[Arrays], *, averaged: bool) -> None:
    """Write TARGET, the int8 graph of SOURCE, with SOURCE's card.

    AVERAGED: limits are averaged over the runs instead of taken from the most extreme ones.
    """
    card = {entry.key: entry.value for entry in onnx.load(source).metadata_props}
    levels = {name: STATE_LEVELS[name] for name in json.loads(card["states"])}
    card |= {"precision": "int8", "state_levels": json.dumps(levels)}
    with tempfile.TemporaryDirectory() as folder:
        prepared = Path(folder) / "prepared.onnx"
        quant_pre_process(str(source), str(prepared), skip_symbolic_shape=True)
        model = onnx.load(prepared)
        widen(model)
        onnx.save(model, prepared)
        graph = Graph(model)
        formats, moves = graph.shared_format()
        quantize_static(
            str(prepared),
            str(target),
            Inputs(recorded),
            quant_format=QuantFormat.QDQ,
            per_channel=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            nodes_to_quantize=graph.convolutions() + graph.limits() + graph.additions() + moves,
            calibrate_method=CalibrationMethod.MinMax,
            extra_options={
                "ActivationSymmetric": False,
                "TensorQuantOverrides": formats | graph.weight_formats(),
                "CalibMovingAverage": averaged,
                "ForceQuantizeNoInputCheck": True,
            },
        )
    made = onnx.load(target)
    measure_bytes(made)
    del made.metadata_props[:]
    onnx.helper.set_model_props(made, card)
    target.write_bytes(made.SerializeToString(deterministic=True))


def load_clips(cache: Path, count: int) -> list[np.ndarray]:
    """COUNT clips of a CACHE of models.spmc.data, luma [T, SIDE, SIDE]; every third compressed.

    Raises InputError if none is large and long enough.
    """
    paths = cached(cache)
    chosen = paths[:: max(1, len(paths) // max(1, count))][:count]
    clips = []
    for number, path in enumerate(chosen):
        stored = read(path)
        clip = stored["contest_x4" if number % 3 == 0 else "bi_x4"][:, :SIDE, :SIDE]
        if clip.shape[1:] == (SIDE, SIDE) and len(clip) >= WINDOW:
            clips.append(clip)
    if not clips:
        raise InputError(
            f"{cache}: no clip of {len(chosen)} has {WINDOW} frames and {4 * SIDE} pixels each way"
        )
    return clips


@told
def main() -> None:
    """Calibrate and write NAME.motion.int8.onnx and NAME.fusion.int8.onnx beside the fp32 files."""
    parser = argparse.ArgumentParser(prog="python -m models.spmc.quantise", description=__doc__)
    parser.add_argument("--clips", type=Path, required=True, help="a cache of models.spmc.data")
    parser.add_argument("--models", type=Path, default=Path(__file__).parents[1])
    parser.add_argument("--name", default="spmc_x4")
    parser.add_argument("--count", type=positive, default=60, help="clips to calibrate on")
    given = parser.parse_args()
    model = find_model(given.models / given.name, "fp32")
    recorded = record(model, load_clips(given.clips, given.count))
    for role in ROLES:
        source = given.models / f"{given.name}.{role}.onnx"
        target = source.with_suffix(".int8.onnx")
        with replacing(target) as made:
            # Fusion loses half as much with finer steps; motion needs the ends for large motion.
            quantise(source, made, recorded[role], averaged=role == "fusion")
        size = target.stat().st_size
        print(f"{target.name}: {size} bytes, calibrated on {len(recorded[role])} runs")


if __name__ == "__main__":
    main()
