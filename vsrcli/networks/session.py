"""Devices, and one onnxruntime session per graph, which runs where it says it runs."""

from __future__ import annotations

import ctypes
import io
import os
import re
from collections.abc import Callable, Collection, Hashable, Mapping
from contextlib import redirect_stdout
from dataclasses import dataclass
from functools import partial
from math import prod
from pathlib import Path
from typing import Any, Literal, TypeAlias

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray
from onnxruntime.capi import onnxruntime_pybind11_state as ort_errors

from vsrcli.errors import DeviceError, ModelError, OutOfMemoryError, UsageError
from vsrcli.networks.control_groups import allowed_cores
from vsrcli.networks.shared import forgetting, shared
from vsrcli.notes import Note, ignore

Arrays = dict[str, NDArray[np.float32]]
Resident: TypeAlias = Any
"""An onnxruntime.OrtValue: float32 in the memory of the device; onnxruntime has no types."""
Values = dict[str, NDArray[np.float32] | Resident]


def array_of(value: NDArray[np.float32] | Resident) -> NDArray[np.float32]:
    """VALUE, fetched from the device if it is there."""
    return value if isinstance(value, np.ndarray) else value.numpy()


def size_of(value: NDArray[Any] | Resident) -> tuple[int, int]:
    """Height and width of an array [..., H, W], wherever it lies."""
    shape = value.shape if isinstance(value, np.ndarray) else value.shape()
    return shape[-2], shape[-1]


# onnxruntime writes its warnings to stderr, in colour; what matters comes back as an exception.
ort.set_default_logger_severity(4)
# On Windows this is what keeps it from reporting; elsewhere it comes too late, see the package.
ort.disable_telemetry_events()

_OUT_OF_MEMORY = re.compile(
    r"bad.?alloc|out of memory|failed to allocate|ALLOC_FAILED|not enough memory", re.IGNORECASE
)
_NO_THREAD = "pthread_create failed"
_KEPT = 1 << 17
"""Pixels that a graph may have run on and be kept for the next file: it keeps its memory too, up to
3 KB for each. Beyond that, opening a graph anew takes little of the time of a file."""
_RUN_ERRORS = (
    ort_errors.Fail,
    ort_errors.RuntimeException,
    ort_errors.EPFail,
    ort_errors.NotImplemented,
)
LOAD_ERRORS = (
    *_RUN_ERRORS,
    ort_errors.InvalidProtobuf,
    ort_errors.InvalidGraph,
    ort_errors.InvalidArgument,
    RuntimeError,  # not onnxruntime's: of a CUDA provider that cannot begin, as without any GPU
    UnicodeDecodeError,  # nor this: of damaged names, in what the file or onnxruntime says
)
# The smallest model there is: one Identity of one float. Whether it opens on CUDA is the truth
# about CUDA; lists of providers only say what onnxruntime was compiled with.
_IDENTITY_MODEL = bytes.fromhex(
    "08083a370a100a017812017922084964656e746974791201745a0f0a0178120a0a08080112040a02"
    "0801620f0a0179120a0a08080112040a02080142040a00100d"
)


@dataclass(frozen=True)
class Device:
    """Where a session runs."""

    kind: Literal["cpu", "cuda"]
    index: int = 0
    """Which GPU; 0 on the CPU."""

    def __str__(self) -> str:
        return self.kind if self.kind == "cpu" else f"cuda:{self.index}"


CPU = Device("cpu")


def resolve_device(name: str, note: Note = ignore) -> Device:
    """The device NAME means: "auto", "cpu", "cuda" or "cuda:N".

    "auto" takes the first GPU that works, else the CPU and says why in one NOTE. Raises UsageError
    for another name, DeviceError if CUDA is asked for and does not work.
    """
    match = re.fullmatch(r"auto|cpu|cuda(?::(\d{1,3}))?", name.strip().lower())
    if match is None:
        raise UsageError(f"{name!r} is not a device; use auto, cpu, cuda or cuda:N")
    if match[0] == "cpu":
        return CPU
    device = Device("cuda", int(match[1] or 0))
    obstacle = cuda_obstacle(device.index)
    if obstacle is None:
        return device
    if match[0] != "auto":
        raise DeviceError(f"{device} cannot be used: {obstacle}; --device cpu always works")
    note(f"running on the CPU: {obstacle}")
    return CPU


def cuda_obstacle(index: int) -> str | None:
    """Why CUDA device INDEX cannot be used, or None if it can: a tiny model ran on it."""
    if "CUDAExecutionProvider" not in ort.get_available_providers():
        return "this onnxruntime is built without CUDA"
    try:
        ctypes.CDLL("nvcuda.dll" if os.name == "nt" else "libcuda.so.1")
    except OSError:
        return "no NVIDIA driver is installed"
    with redirect_stdout(io.StringIO()):  # it reports missing libraries on stdout
        ort.preload_dlls()
    try:
        session = _create(_IDENTITY_MODEL, Device("cuda", index), threads=1)
        session.run(None, {"x": np.zeros(1, np.float32)})
    except LOAD_ERRORS as error:
        return f"CUDA device {index} does not start ({_first_line(error)})"
    if session.get_providers()[0] != "CUDAExecutionProvider":
        return "the CUDA or cuDNN libraries are missing (pip install 'vsr[cuda]')"
    return None


def runtime_version() -> str:
    """The version of onnxruntime, whose kernels round in their own way."""
    return str(ort.__version__)


def usable_cores() -> int:
    """Number of CPU cores this process may use: more threads than that wait for each other."""
    if hasattr(os, "sched_getaffinity"):
        there = len(os.sched_getaffinity(0))
    else:
        there = os.cpu_count() or 1
    return min(there, allowed_cores() or there)


class Session:
    """One graph, ready to run."""

    def __init__(self, path: Path, device: Device, session: Any) -> None:
        self.path = path
        self.device = device
        self._session = session
        self.inputs = tuple(value.name for value in session.get_inputs())
        self.outputs = tuple(value.name for value in session.get_outputs())
        self.let_go: Callable[[], object] = ignore
        """Called when it should not be shared any more: a run failed, or frames are large."""

    def run(
        self, inputs: Mapping[str, NDArray[Any] | Resident], stay: Collection[str] = ()
    ) -> Values:
        """Outputs by name, all float32, of INPUTS by name, of the types the graph declares.

        Those named in STAY are left in the device's memory, for a run to come; the others are
        arrays. Raises OutOfMemoryError, or ModelError if the graph fails for another reason.
        """
        if any(prod(size_of(each)) > _KEPT for each in inputs.values()):
            self.let_go()
        try:
            return self._run(inputs, stay)
        except MemoryError as error:
            self.let_go()
            raise _out_of_memory(self.device) from error
        except (*_RUN_ERRORS, RuntimeError) as error:  # bound to memory, it raises the latter
            self.let_go()
            if _OUT_OF_MEMORY.search(str(error)):
                raise _out_of_memory(self.device) from error
            raise ModelError(f"{self.path} fails on {self.device}: {_first_line(error)}") from error

    def _run(self, inputs: Mapping[str, NDArray[Any] | Resident], stay: Collection[str]) -> Values:
        binding = self._session.io_binding()
        arrays = {  # kept till the end: binding does not
            name: np.ascontiguousarray(value)
            for name, value in inputs.items()
            if isinstance(value, np.ndarray)
        }
        for name, value in inputs.items():
            if name in arrays:
                binding.bind_cpu_input(name, arrays[name])
            else:
                binding.bind_ortvalue_input(name, value)
        for name in self.outputs:
            place = self.device if name in stay else CPU
            binding.bind_output(name, place.kind, place.index)
        self._session.run_with_iobinding(binding)
        found = zip(self.outputs, binding.get_outputs(), strict=True)
        return {name: value if name in stay else value.numpy() for name, value in found}


def open_session(path: Path, device: Device = CPU, threads: int = 0) -> Session:
    """The graph in PATH on DEVICE; THREADS computing threads on the CPU, 0 for every core.

    In a block of `sharing` it may be one that was opened before. Raises ModelError if the file
    cannot be loaded, DeviceError if DEVICE would not be used.
    """
    model = _content(path)
    make = partial(_opened, path, model, device, threads)
    return _shared((model, device, threads), make)


def _opened(path: Path, model: bytes, device: Device, threads: int) -> Session:
    try:
        session = _create(model, device, threads)
    except LOAD_ERRORS as error:
        if _OUT_OF_MEMORY.search(str(error)):
            raise _out_of_memory(device) from error
        if _NO_THREAD in str(error):
            more = "allow more (ulimit -u), or give fewer --threads"
            raise DeviceError(f"{device}: not enough threads can be started; {more}") from error
        if device.kind == "cuda":
            raise DeviceError(f"{path} does not start on {device}: {_first_line(error)}") from error
        raise ModelError(f"{path} is damaged or no ONNX file: {_first_line(error)}") from error
    used = session.get_providers()[0]
    if used != _provider(device):
        raise DeviceError(f"{path} would run with {used} instead of on {device}")
    return Session(path, device, session)


def embedded_session(name: str, model: bytes, device: Device, *, arena: bool) -> Session:
    """The graph MODEL, no file but a part of the program, on DEVICE; NAME is for messages.

    ARENA: memory of the CPU that it has had is kept for its next run.
    """

    def make() -> Session:
        return Session(Path(name), device, _create(model, device, threads=1, arena=arena))

    return _shared((model, device, arena), make)


def _shared(key: Hashable, make: Callable[[], Session]) -> Session:
    session = shared(key, make)
    session.let_go = forgetting(key)
    return session


def read_metadata(path: Path) -> dict[str, str]:
    """What the ONNX file PATH says of itself. Raises ModelError if it cannot be loaded."""
    model = _content(path)
    return shared(model, partial(_metadata, path, model))


def _metadata(path: Path, model: bytes) -> dict[str, str]:
    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.enable_mem_reuse = False  # as in _create
    options.intra_op_num_threads = 1
    try:
        session = ort.InferenceSession(
            model, options, providers=["CPUExecutionProvider"], enable_fallback=0
        )
        return dict(session.get_modelmeta().custom_metadata_map)
    except LOAD_ERRORS as error:
        raise ModelError(f"{path} is damaged or no ONNX file: {_first_line(error)}") from error


def _content(path: Path) -> bytes:
    """What the file PATH holds: onnxruntime itself finds no file whose name is no UTF-8."""
    try:
        return path.read_bytes()
    except FileNotFoundError as failure:
        raise ModelError(f"{path} does not exist") from failure
    except OSError as failure:
        raise ModelError(f"{path} cannot be read ({failure.strerror})") from failure


def _create(model: bytes, device: Device, threads: int, *, arena: bool = True) -> Any:
    options = ort.SessionOptions()
    options.enable_cpu_mem_arena = arena
    options.execution_mode = ort.ExecutionMode.ORT_SEQUENTIAL
    options.intra_op_num_threads = threads or usable_cores()
    # Decoder and encoder share the cores: threads that spin while they wait slow them down.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    # Patterns are kept per input size, and the window is shorter at the ends of every scene.
    options.enable_mem_pattern = False
    # Planned beforehand, which takes most of the time of opening a graph, reuse of memory makes
    # runs no faster than an arena does by itself, and larger. On a GPU this was not measured.
    options.enable_mem_reuse = device.kind != "cpu"
    providers: list[Any] = ["CPUExecutionProvider"]
    if device.kind == "cuda":
        settings = {
            "device_id": str(device.index),
            "arena_extend_strategy": "kSameAsRequested",  # the default doubles
            "cudnn_conv_algo_search": "HEURISTIC",  # the default measures every new size
            "use_tf32": "0",  # ten bits of mantissa are too few for ten bits of picture
        }
        providers.insert(0, ("CUDAExecutionProvider", settings))
    # With its own fallback onnxruntime prints to stdout and carries on elsewhere.
    return ort.InferenceSession(model, options, providers=providers, enable_fallback=0)


def _provider(device: Device) -> str:
    return "CUDAExecutionProvider" if device.kind == "cuda" else "CPUExecutionProvider"


def _out_of_memory(device: Device) -> OutOfMemoryError:
    return OutOfMemoryError(f"{device} has too little memory for this size; use a smaller --tile")


def _first_line(error: Exception) -> str:
    text = str(error).strip().splitlines()
    return text[0] if text else type(error).__name__
