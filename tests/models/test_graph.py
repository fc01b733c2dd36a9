"""Graphs made ready for eight bits: convolutions to a few channels find several places at once."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnxruntime as ort
import pytest


@pytest.fixture(scope="module")
def onnx() -> Any:
    """The package, which the `train` extra installs, with torch, which models.spmc needs."""
    pytest.importorskip("torch", reason="torch is not installed (pip install 'vsr[train]')")
    return pytest.importorskip("onnx", reason="onnx is not installed (pip install 'vsr[train]')")


def convolution(onnx: Any, count: int) -> Any:
    """A model of one 3x3 convolution of eight channels to COUNT."""
    random, make = np.random.default_rng(count), onnx.helper
    values = {
        "weight": random.standard_normal((count, 8, 3, 3)).astype(np.float32),
        "bias": random.standard_normal(count).astype(np.float32),
    }
    node = make.make_node(
        "Conv",
        ["x", "weight", "bias"],
        ["y"],
        name="conv",
        kernel_shape=[3, 3],
        pads=[1, 1, 1, 1],
        strides=[1, 1],
    )
    kind = onnx.TensorProto.FLOAT
    graph = make.make_graph(
        [node],
        "graph",
        [make.make_tensor_value_info("x", kind, ["N", 8, "H", "W"])],
        [make.make_tensor_value_info("y", kind, ["N", count, "H", "W"])],
        [onnx.numpy_helper.from_array(value, name) for name, value in values.items()],
    )
    return make.make_model(graph, opset_imports=[make.make_opsetid("", 20)], ir_version=9)


def run(model: Any, x: np.ndarray) -> np.ndarray:
    """What MODEL makes of X."""
    options = ort.SessionOptions()
    options.log_severity_level = 3
    session = ort.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    return np.asarray(session.run(None, {"x": x})[0])


@pytest.mark.parametrize(("count", "places"), [(1, 16), (2, 8), (5, 3)])
def test_several_places_at_once_are_the_same_values(onnx: Any, count: int, places: int) -> None:
    from models.spmc.graph import widen

    plain, wide = convolution(onnx, count), convolution(onnx, count)
    widen(wide)
    onnx.checker.check_model(wide, full_check=True)
    [node] = [node for node in wide.graph.node if node.op_type == "Conv"]
    attributes = {each.name: list(each.ints) for each in node.attribute}
    assert attributes["strides"] == [1, places] and attributes["kernel_shape"] == [3, 2 + places]
    for width in (1, 7, 16, 33, 48):
        x = np.random.default_rng(width).standard_normal((2, 8, 5, width)).astype(np.float32)
        expected = run(plain, x)
        found = run(wide, x)
        assert found.shape == expected.shape == (2, count, 5, width)
        np.testing.assert_allclose(found, expected, atol=1e-5)


def test_convolutions_to_many_channels_stay(onnx: Any) -> None:
    from models.spmc.graph import widen

    model = convolution(onnx, 16)
    before = model.SerializeToString()
    widen(model)
    assert model.SerializeToString() == before


def test_shapes_are_taken_from_bytes(onnx: Any) -> None:
    """So that nothing is made float for its shape alone."""
    from models.spmc.graph import measure_bytes

    make = onnx.helper
    nodes = [
        make.make_node("QuantizeLinear", ["x", "scale"], ["bytes"]),
        make.make_node("DequantizeLinear", ["bytes", "scale"], ["floats"]),
        make.make_node("Shape", ["floats"], ["shape"]),
        make.make_node("Shape", ["x"], ["other"]),
    ]
    model = make.make_model(make.make_graph(nodes, "graph", [], []))
    measure_bytes(model)
    assert [node.input[0] for node in model.graph.node if node.op_type == "Shape"] == ["bytes", "x"]


@pytest.mark.parametrize("inputs", [3, 8])
def test_products_of_two_weights_fit_into_16_bits(onnx: Any, inputs: int) -> None:
    """What is added at once, in the order that a convolution of bytes reads them: inputs last."""
    from models.spmc.graph import paired_format

    weights = np.random.default_rng(inputs).normal(size=(64, inputs, 3, 3)).astype(np.float32)
    weights[0] = 0
    weights[1, 0, 1, 1], weights[1, 1, 1, 1] = 9, -9  # these cannot add up, and take it all
    weights[2, 0, 1, 1], weights[2, 1, 1, 1] = 9, 9
    scales = np.array([each["scale"] for each in paired_format(weights)])
    whole = np.rint(weights / scales[:, None, None, None])
    assert abs(whole).max((1, 2, 3))[1] == 127
    rows = whole.transpose(0, 2, 3, 1).reshape(64, -1)
    rows = np.pad(rows, [(0, 0), (0, rows.shape[1] % 2)])
    together = rows[:, ::2] + rows[:, 1::2]
    assert abs(together).max() <= 128
    reach = np.maximum(abs(rows).max(1), abs(together).max(1))
    assert reach[0] == 0 and (reach[1:] >= 126).all()  # what there is of 16 bits is used
