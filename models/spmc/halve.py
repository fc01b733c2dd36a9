"""The motion and fusion graphs with their convolutions in half precision, for GPUs.

    python -m models.spmc.halve [--models models] [--name spmc_x4]

What lies between convolutions (activations, residual additions) is float16 as well. Geometry stays
float32: float16 counts pixels exactly up to 2048 only. So do layers of few channels, the bicubic
skip among them, and the inputs and outputs. Before it is kept a file is compared with the float32
one, on onnxruntime's CPU provider, which rounds to the same float16.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
from onnx import TensorProto, helper, numpy_helper

from models.common.command import told
from models.common.replacing import replacing
from models.spmc.export import sample
from models.spmc.graph import ROLES, Graph
from vsrcli.errors import CheckError
from vsrcli.networks.card import find_model
from vsrcli.networks.session import read_metadata

TOLERANCE = {"motion": 0.05, "fusion": 0.01}
"""Largest mean difference from float32: of flows in LR pixels; of luma and states."""


class Halves:
    """A graph whose convolutions become float16, with the casts that they need at their ends."""

    def __init__(self, model: onnx.ModelProto) -> None:
        self.model = model
        graph = Graph(model)
        names = {*graph.convolutions(), *graph.limits(), *graph.additions()}
        self._half = {node.name for node in model.graph.node if node.name in names}
        self._made = {out for n in model.graph.node if n.name in self._half for out in n.output}
        self._constants = {tensor.name: tensor for tensor in model.graph.initializer}
        self._casts: set[str] = set()

    def convert(self) -> onnx.ModelProto:
        """The model, changed in place."""
        nodes: list[onnx.NodeProto] = []
        outputs = {value.name for value in self.model.graph.output}
        for node in self.model.graph.node:
            inside = node.name in self._half
            for position, name in enumerate(node.input):
                if name and inside != (name in self._made):
                    node.input[position] = self._cast(name, inside, nodes)
            nodes.append(node)
            if inside and node.output[0] in outputs:
                # The name is promised to be float32: the half goes by another one.
                name, node.output[0] = node.output[0], f"{node.output[0]}_half"
                self._made = self._made - {name} | {node.output[0]}
                nodes.append(helper.make_node("Cast", [node.output[0]], [name], to=1))
        del self.model.graph.node[:]
        self.model.graph.node.extend(nodes)
        # Types noted for tensors in between were those of float32.
        del self.model.graph.value_info[:]
        return self.model

    def _cast(self, name: str, to_half: bool, nodes: list[onnx.NodeProto]) -> str:
        """Tensor NAME in the other precision; where it is first needed it is made."""
        other = f"{name}_{'half' if to_half else 'float'}"
        if other in self._casts:
            return other
        self._casts.add(other)
        if name in self._constants:
            values = numpy_helper.to_array(self._constants[name]).astype(np.float16)
            self.model.graph.initializer.append(numpy_helper.from_array(values, other))
        else:
            kind = TensorProto.FLOAT16 if to_half else TensorProto.FLOAT
            nodes.append(helper.make_node("Cast", [name], [other], name=f"cast_{other}", to=kind))
        return other


def drop_unused(model: onnx.ModelProto) -> None:
    """Drop the constants that nothing reads any more: the float32 weights."""
    read = {name for node in model.graph.node for name in node.input}
    kept = [tensor for tensor in model.graph.initializer if tensor.name in read]
    del model.graph.initializer[:]
    model.graph.initializer.extend(kept)


def halve(source: Path, target: Path) -> None:
    """Write TARGET, the float16 graph of SOURCE, with SOURCE's card."""
    model = onnx.load(source)
    card = {entry.key: entry.value for entry in model.metadata_props}
    model = Halves(model).convert()
    drop_unused(model)
    del model.metadata_props[:]
    helper.set_model_props(model, card | {"precision": "fp16"})
    onnx.checker.check_model(model, full_check=True)
    target.write_bytes(model.SerializeToString(deterministic=True))


def difference(source: Path, target: Path, role: str) -> float:
    """Largest mean difference of an output of TARGET from SOURCE's, on moving texture."""
    states = json.loads(read_metadata(source)["states"])
    inputs = {name: value.numpy() for name, value in sample(4, 64, 96, states)[role].items()}
    ours, theirs = (
        ort.InferenceSession(path, providers=["CPUExecutionProvider"]).run(None, inputs)
        for path in (source, target)
    )
    # numpy's maximum of what is no number is no number, which no bound lets pass.
    return float(np.max([np.abs(a - b).mean() for a, b in zip(ours, theirs, strict=True)]))


@told
def main() -> None:
    """Convert, compare; prints one line a file."""
    parser = argparse.ArgumentParser(prog="python -m models.spmc.halve", description=__doc__)
    parser.add_argument("--models", type=Path, default=Path(__file__).parents[1])
    parser.add_argument("--name", default="spmc_x4")
    given = parser.parse_args()
    find_model(given.models / given.name, "fp32")  # or says what is wrong with it
    for role in ROLES:
        source = given.models / f"{given.name}.{role}.onnx"
        target = source.with_suffix(".fp16.onnx")
        with replacing(target) as made:
            halve(source, made)
            worst = difference(source, made, role)
            if not worst < TOLERANCE[role]:
                raise CheckError(f"{target.name} would differ by {worst:.1e} on average; not kept")
        print(f"{target.name}: {target.stat().st_size} bytes, differs by {worst:.1e} on average")


if __name__ == "__main__":
    main()
