"""The int8 and fp16 files are the float32 ones, computed in fewer bits where it was meant to be."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort
import pytest

from vsrcli.networks.card import find_model

FLOAT = find_model(precision="fp32")
WIDE, ALL = {"motion": 4 * 7, "fusion": 18}, {"motion": 5 * 7 + 6 + 2, "fusion": 20}
"""Convolutions of enough channels for fewer bits, and all. Motion looks seven times, with five each
time, halves the pictures three times, along rows and columns, and finds the blocks around each two
times; fusion has two that score, the second for one channel, two slopes of the last detail, the
merging one, two in each of six blocks, two at the end, and the bicubic skip."""
INTEGERS = {"motion": 5 * 7, "fusion": 19}
"""Convolutions in eight bits: also the last of every look and of the score, which find several
places at once."""


@pytest.fixture(scope="module")
def onnx() -> Any:
    """The package, which the `train` extra installs, with torch, which models.spmc needs."""
    pytest.importorskip("torch", reason="torch is not installed (pip install 'vsr[train]')")
    return pytest.importorskip("onnx", reason="onnx is not installed (pip install 'vsr[train]')")


@pytest.mark.parametrize("role", WIDE)
def test_half_files_are_made_of_the_float_files(onnx: Any, role: str, tmp_path: Path) -> None:
    from models.spmc import halve

    source = getattr(FLOAT, role).path
    made = tmp_path / "made.onnx"
    halve.halve(source, made)
    assert made.read_bytes() == source.with_suffix(".fp16.onnx").read_bytes()
    assert halve.difference(source, made, role) < halve.TOLERANCE[role]
    half, single = onnx.TensorProto.FLOAT16, onnx.TensorProto.FLOAT
    model = onnx.load(made)
    types = {tensor.name: tensor.data_type for tensor in model.graph.initializer}
    kinds = Counter(types[n.input[1]] for n in model.graph.node if n.op_type == "Conv")
    assert kinds[half] == WIDE[role]
    interface = [*model.graph.input, *model.graph.output]
    assert {value.type.tensor_type.elem_type for value in interface} == {single}


@pytest.mark.parametrize("role", WIDE)
def test_wide_convolutions_run_in_integers(onnx: Any, role: str, tmp_path: Path) -> None:
    """In the graph that onnxruntime makes of the file, after all its fusions."""
    path = getattr(find_model(precision="int8"), role).path
    options = ort.SessionOptions()
    options.optimized_model_filepath = str(tmp_path / "optimised.onnx")
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_EXTENDED
    ort.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    model = onnx.load(tmp_path / "optimised.onnx")
    counts = Counter(node.op_type for node in model.graph.node)
    assert counts["QLinearConv"] == INTEGERS[role]
    assert counts["Conv"] + counts["FusedConv"] == ALL[role] - INTEGERS[role]
    if role == "fusion":
        assert counts["QLinearConcat"] == 1  # what the merging convolution reads, as bytes
        assert counts["QLinearAdd"] == 6


@pytest.mark.parametrize("role", WIDE)
def test_sums_of_two_products_fit_into_16_bits(onnx: Any, role: str) -> None:
    """CPUs with AVX2 and nothing newer add them there: what does not fit would be cut off."""
    model = onnx.load(getattr(find_model(precision="int8"), role).path)
    values = {tensor.name: tensor for tensor in model.graph.initializer}
    makers = {node.output[0]: node for node in model.graph.node}
    found = 0
    for node in model.graph.node:
        maker = makers.get(node.input[1]) if node.op_type == "Conv" else None
        if maker is None or maker.op_type != "DequantizeLinear":
            continue
        weights = onnx.numpy_helper.to_array(values[maker.input[0]]).astype(int)
        rows = np.moveaxis(weights, 1, -1).reshape(len(weights), -1)
        assert rows.shape[1] % 2 == 0
        assert abs(rows[:, ::2] + rows[:, 1::2]).max() <= 128
        found += 1
    assert found == INTEGERS[role]


@pytest.mark.parametrize("role", WIDE)
def test_integer_files_have_the_formats_of_their_graphs(
    onnx: Any, role: str, tmp_path: Path
) -> None:
    """Those found in the graph: of every weight, and of all that is held within the limits."""
    from onnxruntime.quantization.shape_inference import quant_pre_process

    from models.spmc.geometry import LIMIT
    from models.spmc.graph import Graph, widen

    prepared = tmp_path / "prepared.onnx"
    quant_pre_process(str(getattr(FLOAT, role).path), str(prepared), skip_symbolic_shape=True)
    plain = onnx.load(prepared)
    widen(plain)
    graph = Graph(plain)
    model = onnx.load(getattr(find_model(precision="int8"), role).path)
    values = {each.name: onnx.numpy_helper.to_array(each) for each in model.graph.initializer}
    weights = graph.weight_formats()
    assert len(weights) == len({node.input[1] for node in graph.nodes if graph.is_wide(node)})
    for name, steps in weights.items():
        scales = values[f"{name}_scale"]
        assert steps == [{"axis": 0, "scale": scale, "zero_point": 0} for scale in scales]
    bytes_of = {n.output[0] for n in model.graph.node if n.op_type == "DequantizeLinear"}
    of_bytes = [node for node in model.graph.node if bytes_of.issuperset(node.input[:2])]
    for kind, names in (("Conv", graph.convolutions()), ("Add", graph.additions())):
        assert {node.name for node in of_bytes if node.op_type == kind} == set(names)
    shared, _ = graph.shared_format()
    step = {"scale": np.float32(LIMIT / 128), "zero_point": 128}
    assert all(format == [step] for format in shared.values())
    coded = [node.input for node in model.graph.node if node.op_type == "QuantizeLinear"]
    alike = {n for n, *form in coded if [values[each] for each in form] == list(step.values())}
    assert {name.removesuffix("_QuantizeLinear_Input") for name in alike} == set(shared)
