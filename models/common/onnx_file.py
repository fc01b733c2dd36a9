"""What torch exports, as the ONNX file that is shipped."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

import onnx


def keep(
    model: onnx.ModelProto, path: Path, card: dict[str, str], dynamic: Mapping[str, Iterable[int]]
) -> None:
    """Write MODEL with its CARD (metadata_props) as PATH, the same bytes for the same network.

    The axes that DYNAMIC names of each input are found to be free, which a constant met while
    tracing silently undoes: AssertionError if one is fixed, ValidationError if the model is broken.
    """
    _strip(model)
    for value in model.graph.input:
        for axis in dynamic.get(value.name, ()):
            dim = value.type.tensor_type.shape.dim[axis]
            assert dim.dim_param, f"{path.name}: axis {axis} of {value.name} is {dim.dim_value}"
    onnx.helper.set_model_props(model, card)
    onnx.checker.check_model(model, full_check=True)
    path.write_bytes(model.SerializeToString(deterministic=True))


def _strip(model: onnx.ModelProto) -> None:
    """Drop the exporter's stack traces: they hold this machine's paths and change the bytes."""
    model.doc_string = model.graph.doc_string = ""
    for part in (*model.graph.node, *model.graph.value_info, *model.graph.initializer):
        part.doc_string = ""
        del part.metadata_props[:]
    for value in (*model.graph.input, *model.graph.output):
        del value.metadata_props[:]
    del model.graph.metadata_props[:]
