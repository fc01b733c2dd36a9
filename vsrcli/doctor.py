"""What works on this machine, found out by trying: the first thing to put into a bug report."""

from __future__ import annotations

import os
import platform
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import av

import vsrcli
from vsrcli.errors import VsrError
from vsrcli.media.encoders import FULL_RANGE_ONLY
from vsrcli.media.identity import content_hash
from vsrcli.networks.card import DEFAULT_MODEL, ROLES, find_model, read_card, shipped_folder
from vsrcli.networks.free_memory import available_memory
from vsrcli.networks.session import (
    CPU,
    cuda_obstacle,
    open_session,
    runtime_version,
    usable_cores,
)

_PACKAGES = ("numpy", "scipy", "scikit-image", "typer", "rich", "distributed", "pillow-heif")
_RUNTIMES = ("onnxruntime", "onnxruntime-gpu")
_ENCODERS = (
    *("libx264", "libx264rgb", "libx265", "libsvtav1", "libvpx-vp9", "ffv1", "prores_ks", "mjpeg"),
    *("h264_nvenc", "hevc_nvenc", "av1_nvenc", "h264_qsv", "h264_videotoolbox", "h264_vaapi"),
)
_SCARCE = 1 << 30
"""Bytes free below which it is worth a word."""


@dataclass(frozen=True, slots=True)
class Trial:
    """Whether one thing works."""

    name: str
    obstacle: str | None
    """Why it does not; None if it does."""


@dataclass(frozen=True, slots=True)
class ModelFile:
    """One file of a model that comes with vsr."""

    name: str
    bytes: int
    sha256: str
    obstacle: str | None
    """Why it cannot be used; None if a session opens."""


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """All that `vsr doctor` finds."""

    versions: dict[str, str]
    """Of vsr, Python, the system, the packages and FFmpeg's libraries; "-" if not installed."""
    runtimes: tuple[str, ...]
    """onnxruntime packages that are installed; more than one destroy each other."""
    cores: int
    memory: int | None
    """Bytes that can be had without swapping, if the system tells."""
    devices: tuple[Trial, ...]
    encoders: tuple[Trial, ...]
    models: tuple[ModelFile, ...]
    folder: str
    free: int | None
    """Bytes free in `folder`."""
    problems: tuple[str, ...]
    """What keeps vsr from working, or will soon; empty if all is well."""


def examine(folder: Path | None = None) -> Diagnosis:
    """Try everything; `folder` (default: the current one) is where outputs would go."""
    folder = folder or Path()
    devices, models = tuple(_devices()), tuple(_models())
    encoders = tuple(Trial(name, _encoder_obstacle(name)) for name in _ENCODERS)
    runtimes = tuple(name for name in _RUNTIMES if _version(name) != "-")
    try:
        free: int | None = shutil.disk_usage(folder).free
    except OSError:
        free = None
    return Diagnosis(
        versions=_versions(),
        runtimes=runtimes,
        cores=usable_cores(),
        memory=available_memory(CPU),
        devices=devices,
        encoders=encoders,
        models=models,
        folder=str(folder.absolute()),
        free=free,
        problems=tuple(_problems(runtimes, devices, encoders, models, folder, free)),
    )


def _versions() -> dict[str, str]:
    libraries = {
        name: ".".join(map(str, number)) for name, number in sorted(av.library_versions.items())
    }
    return {
        "vsr": vsrcli.__version__,
        "python": platform.python_version(),
        "system": platform.platform(),
        "av": av.__version__,
        **libraries,
        "onnxruntime": runtime_version(),
        **{name: _version(name) for name in _PACKAGES},
    }


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "-"


def _devices() -> Iterator[Trial]:
    try:
        open_session(find_model(DEFAULT_MODEL, "fp32").motion.path, CPU, threads=1)
        yield Trial("cpu", None)
    except VsrError as failure:
        yield Trial("cpu", str(failure))
    obstacle = cuda_obstacle(0)
    yield Trial("cuda:0", obstacle)
    index = 1
    while obstacle is None and (obstacle := cuda_obstacle(index)) is None:
        yield Trial(f"cuda:{index}", None)
        index += 1


def _models() -> Iterator[ModelFile]:
    for path in sorted(shipped_folder().glob("*.onnx")):
        try:
            yield ModelFile(path.name, path.stat().st_size, content_hash(path), _unusable(path))
        except OSError as failure:
            yield ModelFile(path.name, 0, "", failure.strerror or "cannot be read")


def _unusable(path: Path) -> str | None:
    try:
        if any(f".{role}." in path.name for role in ROLES):
            read_card(path)
        open_session(path, CPU, threads=1)
    except VsrError as failure:
        return str(failure)
    return None


def _encoder_obstacle(name: str) -> str | None:
    """Why an encoder does not open for a small picture."""
    try:
        context: Any = av.CodecContext.create(name, "w")
    except ValueError:
        return "not in this FFmpeg"
    formats = [form.name for form in context.codec.video_formats or ()]
    context.width, context.height, context.time_base = 320, 256, Fraction(1, 25)
    context.framerate = Fraction(25)
    usual = "yuvj420p" if name in FULL_RANGE_ONLY else "yuv420p"
    context.pix_fmt = usual if usual in formats else next(iter(formats), usual)
    context.thread_count = 1
    if name == "libx265":
        context.options = {"x265-params": "log-level=none"}
    os.environ.setdefault("SVT_LOG", "1")  # it speaks to stderr by itself
    try:
        context.open()
    except (av.FFmpegError, ValueError) as failure:
        return getattr(failure, "strerror", None) or str(failure)
    return None


def _problems(
    runtimes: tuple[str, ...],
    devices: tuple[Trial, ...],
    encoders: tuple[Trial, ...],
    models: tuple[ModelFile, ...],
    folder: Path,
    free: int | None,
) -> Iterator[str]:
    if len(runtimes) > 1:
        yield (
            f"{' and '.join(runtimes)} are both installed, into the same folder: uninstall both, "
            "then install vsr again"
        )
    if devices[0].obstacle is not None:
        yield devices[0].obstacle
    if encoders[0].obstacle is not None:
        yield f"the encoder {encoders[0].name} does not open: {encoders[0].obstacle}"
    yield from (f"{model.name}: {model.obstacle}" for model in models if model.obstacle)
    if not models:
        yield "no model came with vsr: install it again"
    if free is None:
        yield f"{folder}: cannot be looked at"
        return
    if not folder.is_dir():
        yield f"{folder}: is no folder"
        return
    if free < _SCARCE:
        yield f"{folder}: only {free >> 20} MiB are free"
    if not os.access(folder, os.W_OK):
        yield f"{folder}: may not be written"
