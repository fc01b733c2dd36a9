"""What a program of models/ needs and is not installed is told in a sentence."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

WITHOUT = """
import runpy, sys
sys.modules[sys.argv[1]] = None  # as if it were not installed
module, sys.argv = sys.argv[2], sys.argv[2:]
runpy.run_module(module, run_name="__main__")
"""


@pytest.mark.parametrize("module", ["models.spmc.train", "models.crn.data", "models.common.blend"])
def test_a_missing_package_is_told(module: str) -> None:
    command = [sys.executable, "-c", WITHOUT, "torch", module, "--help"]
    root = Path(__file__).parents[2]
    ended = subprocess.run(command, cwd=root, capture_output=True, text=True, timeout=120)
    assert ended.stderr == "error: torch is not installed: pip install 'vsr[train]'\n"
    assert ended.returncode == 1
