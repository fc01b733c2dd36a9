"""Which parts of an exported graph can be computed in fewer bits, and in which format."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
from onnx import numpy_helper

from models.spmc.geometry import LIMIT

LEAST_CHANNELS = 8
"""Convolutions with fewer channels, in or out, stay float: the bicubic skip, which is exact, and
the beginnings of the motion levels, where coarse steps would be felt and little is computed."""
OUTPUTS_AT_ONCE = 16
"""What onnxruntime's fast integer convolution computes together; with fewer it takes another."""
MOVES = ("Reshape", "Gather", "Transpose", "Unsqueeze")
"""Operators that give out what they are given."""

Format = list[dict[str, object]]
"""Scale and zero point of a tensor, as onnxruntime's quantiser takes them."""


def widen(model: onnx.ModelProto) -> None:
    """Give convolutions of many channels to a few as many as go together; the rest is cut off.

    Those are the ends of the motion levels, two channels each: three times as fast with sixteen.
    """
    graph = model.graph
    weights = {tensor.name: tensor for tensor in graph.initializer}
    nodes: list[onnx.NodeProto] = []
    for node in graph.node:
        nodes.append(node)
        if node.op_type != "Conv":
            continue
        count, inputs = weights[node.input[1]].dims[:2]
        if count < OUTPUTS_AT_ONCE and inputs >= LEAST_CHANNELS:
            for place in (1, 2):
                filters = numpy_helper.to_array(weights[node.input[place]])
                more = [(0, OUTPUTS_AT_ONCE - count)] + [(0, 0)] * (filters.ndim - 1)
                node.input[place] = f"{node.name}_wide_{place}"
                wide = numpy_helper.from_array(np.pad(filters, more), node.input[place])
                graph.initializer.append(wide)
            nodes.append(_cut(node, count, graph.initializer))
    del graph.node[:]
    graph.node.extend(nodes)
    del graph.value_info[:]


def _cut(node: onnx.NodeProto, count: int, initializers: Any) -> onnx.NodeProto:
    """A node that hands on the first COUNT channels of what NODE makes, under the same name."""
    named = node.output[0]
    node.output[0] = f"{named}_wide"
    bounds = {f"{named}_start": 0, f"{named}_end": count, f"{named}_axis": 1}
    for name, value in bounds.items():
        initializers.append(numpy_helper.from_array(np.array([value], np.int64), name))
    return onnx.helper.make_node("Slice", [node.output[0], *bounds], [named], name=f"{named}_cut")


class Graph:
    """A graph about to be converted: who makes and who reads a tensor."""

    def __init__(self, model: onnx.ModelProto) -> None:
        self.nodes = list(model.graph.node)
        self.maker = {output: node for node in self.nodes for output in node.output}
        self._shapes = {tensor.name: tuple(tensor.dims) for tensor in model.graph.initializer}

    def is_wide(self, node: onnx.NodeProto) -> bool:
        """Whether NODE is a convolution of enough channels to be worth fewer bits."""
        return node.op_type == "Conv" and min(self._shapes[node.input[1]][:2]) >= LEAST_CHANNELS

    def makes(self, name: str, *operators: str) -> bool:
        """Whether tensor NAME comes out of one of OPERATORS."""
        return name in self.maker and self.maker[name].op_type in operators

    def convolutions(self) -> list[str]:
        """Names of the convolutions to be computed in fewer bits."""
        return [node.name for node in self.nodes if self.is_wide(node)]

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
        tensors += [node.input[0] for node in moves if node.op_type in MOVES]
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
