"""Files that are whole under their name, or not there."""

from __future__ import annotations

from pathlib import Path

import pytest

from vsrcli.errors import OutputError
from vsrcli.media.safely import made_beside, save_safely


def nothing(path: Path) -> None:
    """What is to be done before a file gets its name."""


def test_what_appears_during_the_work_is_not_replaced(tmp_path: Path) -> None:
    output = tmp_path / "out.mp4"
    with (
        pytest.raises(OutputError, match=r"out\.mp4: has appeared meanwhile; .*--overwrite"),
        made_beside(output, nothing, overwrite=False) as partial,
    ):
        partial.write_bytes(b"ours")
        output.write_bytes(b"somebody's")
    assert output.read_bytes() == b"somebody's" and list(tmp_path.iterdir()) == [output]
    with made_beside(output, nothing, overwrite=True) as partial:
        partial.write_bytes(b"ours")
    assert output.read_bytes() == b"ours" and list(tmp_path.iterdir()) == [output]


def test_publishing_is_told_of_the_whole_file_before_it_has_its_name(tmp_path: Path) -> None:
    output, told = tmp_path / "out.mp4", []

    def publishing(partial: Path) -> None:
        told.append((partial.read_bytes(), output.exists()))

    with made_beside(output, publishing, overwrite=False) as partial:
        partial.write_bytes(b"ours")
    assert told == [(b"ours", False)] and output.read_bytes() == b"ours"


def test_a_failure_leaves_the_older_file(tmp_path: Path) -> None:
    output = tmp_path / "out.mp4"
    output.write_bytes(b"older")
    with (
        pytest.raises(OutputError, match=r"out\.mp4"),
        made_beside(output, nothing, overwrite=True) as partial,
    ):
        partial.write_bytes(b"half")
        raise OSError(28, "No space left on device")
    assert output.read_bytes() == b"older" and list(tmp_path.iterdir()) == [output]


def test_saved_files_may_be_read_by_whom_others_may_be(tmp_path: Path) -> None:
    save_safely(tmp_path / "saved.png", lambda path: path.write_bytes(b"ours"), overwrite=False)
    with made_beside(tmp_path / "made.mp4", nothing, overwrite=False) as partial:
        partial.write_bytes(b"ours")
    (tmp_path / "plain").write_bytes(b"ours")
    assert len({path.stat().st_mode for path in tmp_path.iterdir()}) == 1


def test_saving_fails_in_one_sentence_and_leaves_nothing(tmp_path: Path) -> None:
    def write(path: Path) -> None:
        path.write_bytes(b"half")
        raise ValueError("too many colours")

    with pytest.raises(OutputError, match=r"a\.png: cannot be written \(too many colours\)"):
        save_safely(tmp_path / "new" / "a.png", write, overwrite=False)
    assert list((tmp_path / "new").iterdir()) == []
