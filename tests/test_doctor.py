"""`vsr doctor`: what it says is what works."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner, Result

from tests import documented
from vsrcli import doctor
from vsrcli.cli.doctor import doctor_command
from vsrcli.doctor import examine
from vsrcli.errors import CheckError
from vsrcli.networks.card import shipped_folder


def vsr_doctor(*arguments: str | Path) -> Result:
    """Run the command."""
    app = typer.Typer()
    app.command()(doctor_command)
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def test_all_is_well_here(tmp_path: Path) -> None:
    found = examine(tmp_path)
    assert found.problems == ()
    assert found.devices[0] == doctor.Trial("cpu", None)
    opened = {trial.name for trial in found.encoders if trial.obstacle is None}
    assert {"libx264", "libx264rgb", "libvpx-vp9", "ffv1"} <= opened
    assert found.versions["libavcodec"].count(".") == 2
    models = {model.name: model.sha256 for model in found.models}
    path = shipped_folder() / "spmc_x4.fusion.onnx"
    assert models[path.name] == hashlib.sha256(path.read_bytes()).hexdigest()


def test_json_and_text_say_the_same(tmp_path: Path) -> None:
    found = json.loads(vsr_doctor(tmp_path, "--json").stdout)
    assert set(found) == documented.keys("vsr doctor")
    text = vsr_doctor(tmp_path).stdout.replace("\n", " ")
    for name, number in found["versions"].items():
        assert name in text and number.split()[0] in text
    assert found["models"][0]["sha256"][:16] in text.replace(" ", "")


def test_problems_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "spmc_x4.motion.onnx").write_bytes(b"damaged")
    monkeypatch.setattr(doctor, "shipped_folder", lambda: tmp_path)
    monkeypatch.setattr(doctor, "version", lambda name: "1.0")
    found = examine(tmp_path / "gone")
    words = ("both installed", "spmc_x4.motion.onnx", "gone: cannot be looked at")
    assert len(found.problems) == 3
    assert all(any(word in text for text in found.problems) for word in words)
    result = vsr_doctor(tmp_path / "gone")
    assert isinstance(result.exception, CheckError)


def test_a_file_is_no_folder_for_outputs(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    assert examine(tmp_path / "file").problems == (f"{tmp_path / 'file'}: is no folder",)


def test_little_room_is_told_in_its_unit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = shutil.disk_usage(tmp_path)._replace(free=3 << 20)
    monkeypatch.setattr(doctor.shutil, "disk_usage", lambda folder: usage)
    monkeypatch.setattr(doctor, "available_memory", lambda device: 3 << 29)
    result = vsr_doctor(tmp_path)
    assert "memory free 1.5 GiB" in result.stdout and "0.0 GiB free in" in result.stdout
    assert f"{tmp_path}: only 3 MiB are free" in result.stdout.replace("\n", " ")


def test_an_encoder_that_does_not_exist() -> None:
    assert doctor._encoder_obstacle("libx999") == "not in this FFmpeg"
    assert doctor._encoder_obstacle("libx264") is None
