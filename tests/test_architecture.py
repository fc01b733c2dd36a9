"""The house keeps its rules: who imports whom, who prints, what stays quick to start."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "vsrcli"
MODULES = sorted(PACKAGE.rglob("*.py"))
LIBRARIES = {"av": "media", "onnxruntime": "networks"}
"""Each may be imported in one room alone."""


def imports(path: Path) -> Iterator[str]:
    """Absolute names of all modules that the module in PATH imports."""
    package = path.relative_to(PACKAGE.parent).with_suffix("").parts[:-1]
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else ()
            yield ".".join([*base, *filter(None, [node.module])])


def room(path: Path) -> str:
    """First folder below the package; empty for the command modules."""
    parts = path.relative_to(PACKAGE).parts
    return parts[0] if len(parts) > 1 else ""


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_point_downwards(path: Path) -> None:
    found = set(imports(path))
    tops = {name.split(".")[0] for name in found}
    rooms = {name.split(".")[1] for name in found if name.startswith("vsrcli.") and name.count(".")}
    assert "torch" not in tops and "models" not in tops
    if room(path) == "media":
        assert not rooms & {"networks", "cli", "console"}
    if room(path) == "networks":
        assert not rooms & {"media", "cli", "console"}
    if room(path) != "cli" and path.name not in ("console.py", "__main__.py"):
        assert not rooms & {"cli", "console"} and not tops & {"typer", "rich"}


@pytest.mark.parametrize("library", sorted(LIBRARIES))
def test_heavy_libraries_stay_in_their_room(library: str) -> None:
    users = {
        str(path.relative_to(PACKAGE))
        for path in MODULES
        if library in {name.split(".")[0] for name in imports(path)}
        and room(path) != LIBRARIES[library]
    }
    # The degradation codes frames in memory; doctor reports on the library.
    assert users <= {"degradation.py", "doctor.py"}


def test_only_the_console_prints() -> None:
    for path in MODULES:
        calls = [
            node.func.id
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
        ]
        assert "print" not in calls, path


def test_help_starts_without_the_heavy_libraries() -> None:
    code = (
        "import sys, vsrcli.cli; heavy = {'av', 'numpy', 'onnxruntime', 'scipy', 'skimage'};"
        "print(*sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""


def test_functions_are_functions_however_they_are_imported() -> None:
    code = (
        "import vsrcli.upscale, vsrcli; from vsrcli import upscale, psnr, degrade;"
        "assert callable(upscale) and callable(psnr) and callable(degrade);"
        "assert vsrcli.upscale is upscale"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("module", ["vsrcli.doctor", "models.spmc.measure"])
def test_nothing_is_reported_to_anybody(module: str, tmp_path: Path) -> None:
    """onnxruntime would keep an identifier and what it is going to send in the user's home."""
    # Where it believes to be tested, it reports nothing by itself.
    environment = {"HOME": str(tmp_path), "PYTHONPATH": str(PACKAGE.parent)}
    code = (
        f"import {module}; from vsrcli.networks.card import find_model;"
        "from vsrcli.networks.session import open_session; open_session(find_model().motion.path)"
    )
    subprocess.run([sys.executable, "-c", code], env=environment, check=True)
    assert not list(tmp_path.rglob("*"))
