"""Idle channels are told from those in use."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from models.spmc.inputs import Truth
from tests.clips import detailed
from vsrcli.networks.card import find_model


@pytest.fixture(scope="module")
def onnx() -> Any:
    """The package, which the `train` extra installs."""
    pytest.importorskip("torch", reason="torch is not installed (pip install 'vsr[train]')")
    return pytest.importorskip("onnx", reason="onnx is not installed (pip install 'vsr[train]')")


def test_a_channel_that_never_passes_its_relu_is_idle(onnx: Any) -> None:
    """Of three channels one is always negative, and a third varies by half of the first."""
    from models.spmc.channels import deviations

    weights = np.array([[1, 0], [-1, -1], [0, 0.5]], np.float32).reshape(3, 2, 1, 1)
    stored = [
        onnx.numpy_helper.from_array(weights, "first.weight"),
        onnx.numpy_helper.from_array(np.ones((2, 3, 1, 1), np.float32), "second.weight"),
    ]
    nodes = [
        onnx.helper.make_node("Conv", ["x", "first.weight"], ["a"]),
        onnx.helper.make_node("Relu", ["a"], ["b"]),
        onnx.helper.make_node("Conv", ["b", "second.weight"], ["y"]),
    ]
    ends = [
        onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [1, count, 8, 8])
        for name, count in (("x", 2), ("y", 2))
    ]
    graph = onnx.helper.make_graph(nodes, "two", ends[:1], ends[1:], stored)
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 20)])
    model.ir_version = 10
    columns, rows = np.meshgrid(np.linspace(0, 1, 8), np.linspace(0, 1, 8))
    values = np.stack([columns, rows]).astype(np.float32)[None]
    found = deviations(model, [{"x": values}])
    assert list(found) == ["first", "second"]
    expected = columns.std() * np.array([1, 0.5, 0])
    np.testing.assert_allclose(found["first"], expected, atol=1e-4)
    both = (columns + rows / 2).std() * 2**0.5  # twice the same
    np.testing.assert_allclose(found["second"], [both, 0], atol=1e-4)


def test_the_shipped_network_uses_what_it_merges(onnx: Any) -> None:
    """Behind a ReLU most channels of the merging convolution died in training, unnoticed."""
    from models.spmc.channels import channels

    picture = np.repeat((detailed(96, 160) * 255).astype(np.uint8)[..., None], 3, -1)
    truth = Truth("pan", [picture[:, t : t + 128] for t in range(12)])
    records = channels(truth, find_model(precision="fp32"))
    used = {str(r["convolution"]): (r["used"], r["channels"]) for r in records}
    assert len(used) == 37
    count, channels_there = used["fusion merge"]
    assert channels_there == 64 and int(count) >= 48


def test_a_single_picture_tells_nothing_of_channels(onnx: Any) -> None:
    from models.spmc.channels import channels

    picture = np.repeat((detailed(64, 64) * 255).astype(np.uint8)[..., None], 3, -1)
    assert channels(Truth("one", [picture]), find_model(precision="fp32")) == []
