"""Devices and sessions."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from vsrcli.errors import DeviceError, ModelError, OutOfMemoryError, UsageError
from vsrcli.networks import session as module
from vsrcli.networks.session import CPU, Device, cuda_obstacle, open_session, resolve_device

from .tiny import TINY

COMPOSE = TINY.with_name("tiny.compose.onnx")
without_cuda = pytest.mark.skipif(cuda_obstacle(0) is None, reason="there is a GPU here")


def test_cpu_is_taken_at_its_word() -> None:
    assert resolve_device("cpu") == CPU
    assert resolve_device(" CPU ") == CPU


@pytest.mark.parametrize("name", ["gpu", "cuda:", "cuda:x", "", "cpu:0"])
def test_other_names_are_refused(name: str) -> None:
    with pytest.raises(UsageError, match="use auto, cpu, cuda or cuda:N"):
        resolve_device(name)


def test_auto_falls_back_with_one_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "cuda_obstacle", lambda index: f"GPU {index} is on fire")
    notes: list[str] = []
    assert resolve_device("auto", notes.append) == CPU
    assert notes == ["running on the CPU: GPU 0 is on fire"]


def test_cuda_asked_for_and_unusable_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "cuda_obstacle", lambda index: f"GPU {index} is on fire")
    with pytest.raises(DeviceError, match="cuda:3 cannot be used: GPU 3 is on fire"):
        resolve_device("cuda:3")


def test_a_working_gpu_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "cuda_obstacle", lambda index: None)
    notes: list[str] = []
    assert resolve_device("auto", notes.append) == Device("cuda", 0)
    assert resolve_device("cuda:1", notes.append) == Device("cuda", 1)
    assert notes == []


def test_a_driver_without_a_gpu_is_an_obstacle(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("CUDA failure 100: no CUDA-capable device is detected")

    monkeypatch.setattr(module.ort, "get_available_providers", lambda: ["CUDAExecutionProvider"])
    monkeypatch.setattr(module.ort, "preload_dlls", lambda: None)
    monkeypatch.setattr(module.ctypes, "CDLL", lambda name: None)
    monkeypatch.setattr(module.ort, "InferenceSession", fail)
    notes: list[str] = []
    assert resolve_device("auto", notes.append) == CPU
    assert "no CUDA-capable device" in notes[0]
    with pytest.raises(DeviceError, match="no CUDA-capable device"):
        resolve_device("cuda")


@without_cuda
def test_a_missing_driver_is_told_in_silence(capfd: pytest.CaptureFixture[str]) -> None:
    assert cuda_obstacle(0)
    assert capfd.readouterr() == ("", "")


@without_cuda
def test_a_session_does_not_pretend_to_use_cuda(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(DeviceError, match="cuda:0"):
        open_session(COMPOSE, Device("cuda", 0))
    assert capfd.readouterr() == ("", "")


def test_the_tiny_model_inside_opens() -> None:
    opened = module._create(module._IDENTITY_MODEL, CPU, 1)
    (found,) = opened.run(None, {"x": np.array([3], np.float32)})
    assert found == [3]


def test_outputs_come_by_name() -> None:
    session = open_session(COMPOSE, CPU, threads=1)
    assert (session.inputs, session.outputs) == (("first", "second"), ("flow",))
    first = np.random.default_rng(0).random((2, 2, 3, 5), np.float32)
    found = session.run({"first": first, "second": 2 * first})
    np.testing.assert_allclose(found["flow"], 3 * first, rtol=1e-6)


def test_outputs_may_stay_on_the_device() -> None:
    session = open_session(COMPOSE, CPU, threads=1)
    first = np.random.default_rng(0).random((1, 2, 3, 5), np.float32)
    kept = session.run({"first": first, "second": first}, stay=["flow"])["flow"]
    assert kept.device_name() == "cpu" and kept.shape() == [1, 2, 3, 5]
    found = session.run({"first": kept, "second": first})["flow"]
    again = session.run({"first": kept.numpy(), "second": first})["flow"]
    np.testing.assert_array_equal(found, again)
    np.testing.assert_allclose(kept.numpy(), 2 * first, rtol=1e-6)  # untouched by later runs


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"none\.onnx does not exist"):
        open_session(tmp_path / "none.onnx")


def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    path = tmp_path / "half.onnx"
    path.write_bytes(COMPOSE.read_bytes()[:200])
    with pytest.raises(ModelError, match=r"half\.onnx is damaged"):
        open_session(path)


@pytest.mark.parametrize(
    ("device", "reason", "error", "words"),
    [
        (CPU, "Failed to allocate memory", OutOfMemoryError, "cpu has too little memory"),
        (Device("cuda", 1), "out of memory", OutOfMemoryError, "cuda:1 has too little memory"),
        (Device("cuda", 1), "no kernel image", DeviceError, "does not start on cuda:1"),
        (CPU, "pthread_create failed, error code: 11", DeviceError, "cpu: not enough threads"),
        (CPU, "Protobuf parsing failed", ModelError, "is damaged or no ONNX file"),
    ],
)
def test_why_a_graph_does_not_open_is_told_apart(
    monkeypatch: pytest.MonkeyPatch,
    device: Device,
    reason: str,
    error: type[Exception],
    words: str,
) -> None:
    def fail(*arguments: object) -> None:
        raise module.ort_errors.Fail(reason)

    monkeypatch.setattr(module, "_create", fail)
    with pytest.raises(error, match=words):
        open_session(COMPOSE, device)


def test_as_many_threads_as_asked_for_or_as_there_are_cores(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module.os, "sched_getaffinity", lambda process: {1, 4, 5}, raising=False)
    monkeypatch.setattr(module.os, "cpu_count", lambda: 64)
    for asked, threads in ((1, 1), (2, 2), (0, 3)):
        opened = open_session(COMPOSE, CPU, threads=asked)._session
        assert opened.get_session_options().intra_op_num_threads == threads


def test_arrays_need_not_lie_in_one_piece() -> None:
    session = open_session(COMPOSE, CPU, threads=1)
    wide = np.random.default_rng(0).random((1, 2, 6, 10), np.float32)
    found = session.run({"first": wide[..., ::2, 1::2], "second": wide[..., ::2, 1::2]})
    np.testing.assert_allclose(found["flow"], 2 * wide[..., ::2, 1::2], rtol=1e-6)


def test_a_failing_graph_is_named() -> None:
    session = open_session(COMPOSE, CPU, threads=1)
    wrong = {"first": np.zeros((1, 2, 4, 4), np.float32)}
    with pytest.raises(ModelError, match=r"tiny\.compose\.onnx fails on cpu"):
        session.run(wrong | {"second": np.zeros((1, 2, 5, 5), np.float32)})


SMALL_MEMORY = """
import resource, sys
from pathlib import Path
import numpy as np
from vsrcli.errors import OutOfMemoryError
from vsrcli.networks.session import open_session
session = open_session(Path(sys.argv[1]), threads=1)
flow = np.zeros((1, 2, 4000, 8000), np.float32)
used = 1024 * int(open("/proc/self/status").read().split("VmSize:")[1].split()[0])
resource.setrlimit(resource.RLIMIT_AS, (used + (64 << 20), -1))
try:
    session.run({"first": flow, "second": flow})
except OutOfMemoryError as error:
    print(error)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="limits memory as Linux does")
def test_lack_of_memory_is_an_error_of_its_own() -> None:
    command = [sys.executable, "-c", SMALL_MEMORY.replace("sys.argv[1]", f"{str(COMPOSE)!r}")]
    found = subprocess.run(command, capture_output=True, text=True, check=True)
    assert found.stdout.strip() == str(
        OutOfMemoryError("cpu has too little memory for this size; use a smaller --tile")
    )
