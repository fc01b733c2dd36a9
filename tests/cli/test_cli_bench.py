"""`vsr bench` as typed: tables, JSON, comparison with an earlier run."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner, Result

from tests import documented
from tests.networks.tiny import TINY
from vsrcli.bench import BenchReport, BenchRow
from vsrcli.cli.bench import bench_command
from vsrcli.cli.bench_report import as_json, table
from vsrcli.console import print_result
from vsrcli.errors import InputError, UsageError
from vsrcli.machine import Machine

app = typer.Typer()
app.command()(bench_command)


def run(*arguments: str | Path) -> Result:
    """Run the command on a model that takes no time."""
    fixed = ["--model", str(TINY), "--device", "cpu", "--seconds", "0.02"]
    return CliRunner().invoke(app, [*fixed, *map(str, arguments)])


def report(**fields: object) -> BenchReport:
    """A report of one row."""
    given: dict[str, object] = {
        "device": "cpu",
        "precision": "int8",
        "width": 1280,
        "height": 720,
        "scale": 4.0,
        "frames": 5,
        "network_seconds": 0.05,
        "job_seconds": 0.08,
        "job_frames": 20,
        "job_memory": 512 << 20,
        "stages": {
            "opening": 0.004,
            "decode": 0.004,
            "motion": 0.016,
            "fusion": 0.032,
            "encode": 0.016,
            "rest": 0.008,
        },
    }
    machine = Machine("A CPU", 2, True, 8 << 30, "Linux", "3.11", "0.1.0", "1.31", "18.1")
    row = BenchRow(**(given | fields))  # type: ignore[arg-type]
    return BenchReport(machine, "spmc_x4", (row,))


def shown(
    capsys: pytest.CaptureFixture[str], found: BenchReport, earlier: BenchReport | None = None
) -> list[str]:
    """The table as printed."""
    print_result(table(found, earlier.rows if earlier else None))
    return capsys.readouterr().out.splitlines()


def test_table_and_comparison_with_what_json_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vsrcli.bench.apart", lambda work, *arguments: work(*arguments))
    before = tmp_path / "before.json"
    first = run("--size", "48x32", "--frames", "3", "--json")
    assert first.exit_code == 0, first.output
    before.write_text(first.stdout)
    (row,) = json.loads(first.stdout)["rows"]
    assert (row["device"], row["precision"], row["width"], row["scale"]) == ("cpu", "fp32", 48, 4)
    assert row["job_fps"] == pytest.approx(1 / row["job_seconds"])
    first_frame, others = row["first_frame_seconds"], row["job_frames"] - 1
    assert 0 < first_frame < row["job_seconds"] * row["job_frames"] and others > 0
    assert first_frame + others * row["further_seconds"] == pytest.approx(
        row["job_seconds"] * row["job_frames"]
    )
    assert "measuring 1 of 1: cpu fp32 48x32 x4 3 frames" in first.stderr

    second = run("--size", "48x32", "--frames", "3", "--compare", before, "--quiet")
    assert second.exit_code == 0 and second.stderr == ""
    for expected in ("cpu fp32 48x32 4 3", "as fast", "BayesSR (paper)", "Titan X"):
        assert expected in second.stdout


def test_figures_in_the_table(capsys: pytest.CaptureFixture[str]) -> None:
    lines = shown(capsys, report())
    (line,) = (line for line in lines if line.startswith("cpu int8"))
    figures = "1280x720 4 5 0.0500 20.0 0.0800 12.5 512 5 20 40 0 20 15"
    assert line.split()[2:] == figures.split()
    assert max(map(len, lines)) <= 80


def test_ours_stands_beside_the_paper_at_four_times_only(
    capsys: pytest.CaptureFixture[str],
) -> None:
    lines = shown(capsys, report())
    spmc = [line.split() for line in lines if line.startswith("SPMC (paper)")]
    assert [words[-2:] for words in spmc] == [["5", "0.19"], ["3", "0.14"]]
    assert any(line.startswith("vsr cpu int8 1280x720, whole job") for line in lines)
    assert not any("whole job" in line for line in shown(capsys, report(scale=2.0)))


def test_failure_is_a_line_below_the_table(capsys: pytest.CaptureFixture[str]) -> None:
    nothing = {"network_seconds": None, "job_seconds": None, "job_memory": None, "stages": {}}
    lines = shown(capsys, report(**nothing, failure="too little memory"))
    assert "cpu int8 1280x720 x4 5 frames: too little memory" in lines


def test_ratios_say_how_many_times_as_fast(capsys: pytest.CaptureFixture[str]) -> None:
    earlier = report(network_seconds=0.1, job_seconds=0.12)
    (row,) = as_json(report(), earlier.rows)["rows"]
    assert set(row) == documented.keys("vsr bench")
    assert row["network_times_as_fast"] == pytest.approx(2)
    assert row["job_times_as_fast"] == pytest.approx(1.5)
    lines = shown(capsys, report(), earlier)
    (line,) = (line for line in lines if line.startswith("cpu int8 1280x720 x4"))
    assert line.split()[-6:] == ["0.100", "0.0500", "2.00", "0.120", "0.0800", "1.50"]
    (row,) = as_json(report(frames=3), earlier.rows)["rows"]
    assert row["job_times_as_fast"] is None


def test_wrong_options(tmp_path: Path) -> None:
    assert isinstance(run("--size", "48").exception, UsageError)
    assert isinstance(run("--size", "47x32").exception, UsageError)
    assert isinstance(run("--compare", tmp_path / "none.json").exception, InputError)
