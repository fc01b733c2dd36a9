"""Which channels of the convolutions are used at all: the others are capacity that lies idle."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import onnx
import onnxruntime as ort

from models.spmc.analysis import SCALE, Record
from models.spmc.graph import ROLES
from models.spmc.inputs import Truth, make_low
from models.spmc.quantise import record
from vsrcli.networks.card import Model
from vsrcli.networks.session import Arrays

IDLE = 0.01
"""What varies by less than this share of what varies most is idle."""


def channels(truth: Truth, model: Model) -> list[Record]:
    """Channels of every convolution of MODEL, a float32 one, and how many of them are used.

    On the first frames of TRUTH, reduced by bicubic, after ReLU where one follows: a channel that
    never gets past it is none. Counted are principal components, so that channels that all say the
    same count once, and a rotated stream as much as before. None, if TRUTH is too short for that.
    """
    low = make_low(truth.cropped(SCALE), "bi", SCALE)
    recorded = record(model, [np.stack([frame.planes[0] for frame in low])])
    if not all(recorded.values()):
        return []
    paths = {"motion": model.motion.path, "fusion": model.fusion.path}
    return [
        {"clip": truth.name, "convolution": f"{role} {name}", "channels": len(spread), **used}
        for role in ROLES
        for name, spread in deviations(onnx.load(paths[role]), recorded[role]).items()
        for used in [{"used": int((spread >= IDLE * spread.max()).sum())}]
    ]


def deviations(graph: onnx.ModelProto, runs: Iterable[Arrays]) -> dict[str, np.ndarray]:
    """Standard deviations along the principal components of what every convolution of GRAPH gives
    over RUNS, by name [C], the greatest first."""
    results = convolutions(graph)
    for result in results.values():
        graph.graph.output.append(onnx.helper.make_empty_tensor_value_info(result))
    options = ort.SessionOptions()
    options.log_severity_level = 3
    session = ort.InferenceSession(graph.SerializeToString(), options, ["CPUExecutionProvider"])
    found: dict[str, list[np.ndarray]] = {name: [] for name in results}
    for inputs in runs:
        for name, values in zip(found, session.run([*results.values()], inputs), strict=True):
            pixels = np.moveaxis(values, 1, 0).reshape(values.shape[1], -1)
            found[name].append(np.atleast_2d(np.cov(pixels, bias=True)))
    return {
        name: np.sqrt(np.linalg.eigvalsh(np.mean(each, 0))[::-1].clip(0))
        for name, each in found.items()
    }


def convolutions(graph: onnx.ModelProto) -> dict[str, str]:
    """By the name of its weights, what comes out of every convolution of GRAPH that is trained."""
    readers: dict[str, list[onnx.NodeProto]] = {}
    for node in graph.graph.node:
        for name in node.input:
            readers.setdefault(name, []).append(node)
    results = {}
    for node in graph.graph.node:
        if node.op_type == "Conv" and node.input[1].endswith(".weight"):
            (result,) = node.output
            relus = [reader for reader in readers.get(result, []) if reader.op_type == "Relu"]
            results[node.input[1].removesuffix(".weight")] = relus[0].output[0] if relus else result
    return results
