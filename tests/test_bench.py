"""What `vsr bench` measures: that it is the real job, that figures add up, and what it refuses."""

from __future__ import annotations

import json
import math
import os
import threading
import time
from dataclasses import asdict, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from tests.conftest import MakeClip
from tests.networks.tiny import TINY
from vsrcli import stages
from vsrcli.bench import BenchOptions, BenchReport, BenchRow, bench, earlier_rows
from vsrcli.errors import DeviceError, InputError, ModelError, UsageError
from vsrcli.machine import peak_memory, this_machine
from vsrcli.measuring import Case, apart, time_job, time_network
from vsrcli.media.reader import Reader
from vsrcli.media.synthetic import MovingTexture, write_moving_texture
from vsrcli.networks.spmc import SpmcUpscaler
from vsrcli.options import UpscaleOptions
from vsrcli.stages import STAGES, StageClock, stage_times
from vsrcli.upscale import upscale

SIZE = (48, 32)
CASE = Case("cpu", "fp32", str(TINY), SIZE, 2.0, 3)


def tiny_options(**fields: object) -> BenchOptions:
    """One row that takes no time."""
    given = {"model": str(TINY), "device": "cpu", "sizes": (SIZE,), "seconds": 0.02}
    return BenchOptions(**(given | fields))  # type: ignore[arg-type]


def test_rows_are_the_combinations_asked_for() -> None:
    told: list[str] = []
    report: BenchReport = bench(
        tiny_options(scales=(2.0, 4.0), frames=(3,), precisions=("fp32",)),
        progress=lambda done, total, case: told.append(f"{done}/{total} {case}"),
    )
    assert [row.key for row in report.rows] == [
        ("cpu", "fp32", 48, 32, 2.0, 3),
        ("cpu", "fp32", 48, 32, 4.0, 3),
    ]
    assert told == ["0/2 cpu fp32 48x32 x2 3 frames", "1/2 cpu fp32 48x32 x4 3 frames"]
    first, second = report.rows
    # The network does not know what its output is resampled to: it is measured once.
    assert first.network_seconds == second.network_seconds
    assert first.job_seconds != second.job_seconds
    for row in report.rows:
        assert row.failure is None and row.job_frames is not None and row.job_frames >= 4
        assert row.network_memory and row.job_memory
        # Stages overlap: their sum may exceed the whole, but none of them does.
        assert sum(row.shares.values()) >= 0.98 and max(row.shares.values()) <= 1


def test_job_is_done_and_its_stages_cover_it(tmp_path: Path) -> None:
    clip, output = tmp_path / "clip.mp4", tmp_path / "out.mp4"
    write_moving_texture(clip, SIZE, 7)
    found = time_job(CASE, clip, output)
    with Reader(output) as reader:
        frames = list(reader)
    assert (found.frames, len(frames)) == (7, 7)
    assert (frames[0].width, frames[0].height) == (96, 64)
    assert set(found.stages) == set(STAGES)
    assert all(seconds > 0 for seconds in found.stages.values())
    assert sum(found.stages.values()) >= 0.95 * found.seconds
    assert max(found.stages.values()) <= found.seconds
    assert 0 < found.first_frame < found.seconds * found.frames


def test_slow_network_is_what_the_stages_show(
    make_clip: MakeClip, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fuse = SpmcUpscaler.fuse

    def slow(self: SpmcUpscaler, *arguments: object, **named: object) -> object:
        time.sleep(0.25)
        return fuse(self, *arguments, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(SpmcUpscaler, "fuse", slow)
    with stage_times() as clock:
        upscale(
            make_clip(frames=4), tmp_path / "out.mp4", UpscaleOptions(model=str(TINY), frames=3)
        )
    assert clock.seconds["fusion"] >= 4 * 0.25
    assert clock.seconds["resampling"] < 4 * 0.25  # the network inside is not counted twice
    assert SpmcUpscaler.fuse is slow  # everything is put back


def test_threads_may_overlap_and_only_idle_time_is_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 0.0

    def pass_by(seconds: int) -> None:
        nonlocal now
        now += seconds

    monkeypatch.setattr(stages, "time", SimpleNamespace(perf_counter=lambda: now))
    clock = StageClock()

    def work() -> None:
        with clock.during("encode"):
            pass_by(4)
            with clock.during("resampling"):
                pass_by(8)

    thread = threading.Thread(target=work)
    pass_by(1)
    with clock.during("fusion"):
        pass_by(2)
        thread.start()
        thread.join()
        pass_by(16)
    pass_by(32)
    with clock.during("decode"):
        pass_by(64)
    pass_by(128)
    clock.stop()
    expected = {"fusion": 30, "encode": 4, "resampling": 8, "decode": 64, "rest": 161}
    assert {stage: spent for stage, spent in clock.seconds.items() if spent} == expected


def test_network_alone_is_measured_for_as_long_as_asked() -> None:
    started = time.perf_counter()
    found = time_network(CASE, 0.3)
    assert time.perf_counter() - started >= 0.3
    assert 0 < found.seconds < 0.3 and found.notes == ()


def test_memory_of_rows_does_not_mix() -> None:
    ballast = np.ones(1 << 25)  # 256 MiB, all of it touched
    own, other = peak_memory(), apart(peak_memory)
    assert own is not None and other is not None
    assert own > ballast.nbytes > other


def give_up() -> None:
    """What a process does that fails in a way of its own."""
    raise ModelError("the model is no model")


def die() -> None:
    """What the system does to a process that takes all memory."""
    os._exit(9)


def test_failures_of_a_process_come_back() -> None:
    with pytest.raises(ModelError, match="the model is no model"):
        apart(give_up)
    with pytest.raises(DeviceError, match="killed"):
        apart(die)


def test_a_row_that_fails_leaves_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    def only_small(work: object, case: Case, *rest: object) -> object:
        if case.size != SIZE:
            raise DeviceError("too little memory")
        return work(case, *rest)  # type: ignore[operator]

    monkeypatch.setattr("vsrcli.bench.apart", only_small)
    options = tiny_options(sizes=((64, 64), SIZE), precisions=("fp32",))
    failed, measured = bench(options).rows
    assert failed.failure == "too little memory" and failed.job_seconds is None
    assert measured.failure is None and measured.job_seconds
    with pytest.raises(DeviceError, match="nothing could be measured: too little memory"):
        bench(tiny_options(sizes=((64, 64),)))


@pytest.mark.parametrize(
    "fields",
    [
        {"sizes": ((47, 32),)},
        {"sizes": ((48, 8),)},
        {"scales": (1.0,)},
        {"frames": (0,)},
        {"seconds": 0.0},
    ],
)
def test_impossible_options(fields: dict[str, object]) -> None:
    with pytest.raises(UsageError):
        tiny_options(**fields)


def test_missing_precision_is_an_error() -> None:
    with pytest.raises(ModelError, match="no int8 file"):
        bench(tiny_options(precisions=("int8",)))


@pytest.mark.parametrize("coding", ["utf-8", "utf-8-sig", "utf-16"])
def test_earlier_report_is_read_back(tmp_path: Path, coding: str) -> None:
    """PowerShell's ">" writes UTF-16."""
    row = BenchRow(device="cpu", precision="fp32", width=48, height=32, scale=4, frames=5)
    path = tmp_path / "bench.json"
    report = json.dumps({"rows": [asdict(row) | {"job_fps": 1, "of a later vsr": 2}]})
    path.write_text(report, encoding=coding)
    assert [found.key for found in earlier_rows(path)] == [row.key]


def test_what_a_frame_of_a_long_job_takes() -> None:
    row = BenchRow(device="cpu", precision="fp32", width=48, height=32, scale=4, frames=5)
    assert row.further_seconds is None
    row = replace(row, job_seconds=2.0, job_frames=5, first_frame_seconds=4.0)
    assert row.further_seconds == pytest.approx(1.5)
    assert replace(row, job_frames=1).further_seconds is None


@pytest.mark.parametrize(
    "changed",
    [
        {"network_seconds": "abc"},
        {"network_seconds": [1]},
        {"network_seconds": ""},
        {"network_seconds": False},
        {"job_seconds": 10**400},
        {"job_seconds": -1},
        {"job_seconds": math.nan},
        {"width": [16]},
        {"frames": 2.5},
        {"stages": {"decode": "x"}},
        {"device": 1},
    ],
)
def test_damaged_reports_are_no_reports(tmp_path: Path, changed: dict[str, Any]) -> None:
    row = BenchRow(device="cpu", precision="fp32", width=48, height=32, scale=4, frames=5)
    path = tmp_path / "bench.json"
    path.write_text(json.dumps({"rows": [asdict(row) | {"network_seconds": 0.1, **changed}]}))
    with pytest.raises(InputError, match="bench --json"):
        earlier_rows(path)


@pytest.mark.parametrize(
    "text", ["", "[]", '{"rows": [{}]}', '{"rows": 1}', '{"rows": [1]}', "[" * 10**5]
)
def test_other_files_are_no_reports(tmp_path: Path, text: str) -> None:
    path = tmp_path / "bench.json"
    path.write_text(text)
    with pytest.raises(InputError, match="bench --json"):
        earlier_rows(path)
    with pytest.raises(InputError, match="cannot be read"):
        earlier_rows(tmp_path / "nothing.json")


def test_texture_moves_and_is_written_as_made(tmp_path: Path) -> None:
    path = tmp_path / "clip.mp4"
    write_moving_texture(path, (64, 48), 5)
    texture = MovingTexture((64, 48))
    with Reader(path) as reader:
        frames = list(reader)
    assert [frame.pts * frame.time_base * 25 for frame in frames] == [0, 1, 2, 3, 4]
    for index, frame in enumerate(frames):
        difference = frame.planes[0].astype(float) - texture.luma(index)
        assert np.abs(difference).mean() < 6  # of 8-bit steps
    moved = texture.luma(0).astype(float) - texture.luma(1)
    assert np.abs(moved).mean() > 10


def test_machine_says_what_it_is() -> None:
    machine = this_machine()
    assert machine.cores >= 1 and machine.processor and machine.onnxruntime and machine.av
