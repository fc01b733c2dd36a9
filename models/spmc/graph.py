"""Which parts of an exported graph can be computed in fewer bits, and in which format."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import numpy_helper

from models.spmc.geometry import LIMIT

ROLES = ("motion", "fusion")
"""Of the graphs with convolutions, which are worth fewer bits."""
LEAST_INPUTS, LEAST_OUTPUTS = 4, 8
"""Convolutions of fewer channels stay float: the bicubic skip, which is exact, what halves pictures
or finds the blocks around."""
OUTPUTS_AT_ONCE = 16
"""What onnxruntime's fast integer convolution computes together; with fewer it takes another."""
MOVES = ("Reshape", "Gather", "Transpose", "Unsqueeze")
"""Operators that give out what they are given."""

Format = list[dict[str, object]]
"""Scale and zero point of a tensor, as onnxruntime's quantiser takes them."""


def widen(model: onnx.ModelProto) -> None:
    """Let convolutions of many channels to a few find as many values as go together.

    Those are the ends of the motion levels and of the scorer, two, five and one channel each. They
    give out a few places of a row at once, a value of each being a channel: three of five, eight of
    two, sixteen of one. What a value is made of stays the same.
    """
    graph = model.graph
    weights = {tensor.name: tensor for tensor in graph.initializer}
    nodes: list[onnx.NodeProto] = []
    for node in graph.node:
        nodes.append(node)
        if node.op_type != "Conv":
            continue
        count, inputs = weights[node.input[1]].dims[:2]
        if count < OUTPUTS_AT_ONCE and inputs >= LEAST_INPUTS:
            places = OUTPUTS_AT_ONCE // count
            for number in range(1, len(node.input)):  # a bias of zeros is not exported
                values = numpy_helper.to_array(weights[node.input[number]])
                node.input[number] = f"{node.name}_wide_{number}"
                wide = numpy_helper.from_array(several(values, places), node.input[number])
                graph.initializer.append(wide)
            _stride(node, places)
            nodes += _in_a_row(node, places * count, count, graph.initializer)
    del graph.node[:]
    graph.node.extend(nodes)
    del graph.value_info[:]


def several(values: NDArray[np.float32], places: int) -> NDArray[np.float32]:
    """Weights [O, I, h, w] or biases [O] of a convolution that finds PLACES of a row at once.

    [OUTPUTS_AT_ONCE, I, h, w + PLACES - 1] or [OUTPUTS_AT_ONCE]: a place after the other, zeros
    for what is left.
    """
    if values.ndim == 1:
        made = np.tile(values, places)
    else:
        each = [
            np.pad(values, [(0, 0)] * 3 + [(place, places - 1 - place)]) for place in range(places)
        ]
        made = np.concatenate(each)
    return np.pad(made, [(0, OUTPUTS_AT_ONCE - len(made))] + [(0, 0)] * (made.ndim - 1))


def _stride(node: onnx.NodeProto, places: int) -> None:
    """Let NODE, whose filters were made wider for it, go PLACES pixels of a row at a time."""
    attributes = {each.name: each for each in node.attribute}
    top, left, bottom, right = attributes["pads"].ints
    height, width = attributes["kernel_shape"].ints
    for name, wanted in (
        ("pads", (top, left, bottom, right + places - 1)),
        ("kernel_shape", (height, width + places - 1)),
        ("strides", (1, places)),
    ):
        attributes[name].ints[:] = wanted


def _in_a_row(
    node: onnx.NodeProto, used: int, count: int, initializers: Any
) -> list[onnx.NodeProto]:
    """Nodes that lay the first USED channels NODE makes, COUNT of every place, side by side.

    The result has the name and shape that of NODE had. Row by row the values lie that way already.
    """
    named = node.output[0]
    parts = [f"{named}_{part}" for part in ("wide", "last", "used", "row", "first")]
    wide, last, of_use, row, first = parts
    node.output[0] = wide
    values = {"zero": [0], "used_end": [used], "three": [3], "row_shape": [0, 0, -1, count]}
    name = {key: f"{named}_{key}" for key in values}
    for key, value in values.items():
        initializers.append(numpy_helper.from_array(np.array(value, np.int64), name[key]))
    make = onnx.helper.make_node
    return [
        make("Shape", [node.input[0]], [f"{named}_width"], name=f"{named}_get_width", start=3),
        make("Transpose", [wide], [last], name=f"{named}_to_last", perm=(0, 2, 3, 1)),
        make(
            "Slice",
            [last, name["zero"], name["used_end"], name["three"]],
            [of_use],
            name=f"{named}_use",
        ),
        make("Reshape", [of_use, name["row_shape"]], [row], name=f"{named}_to_row"),
        make("Transpose", [row], [first], name=f"{named}_to_first", perm=(0, 3, 1, 2)),
        make(
            "Slice",
            [first, name["zero"], f"{named}_width", name["three"]],
            [named],
            name=f"{named}_cut",
        ),
    ]


def paired_format(weights: NDArray[np.float32]) -> Format:
    """The format of WEIGHTS [O, I, h, w], per output, in which no sum of products overflows.

    Where a CPU has no instruction that sums products in 32 bits, onnxruntime multiplies uint8 by
    int8 with vpmaddubsw, which adds those of two inputs after each other in 16 bits and cuts off
    what is beyond them. 255 * (|a| + |b|) fits if |a| + |b| is 128 at most, so a pair of one sign
    takes up the range of a single weight: 127, and one for rounding. (Different signs cannot add
    up.) Sums are then the same on every CPU.
    """
    rows = np.moveaxis(weights, 1, -1).reshape(len(weights), -1).astype(np.float64)
    pairs = np.pad(rows, [(0, 0), (0, rows.shape[1] % 2)]).reshape(len(rows), -1, 2)
    reach = np.maximum(abs(pairs).max((1, 2)), abs(pairs.sum(2)).max(1))
    scales = np.where(reach > 0, reach / 127, 1).astype(np.float32)
    return [{"axis": 0, "scale": scale, "zero_point": np.int8(0)} for scale in scales]


def measure_bytes(model: onnx.ModelProto) -> None:
    """Let a quantised MODEL take shapes from bytes: nothing is to become float for its shape."""
    maker = {output: node for node in model.graph.node for output in node.output}
    for node in model.graph.node:
        if node.op_type == "Shape" and node.input[0] in maker:
            source = maker[node.input[0]]
            if source.op_type == "DequantizeLinear":
                node.input[0] = source.input[0]


class Graph:
    """A graph about to be converted: who makes and who reads a tensor."""

    def __init__(self, model: onnx.ModelProto) -> None:
        self.nodes = list(model.graph.node)
        self.maker = {output: node for node in self.nodes for output in node.output}
        self._weights = {tensor.name: tensor for tensor in model.graph.initializer}

    def is_wide(self, node: onnx.NodeProto) -> bool:
        """Whether NODE is a convolution of enough channels to be worth fewer bits."""
        if node.op_type != "Conv":
            return False
        outputs, inputs = self._weights[node.input[1]].dims[:2]
        return inputs >= LEAST_INPUTS and outputs >= LEAST_OUTPUTS

    def makes(self, name: str, *operators: str) -> bool:
        """Whether tensor NAME comes out of one of OPERATORS."""
        return name in self.maker and self.maker[name].op_type in operators

    def convolutions(self) -> list[str]:
        """Names of the convolutions to be computed in fewer bits."""
        return [node.name for node in self.nodes if self.is_wide(node)]

    def weight_formats(self) -> dict[str, Format]:
        """Tensors of the weights of these convolutions, each with its format channel by channel."""
        wide = [node.input[1] for node in self.nodes if self.is_wide(node)]
        return {name: paired_format(numpy_helper.to_array(self._weights[name])) for name in wide}

    def limits(self) -> list[str]:
        """Names of what cuts off the results of these: integers do that by themselves."""
        return [
            node.name
            for node in self.nodes
            if node.op_type in ("Relu", "Clip")
            and self.makes(node.input[0], "Conv")
            and self.is_wide(self.maker[node.input[0]])
        ]

    def additions(self) -> list[str]:
        """Names of the residual additions: those of two results that come out of convolutions."""
        return [
            node.name
            for node in self.nodes
            if node.op_type == "Add"
            and all(self.makes(name, "Conv", "Relu", "Add") for name in node.input)
        ]

    def shared_format(self) -> tuple[dict[str, Format], list[str]]:
        """What the network holds within -LIMIT..LIMIT: tensors with their format, nodes to move.

        These are the inputs of the concatenations that convolutions read, whatever lies on the way
        from there back to the last computation and forth to the convolution, results held within
        the limits, and what fixed filters read and give. All of it has one format, so it is moved
        and joined as bytes.
        """
        tensors, moves = [], []
        for node in self.nodes:
            if node.op_type == "Concat":
                forth = self._way_to_convolution(node.output[0])
                if forth is not None:
                    back = [part for name in node.input for part in self._way_back(name)]
                    moves += [node, *forth, *back]
                    tensors += [*node.input]
            elif node.op_type == "Clip" and self.makes(node.input[0], "Conv"):
                tensors.append(node.output[0])
            elif self._is_filter(node):
                tensors += [node.input[0], node.output[0]]
        tensors += [node.output[0] for node in moves]
        tensors += [node.input[0] for node in moves]
        step: Format = [
            {
                "scale": np.array(LIMIT / 128, np.float32),
                "zero_point": np.array(128, np.uint8),
            }
        ]
        return dict.fromkeys(tensors, step), [node.name for node in moves]

    def _is_filter(self, node: onnx.NodeProto) -> bool:
        """Whether NODE is a fixed filter, which has no bias, of what is held within the limits."""
        return node.op_type == "Conv" and len(node.input) == 2 and self.is_wide(node)

    def _way_to_convolution(self, name: str) -> list[onnx.NodeProto] | None:
        """Transpositions between tensor NAME and a convolution; None if it leads to none."""
        for node in self.nodes:
            if name in node.input and self.is_wide(node):
                return []
            if name in node.input and node.op_type == "Transpose":
                further = self._way_to_convolution(node.output[0])
                return None if further is None else [node, *further]
        return None

    def _way_back(self, name: str) -> list[onnx.NodeProto]:
        """What moves the values of tensor NAME between their computation and here."""
        if not self.makes(name, *MOVES):
            return []
        node = self.maker[name]
        return [node, *self._way_back(node.input[0])]
