"""Segments made by a real Dask cluster on this machine, one of whose workers is killed."""

from __future__ import annotations

import os
import signal
import threading
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import vsrcli.cluster
from tests.conftest import MakeClip
from tests.jobs import SEGMENT, do
from vsrcli.cluster import _WorkersLeft
from vsrcli.errors import DeviceError, UsageError
from vsrcli.job import Job
from vsrcli.making import Notes, SourceFrames
from vsrcli.media.folder import JobFolder
from vsrcli.notes import Note

distributed = pytest.importorskip("distributed")


def test_a_cluster_makes_the_same_bytes_though_a_worker_is_killed(
    make_clip: MakeClip, tmp_path: Path
) -> None:
    clip, whole, output = make_clip("in.mkv", frames=60), tmp_path / "a.mkv", tmp_path / "b.mkv"
    do(clip, whole)
    seen: list[int] = []
    cluster = distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, dashboard_address=None, processes=True
    )
    with cluster:
        victim = next(iter(cluster.workers.values())).pid

        def kill() -> None:
            while not JobFolder(output).finished():
                time.sleep(0.01)
            os.kill(victim, signal.SIGKILL)

        killer = threading.Thread(target=kill)
        killer.start()
        result = do(
            clip,
            output,
            cluster=cluster.scheduler_address,
            progress=lambda done, total: seen.append(done),
        )
        killer.join()
    assert result.frames == 60 and seen == sorted(seen) and seen[-1] == 60
    assert len(seen) > 60 // SEGMENT
    assert output.read_bytes() == whole.read_bytes()


def test_a_scheduler_lost_midway_is_one_sentence(
    make_clip: MakeClip, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clip, output = make_clip("in.mkv", frames=60), tmp_path / "out.mkv"
    cluster = distributed.LocalCluster(
        n_workers=1, threads_per_worker=1, dashboard_address=None, processes=False
    )
    finish = vsrcli.cluster._Ticks.finish

    def lose(ticks: Any, number: int, frames: int) -> None:
        finish(ticks, number, frames)
        cluster.close()

    monkeypatch.setattr(vsrcli.cluster._Ticks, "finish", lose)
    with pytest.raises(DeviceError, match="the scheduler was lost; the same command goes on"):
        do(clip, output, cluster=cluster.scheduler_address)
    monkeypatch.undo()
    assert do(clip, output).resumed >= SEGMENT


def test_no_worker_left_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    told = list[str]()
    workers = {"one": 1}
    monkeypatch.setattr("vsrcli.cluster._PATIENCE_S", 0)
    left = _WorkersLeft(
        SimpleNamespace(nthreads=lambda: workers), "tcp://a:1", Notes(told.append, strict=True)
    )
    left.look()
    assert not told
    workers.clear()
    left.look()
    left.look()
    assert told == ["--cluster tcp://a:1: has no workers any more; the job waits for new ones"]


def test_no_scheduler_is_one_sentence(
    make_clip: MakeClip, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vsrcli.cluster._PATIENCE_S", 1)
    with pytest.raises(DeviceError, match="no scheduler answers"):
        do(make_clip("in.mkv", frames=2), tmp_path / "out.mkv", cluster="tcp://127.0.0.1:9")
    assert [path.name for path in tmp_path.iterdir()] == ["in.mkv"]


def test_without_dask_the_extra_is_named(
    make_clip: MakeClip, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "distributed", None)
    with pytest.raises(UsageError, match=r"pip install 'vsr\[cluster\]'"):
        do(make_clip("in.mkv", frames=2), tmp_path / "out.mkv", cluster="tcp://127.0.0.1:9")


def test_progress_inside_segments_and_a_source_read_once(
    make_clip: MakeClip, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clip, whole, output = make_clip("in.mkv", frames=240), tmp_path / "a.mkv", tmp_path / "b.mkv"
    do(clip, whole, 120)
    opened: list[Path] = []
    begin = SourceFrames.__init__

    def counted(self: SourceFrames, job: Job, note: Note) -> None:
        opened.append(job.info.path)
        begin(self, job, note)

    monkeypatch.setattr(SourceFrames, "__init__", counted)
    monkeypatch.setattr("vsrcli.cluster._REPORT_EVERY_S", 0.0)
    seen: list[int] = []
    with distributed.LocalCluster(
        n_workers=1, threads_per_worker=1, dashboard_address=None, processes=False
    ) as cluster:
        result = do(
            clip,
            output,
            120,
            cluster=cluster.scheduler_address,
            progress=lambda done, total: seen.append(done),
        )
    assert result.frames == 240 and seen == sorted(seen) and seen[-1] == 240
    assert [done for done in seen if done % 120], "told of whole segments alone"
    assert len(opened) == 1
    assert output.read_bytes() == whole.read_bytes()
    assert vsrcli.cluster._idle == []  # nothing is kept on the workers
