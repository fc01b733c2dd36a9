"""Idle channels are told from those in use."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest


@pytest.fixture(scope="module")
def onnx() -> Any:
    """The package, which the `train` extra installs."""
    pytest.importorskip("torch", reason="torch is not installed (pip install 'vsr[train]')")
    return pytest.importorskip("onnx", reason="onnx is not installed (pip install 'vsr[train]')")


def test_a_channel_that_never_passes_its_relu_is_idle(onnx: Any) -> None:
    """Of four channels one is always negative, and one varies by a thousandth of the others."""
    from models.spmc.channels import deviations

    weights = np.array([1, -1, 1, 1e-3], np.float32).reshape(4, 1, 1, 1)
    stored = [
        onnx.numpy_helper.from_array(weights, "first.weight"),
        onnx.numpy_helper.from_array(np.ones((2, 4, 1, 1), np.float32), "second.weight"),
    ]
    nodes = [
        onnx.helper.make_node("Conv", ["x", "first.weight"], ["a"]),
        onnx.helper.make_node("Relu", ["a"], ["b"]),
        onnx.helper.make_node("Conv", ["b", "second.weight"], ["y"]),
    ]
    ends = [
        onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [1, count, 8, 8])
        for name, count in (("x", 1), ("y", 2))
    ]
    graph = onnx.helper.make_graph(nodes, "two", ends[:1], ends[1:], stored)
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 20)])
    model.ir_version = 10
    values = np.linspace(0, 1, 64, dtype=np.float32).reshape(1, 1, 8, 8)
    found = deviations(model, [{"x": values}])
    assert list(found) == ["first", "second"]
    np.testing.assert_allclose(found["first"], values.std() * np.array([1, 0, 1, 1e-3]), rtol=1e-5)
    np.testing.assert_allclose(found["second"], [values.std() * 2.001] * 2, rtol=1e-5)
