"""Writes tiny.motion.onnx, tiny.compose.onnx, tiny.fusion.onnx beside itself.

    python tests/data/make_tiny_model.py

A model that obeys the contract but computes what tests can read back. On frames of one constant
value v each: motion is (v_neighbour - v_reference, 0), composition adds, so a composed flow tells
whether its steps were the right ones. The 16 phases of every luma pixel hold
    0  mean of the neighbours (of the reference, if it has none)
    1  mean over the neighbours of frame + x of its flow to the reference = v_reference if all is
       right
    2  0.01 x frames since the states were zero (from the state `count`, one channel)
    3  0.5 + x of the state flow
    4  0.5 + (first channel of the state `memory`, three channels: the reference before) / 2
    5+ the reference
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from onnx import TensorProto, checker, helper, numpy_helper

HERE = Path(__file__).parent


def value(name: str, *shape: int | str) -> object:
    """A float32 input or output."""
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)


def constant(name: str, content: object, dtype: type = np.float32) -> object:
    """A constant of the graph."""
    return numpy_helper.from_array(np.asarray(content, dtype), name)


def save(role: str, nodes: list, inputs: list, outputs: list, constants: list) -> None:
    """Write one graph with a complete card."""
    card = {
        "contract": "vsr-spmc-3",
        "name": "tiny",
        "role": role,
        "version": "1",
        "scale": "4",
        "multiple_of": "2",
        "halo": "4",
        "states": json.dumps({"count": 1, "memory": 3} if role == "fusion" else {}),
        "precision": "fp32",
        "window": "3",
        "bytes_per_pixel": json.dumps({"first": 1000, "further": 100}),
        "training_data": "none",
        "licence": "MIT",
        "source": "tests/data/make_tiny_model.py",
        "weights_sha256": "0",
    }
    graph = helper.make_graph(nodes, role, inputs, outputs, constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)
    helper.set_model_props(model, card)
    checker.check_model(model, full_check=True)
    (HERE / f"tiny.{role}.onnx").write_bytes(model.SerializeToString(deterministic=True))


def motion() -> None:
    """flow = (neighbour - reference, 0), back = -flow."""
    nodes = [
        helper.make_node("Sub", ["neighbour", "reference"], ["x"]),
        helper.make_node("Sub", ["x", "x"], ["y"]),
        helper.make_node("Concat", ["x", "y"], ["flow"], axis=1),
        helper.make_node("Neg", ["flow"], ["back"]),
    ]
    pictures = [value(name, "B", 1, "H", "W") for name in ("reference", "neighbour")]
    flows = [value(name, "B", 2, "H", "W") for name in ("flow", "back")]
    save("motion", nodes, pictures, flows, [])


def compose() -> None:
    """flow = first + second, which is right where flows are the same everywhere."""
    nodes = [helper.make_node("Add", ["first", "second"], ["flow"])]
    flows = [value(name, "B", 2, "H", "W") for name in ("first", "second")]
    save("compose", nodes, flows, [value("flow", "B", 2, "H", "W")], [])


def fusion() -> None:
    """The phases listed above."""
    make = helper.make_node
    nodes = [
        make("ReduceMean", ["frames", "window_axis"], ["mean"], keepdims=1),
        make("Slice", ["flows", "zero", "one", "channel_axis"], ["flows_x"]),
        make("Add", ["frames", "flows_x"], ["moved"]),
        make("ReduceMean", ["moved", "window_axis"], ["moved_mean"], keepdims=1),
        make("Add", ["count", "unit"], ["next_count"]),
        make("Mul", ["next_count", "hundredth"], ["age"]),
        make("Slice", ["state_flow", "zero", "one", "channel_axis"], ["state_flow_x"]),
        make("Add", ["state_flow_x", "half"], ["state_flow_shown"]),
        make("Slice", ["memory", "zero", "one", "channel_axis"], ["memory_x"]),
        make("Mul", ["memory_x", "half"], ["memory_half"]),
        make("Add", ["memory_half", "half"], ["memory_shown"]),
        make("Concat", ["reference"] * 3, ["next_memory"], axis=1),
        make(
            "Concat",
            ["mean", "moved_mean", "age", "state_flow_shown", "memory_shown"] + ["reference"] * 11,
            ["phases"],
            axis=1,
        ),
        make("DepthToSpace", ["phases"], ["picture"], blocksize=4, mode="CRD"),
        make("Clip", ["picture", "nothing", "unit"], ["luma"]),
    ]
    constants = [
        constant("window_axis", [0], np.int64),
        constant("channel_axis", [1], np.int64),
        constant("zero", [0], np.int64),
        constant("one", [1], np.int64),
        constant("nothing", 0.0),
        constant("unit", 1.0),
        constant("half", 0.5),
        constant("hundredth", 0.01),
    ]
    inputs = [
        value("frames", "N", 1, "H", "W"),
        value("flows", "N", 2, "H", "W"),
        value("reference", 1, 1, "H", "W"),
        value("state_flow", 1, 2, "H", "W"),
        value("count", 1, 1, "H", "W"),
        value("memory", 1, 3, "H", "W"),
    ]
    outputs = [
        value("luma", 1, 1, "H4", "W4"),
        value("next_count", 1, 1, "H", "W"),
        value("next_memory", 1, 3, "H", "W"),
    ]
    save("fusion", nodes, inputs, outputs, constants)


if __name__ == "__main__":
    motion()
    compose()
    fusion()
