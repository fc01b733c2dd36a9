"""Writes tiny_crn.onnx beside itself.

    python tests/data/make_tiny_crn.py

A model that obeys the contract of `vsr unmakeup` but computes what tests can read back: component
1, the tone, is -0.1 x picture; component 2-363, the texture, is half of what a 3 x 3 mean takes
away. Its evidence is the mean of the picture.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from onnx import TensorProto, checker, helper, numpy_helper

HERE = Path(__file__).parent


def main() -> None:
    """Build, check, write."""
    mean = np.zeros((3, 3, 3, 3), np.float32)
    for channel in range(3):
        mean[channel, channel] = 1 / 9
    nodes = [
        helper.make_node("Mul", ["picture", "tenth"], ["tone"]),
        helper.make_node("Pad", ["picture", "margins"], ["wide"], mode="edge"),
        helper.make_node("Conv", ["wide", "mean"], ["soft"]),
        helper.make_node("Sub", ["picture", "soft"], ["detail"]),
        helper.make_node("Mul", ["detail", "half"], ["texture"]),
        helper.make_node("Concat", ["tone", "texture"], ["components"], axis=0),
        helper.make_node("ReduceMean", ["picture", "all"], ["evidence"], keepdims=0),
    ]
    constants = [
        numpy_helper.from_array(np.float32(-0.1), "tenth"),
        numpy_helper.from_array(np.float32(0.5), "half"),
        numpy_helper.from_array(np.array([0, 0, 1, 1, 0, 0, 1, 1], np.int64), "margins"),
        numpy_helper.from_array(mean, "mean"),
        numpy_helper.from_array(np.array([1, 2, 3], np.int64), "all"),
    ]
    given = helper.make_tensor_value_info("picture", TensorProto.FLOAT, (1, 3, "H", "W"))
    made = helper.make_tensor_value_info("components", TensorProto.FLOAT, (2, 3, "H", "W"))
    judged = helper.make_tensor_value_info("evidence", TensorProto.FLOAT, (1,))
    graph = helper.make_graph(nodes, "crn", [given], [made, judged], constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)
    card = {
        "contract": "vsr-crn-2",
        "name": "tiny_crn",
        "version": "1",
        "components": json.dumps(["1", "2-363"]),
        "tone": "1",
        "variances": json.dumps([1.0, 0.1]),
        "face_height": "64",
        "canvas": json.dumps([112, 96]),
        "multiple_of": "16",
        "halo": "16",
        # Edited where the tone predicted is above 0.01, whatever else.
        "detector": json.dumps([0, 0, 0, 0, 0, 0, 0, 10, 0, 0, 20]),
        "edited_above": "0.5",
        "edited_surely": "0.6",
        "training_data": "none",
        "licence": "MIT",
        "source": "tests/data/make_tiny_crn.py",
        "weights_sha256": "0",
    }
    helper.set_model_props(model, card)
    checker.check_model(model, full_check=True)
    (HERE / "tiny_crn.onnx").write_bytes(model.SerializeToString(deterministic=True))


if __name__ == "__main__":
    main()
