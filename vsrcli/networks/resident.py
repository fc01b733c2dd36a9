"""What lies in the device's memory between the runs of the network, and is joined there.

Frames go to a GPU once, as the bytes they are; windows, flows and states never leave it. On the CPU
the same code runs and "device" is the main memory.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from typing import Any

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from vsrcli.networks.session import Device, Resident, embedded_session

# Three graphs too small for files of their own, of arrays with four axes each: Concat(a, b) -> y
# and Split(x) -> a, b along the first axis, and y = Cast(x) * (1 / 255) from uint8.
_JOIN = bytes.fromhex(
    "080812003a620a1e0a01610a01621201792206436f6e6361742a0b0a04617869731800a001021201675a130a"
    "0161120e0a0c080112080a000a000a000a005a130a0162120e0a0c080112080a000a000a000a0062130a0179"
    "120e0a0c080112080a000a000a000a0042040a00100d"
)
_HALVES = bytes.fromhex(
    "080812003a610a1d0a0178120161120162220553706c69742a0b0a04617869731800a001021201675a130a01"
    "78120e0a0c080112080a000a000a000a0062130a0161120e0a0c080112080a000a000a000a0062130a016212"
    "0e0a0c080112080a000a000a000a0042040a00100d"
)
_UNIT = bytes.fromhex(
    "080812003a630a170a01781201662204436173742a090a02746f1801a001020a0e0a01660a01751201792203"
    "4d756c1201672a0b10014201754a048180803b5a130a0178120e0a0c080212080a000a000a000a0062130a01"
    "79120e0a0c080112080a000a000a000a0042040a00100d"
)


class Memory:
    """The memory of one device. Raises OutOfMemoryError where there is too little of it."""

    def __init__(self, device: Device, *, spare: bool = False) -> None:
        """SPARE: what is not needed any more is given back, which takes longer; on the CPU."""
        self._device = device
        self._join = embedded_session("join", _JOIN, device, arena=not spare)
        self._halves = embedded_session("halves", _HALVES, device, arena=not spare)
        self._unit = embedded_session("unit", _UNIT, device, arena=not spare)

    def picture(self, plane: NDArray[np.uint8] | NDArray[np.float32]) -> Resident:
        """PLANE [1, 1, H, W], float32 in 0..1 or uint8 in 0..255, as float32 in 0..1."""
        if plane.dtype == np.uint8:
            return self._unit.run({"x": plane}, stay=("y",))["y"]
        return self.array(plane)

    def array(self, values: NDArray[Any]) -> Resident:
        """VALUES as they are. On the CPU they are not copied, so they must not change."""
        return ort.OrtValue.ortvalue_from_numpy(values, self._device.kind, self._device.index)

    def zeros(self, *shape: int) -> Resident:
        """Zeros of SHAPE."""
        return self.array(np.zeros(shape, np.float32))

    def joined(self, parts: Sequence[Resident]) -> Resident:
        """PARTS [B, C, H, W] one behind the other; a single one as it is."""
        return reduce(self._pair, parts)

    def halves(self, both: Resident) -> tuple[Resident, Resident]:
        """BOTH [2B, C, H, W] as its first and its second half."""
        found = self._halves.run({"x": both}, stay=("a", "b"))
        return found["a"], found["b"]

    def _pair(self, first: Resident, second: Resident) -> Resident:
        return self._join.run({"a": first, "b": second}, stay=("y",))["y"]
