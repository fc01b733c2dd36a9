"""What is shipped: the models in the wheel, the two commands, the exit statuses in README."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from vsrcli.errors import ExitStatus

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A wheel built from a copy of the sources, with the build tools of this environment."""
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"
    source.mkdir()
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    for name in ("vsrcli", "models"):
        shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "-o", str(folder), "."]
    done = subprocess.run(command, cwd=source, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    return next(folder.glob("*.whl"))


def test_the_wheel_has_the_models_and_no_training_code(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    shipped = {f"vsrcli/models/{path.name}" for path in (ROOT / "models").glob("*.onnx")}
    assert shipped and shipped <= names
    assert "vsrcli/py.typed" in names
    assert {str(path.relative_to(ROOT)) for path in (ROOT / "vsrcli").rglob("*.py")} <= names
    assert not [name for name in names if "train" in name or name.endswith(".pt")]


def test_an_installed_wheel_upscales(wheel: Path, tmp_path: Path) -> None:
    """Unpacked as pip does, away from the repository, it finds its models."""
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path / "site")
    code = (
        f"import sys; sys.path.insert(0, {str(tmp_path / 'site')!r});"
        "from vsrcli.networks.card import find_model, shipped_folder;"
        "import vsrcli; print(vsrcli.__file__, shipped_folder(), find_model().fusion.path)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert all(part.startswith(str(tmp_path / "site")) for part in done.stdout.split())


@pytest.mark.parametrize(
    ("system", "machine", "package"),
    [
        ("linux", "x86_64", "onnxruntime-gpu"),
        ("linux", "aarch64", "onnxruntime-gpu"),
        ("win32", "AMD64", "onnxruntime-gpu"),
        ("win32", "ARM64", "onnxruntime"),
        ("darwin", "arm64", "onnxruntime"),
        ("darwin", "x86_64", "onnxruntime"),
    ],
)
def test_every_system_gets_the_one_onnxruntime_there_is(
    system: str, machine: str, package: str
) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    here = {"sys_platform": system, "platform_machine": machine}

    def taken(dependencies: list[str]) -> list[str]:
        needed = map(Requirement, dependencies)
        return [each.name for each in needed if not each.marker or each.marker.evaluate(here)]

    assert [name for name in taken(project["dependencies"]) if "onnx" in name] == [package]
    with_cuda = taken(project["optional-dependencies"]["cuda"])
    assert with_cuda == ([package] if package == "onnxruntime-gpu" else [])


def test_readme_names_every_exit_status() -> None:
    for status in ExitStatus:
        assert re.search(rf"^\| {status.value} \|", README, re.MULTILINE), status


def test_ci_runs_readmes_second_command() -> None:
    commands = re.findall(r"```sh\n(python3 -m venv.*?)\n```", README, re.DOTALL)
    assert len(commands) == 2 and "vsr upscale" in commands[0] and "pytest" in commands[1]
    assert commands[1] in (ROOT / ".ci" / "run").read_text(encoding="utf-8")
