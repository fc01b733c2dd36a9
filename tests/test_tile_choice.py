"""One size of tiles for a job, whatever memory there is when it goes on."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import MakeClip
from tests.jobs import SEGMENT, do, job_of, video
from vsrcli.errors import OutOfMemoryError
from vsrcli.job import Job
from vsrcli.making import Made
from vsrcli.media.folder import JobFolder
from vsrcli.networks.session import Session
from vsrcli.networks.tiles import smallest_edge
from vsrcli.tile_choice import make_in_tiles

FRAMES = 3 * SEGMENT
SIZE = (160, 128)


class Interrupted(BaseException):
    """What Ctrl-C is to a test."""


@pytest.fixture
def clip(make_clip: MakeClip) -> Path:
    """Three segments, large enough to be tiled."""
    return make_clip("in.mkv", frames=FRAMES, size=SIZE)


@pytest.fixture
def tiles(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What the networks opened from now on are told of tiles."""
    from vsrcli.networks.spmc import SpmcUpscaler

    told: list[Any] = []
    begin = SpmcUpscaler.__init__

    def noted(self: SpmcUpscaler, *rest: Any, **named: Any) -> None:
        told.append(named["tile"])
        begin(self, *rest, **named)

    monkeypatch.setattr(SpmcUpscaler, "__init__", noted)
    return told


def memory(monkeypatch: pytest.MonkeyPatch, size: int | None) -> None:
    """Let so many bytes be free."""
    monkeypatch.setattr("vsrcli.tile_choice.available_memory", lambda device: size)


def share_of_frame(clip: Path, share: float) -> int:
    """Bytes of memory of which the usual half holds so much of a frame."""
    card = job_of(clip, clip.with_name("none.mkv")).model.fusion
    return int(2 * share * card.memory(SIZE[1], SIZE[0], 5))


def interrupt(clip: Path, output: Path, **fields: Any) -> JobFolder:
    """Do a job until its second segment."""

    def stop(done: int, total: int | None) -> None:
        if done == SEGMENT + 3:
            raise Interrupted

    with pytest.raises(Interrupted):
        do(clip, output, progress=stop, **fields)
    return JobFolder(output)


def edge_in(folder: JobFolder) -> Any:
    """What the job's plan says of its tiles."""
    return json.loads((folder.path / "plan.json").read_text())["decided"]["tile"]


def test_a_job_goes_on_with_the_tiles_it_was_begun_with(
    clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tiles: list[Any]
) -> None:
    memory(monkeypatch, share_of_frame(clip, 0.3))
    do(clip, tmp_path / "whole.mkv")
    edge = tiles[0]
    assert isinstance(edge, int) and edge < SIZE[1]
    folder = interrupt(clip, tmp_path / "out.mkv")
    assert edge_in(folder) == edge
    memory(monkeypatch, None)
    notes: list[str] = []
    do(clip, tmp_path / "out.mkv", note=notes.append)
    assert tiles == [edge] * 3 and notes == ["out.mkv: 12 frames were made before"]
    assert (tmp_path / "out.mkv").read_bytes() == (tmp_path / "whole.mkv").read_bytes()


def test_less_memory_than_before_is_noted(
    clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tiles: list[Any]
) -> None:
    memory(monkeypatch, None)
    interrupt(clip, tmp_path / "out.mkv")
    memory(monkeypatch, share_of_frame(clip, 0.3))
    notes: list[str] = []
    do(clip, tmp_path / "out.mkv", note=notes.append, strict=True)  # nothing is lost by it
    assert tiles == ["off", "off"]
    assert notes == [
        "out.mkv: 12 frames were made before",
        "there is less memory than when this job was begun, with whole frames; --restart adapts",
    ]
    interrupt(clip, tmp_path / "anew.mkv", restart=True)
    assert isinstance(tiles[-1], int)


def test_workers_share_the_memory(
    clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    memory(monkeypatch, share_of_frame(clip, 0.6))
    told: list[Any] = []

    def make(job: Job) -> list[Made]:
        told.append(job.options.tile)
        return []

    for workers in (1, 2):
        job = job_of(clip, tmp_path / f"{workers}.mkv", workers=workers)
        with JobFolder(job.output).open({}) as folder:
            make_in_tiles(job, folder, make, print)
    alone, together = told
    assert together < alone < SIZE[0]


def fail_at(monkeypatch: pytest.MonkeyPatch, runs: set[int]) -> None:
    """Let memory run out at some runs of the fusion, counted from 1."""
    calls = 0
    run = Session.run

    def failing(self: Session, inputs: Any, stay: Any = ()) -> Any:
        nonlocal calls
        calls += "fusion" in self.path.name
        if "fusion" in self.path.name and calls in runs:
            raise OutOfMemoryError("none left")
        return run(self, inputs, stay)

    monkeypatch.setattr(Session, "run", failing)


def test_smaller_tiles_are_the_job_s_from_then_on(
    clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tiles: list[Any]
) -> None:
    memory(monkeypatch, None)
    fail_at(monkeypatch, {SEGMENT + 10})
    output, notes, seen = tmp_path / "out.mkv", [], []

    def stop(done: int, total: int | None) -> None:
        seen.append(done)
        if done == 2 * SEGMENT + 2:
            raise Interrupted

    with pytest.raises(Interrupted):
        do(clip, output, progress=stop, note=notes.append, strict=True)
    edge = edge_in(JobFolder(output))
    assert notes == [f"out of memory on cpu: going on with tiles of {edge} pixels"]
    assert tiles == ["off", edge] and edge == 80
    assert seen == sorted(set(seen))  # no frame is reported twice
    monkeypatch.undo()
    assert do(clip, output).frames == FRAMES
    assert len(video(output)) == FRAMES


def test_the_smallest_tile_is_the_end(
    clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tiles: list[Any]
) -> None:
    memory(monkeypatch, None)
    fail_at(monkeypatch, set(range(1, 1000)))
    with pytest.raises(OutOfMemoryError):
        do(clip, tmp_path / "out.mkv")
    least = smallest_edge(job_of(clip, tmp_path / "none.mkv").model.fusion)
    assert tiles[0] == "off" and tiles[-1] == least and len(tiles) == len(set(tiles))


@pytest.mark.parametrize("tile", ["off", 96])
def test_tiles_that_were_chosen_are_kept(
    clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tiles: list[Any], tile: Any
) -> None:
    memory(monkeypatch, 1)
    fail_at(monkeypatch, {SEGMENT + 10})
    with pytest.raises(OutOfMemoryError):
        do(clip, tmp_path / "out.mkv", tile=tile)
    assert tiles == [tile]
