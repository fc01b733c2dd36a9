"""Which channels of the convolutions are used at all: the others are capacity that lies idle."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import onnx
import onnxruntime as ort

from models.spmc.analysis import SCALE, Record
from models.spmc.inputs import Truth, make_low
from models.spmc.quantise import ROLES, record
from vsrcli.networks.card import Model
from vsrcli.networks.session import Arrays

IDLE = 0.01
"""A channel is idle if it varies by less than this share of what the liveliest one varies by."""


def channels(truth: Truth, model: Model) -> list[Record]:
    """Channels of every convolution of MODEL, a float32 one, and how many of them are used.

    On the first frames of TRUTH, reduced by bicubic. What counts is the standard deviation over
    all pixels, after ReLU where one follows: a channel that never gets past it has none.
    """
    low = make_low(truth.cropped(SCALE), "bi", SCALE)
    recorded = record(model, [np.stack([frame.planes[0] for frame in low])])
    paths = {"motion": model.motion.path, "fusion": model.fusion.path}
    return [
        {"clip": truth.name, "convolution": f"{role} {name}", "channels": len(spread), **used}
        for role in ROLES
        for name, spread in deviations(onnx.load(paths[role]), recorded[role]).items()
        for used in [{"used": int((spread >= IDLE * spread.max()).sum())}]
    ]


def deviations(graph: onnx.ModelProto, runs: Iterable[Arrays]) -> dict[str, np.ndarray]:
    """Standard deviation of each channel of every convolution of GRAPH over RUNS, by name [C]."""
    results = convolutions(graph)
    for result in results.values():
        graph.graph.output.append(onnx.helper.make_empty_tensor_value_info(result))
    options = ort.SessionOptions()
    options.log_severity_level = 3
    session = ort.InferenceSession(graph.SerializeToString(), options, ["CPUExecutionProvider"])
    found: dict[str, list[np.ndarray]] = {name: [] for name in results}
    for inputs in runs:
        for name, values in zip(found, session.run([*results.values()], inputs), strict=True):
            found[name].append(values.std((0, 2, 3)))
    return {name: np.mean(each, 0) for name, each in found.items()}


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
