"""The folder of a job: its plan, its lock, and that it removes nothing that is not its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from vsrcli.errors import OutputError, UsageError
from vsrcli.media.folder import JobFolder
from vsrcli.media.names import beside

PLAN = {"input": "a", "--crf": 17, "model": ["x", "y"]}


def begun(output: Path) -> JobFolder:
    """An abandoned job with one finished segment."""
    folder = JobFolder(output)
    with folder.open(PLAN):
        folder.segment(0).write_bytes(b"segment")
    return folder


def test_goes_on_with_the_same_plan(tmp_path: Path) -> None:
    folder = begun(tmp_path / "out.mp4")
    with JobFolder(tmp_path / "out.mp4").open(dict(reversed(PLAN.items()))) as again:
        assert again.finished() == [folder.segment(0)]
        again.remove()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"--crf": 20}, "(--crf 17, now 20)"),
        ({"--crf": None}, "(--crf 17, now unset)"),
        ({"input": "b"}, "(the input has changed)"),
        ({"model": ["x", "z"]}, "(the model is another)"),
        ({"input": "b", "--end": "7/2"}, "(--end unset, now 7/2, the input has changed)"),
    ],
)
def test_says_what_changed(tmp_path: Path, change: dict[str, object], sentence: str) -> None:
    folder = begun(tmp_path / "out.mp4")
    with pytest.raises(UsageError) as caught:
        JobFolder(tmp_path / "out.mp4").open(PLAN | change)
    assert sentence in str(caught.value) and "--restart" in str(caught.value)
    assert folder.segment(0).read_bytes() == b"segment"
    with folder.open(PLAN | change, restart=True):
        assert folder.finished() == []


@pytest.mark.parametrize("content", [b"", b"{", b"[1]", b"\xff\xfe"])
def test_a_damaged_plan_begins_anew(tmp_path: Path, content: bytes) -> None:
    folder = begun(tmp_path / "out.mp4")
    (folder.path / "plan.json").write_bytes(content)
    with folder.open(PLAN):
        assert folder.finished() == [] and folder.forgot
    with folder.open(PLAN):
        assert not folder.forgot


def test_what_others_put_there_stays(tmp_path: Path) -> None:
    folder = JobFolder(tmp_path / "out.mp4")
    folder.path.mkdir()
    (folder.path / "holiday.jpg").write_bytes(b"mine")
    with folder.open(PLAN):
        folder.segment(0).write_bytes(b"segment")
        folder.remove()
    assert [path.name for path in folder.path.iterdir()] == ["holiday.jpg"]


def test_an_unfinished_folder_without_segments_is_removed(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), JobFolder(tmp_path / "out.mp4").open(PLAN):
        raise ZeroDivisionError
    assert list(tmp_path.iterdir()) == []


def test_two_jobs_on_one_output(tmp_path: Path) -> None:
    code = (
        "import sys, pathlib; from vsrcli.media.folder import JobFolder;"
        "from vsrcli.errors import OutputError\n"
        "try: JobFolder(pathlib.Path(sys.argv[1])).open({}, restart=True)\n"
        "except OutputError as failure: print(failure)"
    )
    folder = begun(tmp_path / "out.mp4")
    with folder.open(PLAN):
        done = subprocess.run(
            [sys.executable, "-c", code, str(tmp_path / "out.mp4")],
            capture_output=True,
            text=True,
            check=True,
        )
        assert "another vsr is at work on this output" in done.stdout
        assert folder.segment(0).exists()
    with folder.open(PLAN):  # the lock ends with its job
        assert folder.segment(0).exists()


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="its folder does not exist"):
        JobFolder(tmp_path / "gone" / "out.mp4").open(PLAN)
    (tmp_path / "out.mp4.vsr").write_bytes(b"a file")
    with pytest.raises(OutputError, match=r"out\.mp4\.vsr"):
        JobFolder(tmp_path / "out.mp4").open(PLAN)
    assert (tmp_path / "out.mp4.vsr").read_bytes() == b"a file"


def test_only_the_very_file_that_was_published_is_ours(tmp_path: Path) -> None:
    output, finished = tmp_path / "out.mp4", tmp_path / ".out.mp4.part"
    folder = begun(output)
    with folder.open(PLAN):
        assert not folder.was_published()
        finished.write_bytes(b"ours")
        folder.publishing(finished)
        assert not folder.was_published()  # interrupted before it got its name
        output.write_bytes(b"not ours, and later")
        assert not folder.was_published()
        finished.replace(output)
        assert folder.was_published()


def test_who_is_killed_clearing_up_leaves_nothing_for_good(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    output = tmp_path / "out.mp4"
    folder = begun(output)
    remove = Path.unlink

    def killed(path: Path, missing_ok: bool = False) -> None:
        if path.name == "segment_00000.seg":
            raise KeyboardInterrupt
        remove(path, missing_ok)

    with folder.open(PLAN):
        output.write_bytes(b"ours")
        folder.publishing(output)
        monkeypatch.setattr(Path, "unlink", killed)
        with pytest.raises(KeyboardInterrupt):
            folder.remove()
        monkeypatch.undo()
    JobFolder(output).clear_up()
    assert [path.name for path in tmp_path.iterdir()] == ["out.mp4"]


def test_what_others_left_in_the_folder_keeps_its_plan(tmp_path: Path) -> None:
    """Results of a batch wait there: they must not be taken for those of another plan."""
    folder = JobFolder(tmp_path / "out.tar")
    with folder.open(PLAN):
        (folder.path / "a.mp4").write_bytes(b"a result")
    with pytest.raises(UsageError, match="begun otherwise"), folder.open({**PLAN, "--scale": 3}):
        pass
    (folder.path / "a.mp4").unlink()
    with folder.open(PLAN):
        pass
    assert not folder.path.exists()


@pytest.mark.parametrize("name", ["é" * 125 + ".mp4", "x" * 251 + ".mkv", "y" * 246 + ".m2ts"])
def test_long_names_stay_possible(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.touch()
    folder, part = beside(path, "", ".vsr"), beside(path, ".", ".part")
    folder.mkdir()
    part.touch()
    assert part.name.endswith(path.suffix + ".part")
    assert len(os.fsencode(folder.name)) <= 255 and len(os.fsencode(part.name)) <= 255
    assert beside(tmp_path / f"z{name[1:]}", "", ".vsr") != folder
    assert beside(Path("short.mp4"), ".", ".part") == Path(".short.mp4.part")
