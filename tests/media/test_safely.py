"""Files that are whole under their name, or not there; links stay and lead to what is written."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from vsrcli.errors import OutputError
from vsrcli.media.safely import check_free, check_place, made_beside, save_safely

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="needs links and modes")


def made(output: Path, *, overwrite: bool = False) -> None:
    """Make OUTPUT as a video is made."""
    with made_beside(output, overwrite=overwrite) as partial:
        partial.write_text("new")


def saved(output: Path, *, overwrite: bool = False) -> None:
    """Make OUTPUT as a picture is made."""
    save_safely(output, lambda temporary: temporary.write_text("new"), overwrite=overwrite)


@pytest.fixture
def link(tmp_path: Path) -> Path:
    """A link to old.mp4 in another folder, by way of another link."""
    (tmp_path / "far").mkdir()
    (tmp_path / "far" / "old.mp4").write_text("old")
    (tmp_path / "far" / "middle.mp4").symlink_to("old.mp4")
    path = tmp_path / "link.mp4"
    path.symlink_to(Path("far", "middle.mp4"))
    return path


@pytest.mark.parametrize("make", [made, saved])
def test_a_link_stays_and_its_target_is_written(make: Callable[..., None], link: Path) -> None:
    with pytest.raises(OutputError, match="link.mp4: .*(exists already|appeared meanwhile)"):
        make(link)
    assert (link.parent / "far" / "old.mp4").read_text() == "old"
    make(link, overwrite=True)
    assert link.is_symlink() and (link.parent / "far" / "middle.mp4").is_symlink()
    assert (link.parent / "far" / "old.mp4").read_text() == "new"
    assert not list(link.parent.rglob(".*"))


@pytest.mark.parametrize("make", [made, saved])
def test_what_a_link_leads_to_is_created(make: Callable[..., None], link: Path) -> None:
    (link.parent / "far" / "old.mp4").unlink()
    check_place(link.parent / "in.mp4", link, overwrite=False)
    make(link)
    assert link.is_symlink() and (link.parent / "far" / "old.mp4").read_text() == "new"


@pytest.mark.parametrize(
    ("target", "words"),
    [
        ("none/out.mp4", "whose folder does not exist"),
        ("link.mp4", "leads in a circle"),
        ("folder", "which is no file"),
    ],
)
def test_a_link_that_leads_to_no_place_is_refused(tmp_path: Path, target: str, words: str) -> None:
    (tmp_path / "folder").mkdir()
    link = tmp_path / "link.mp4"
    link.symlink_to(target)
    with pytest.raises(OutputError, match=words):
        made(link, overwrite=True)
    with pytest.raises(OutputError, match=words):
        saved(link, overwrite=True)
    with pytest.raises(OutputError, match=words):
        check_free(link, overwrite=True)
    with pytest.raises(OutputError, match="is a folder" if target == "folder" else words):
        check_place(tmp_path / "in.mp4", link, overwrite=True)
    assert link.is_symlink() and len(list(tmp_path.iterdir())) == 2


def test_the_suffix_is_that_of_the_link(tmp_path: Path) -> None:
    link = tmp_path / "link.m2ts"
    link.symlink_to("data.bin")
    with made_beside(link, overwrite=False) as partial:
        assert partial.name == ".data.bin.m2ts.part"
    assert (tmp_path / "data.bin").exists()


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


def test_two_at_once_do_not_share_what_they_write(tmp_path: Path) -> None:
    path = tmp_path / "out.mp4"
    with made_beside(path, overwrite=True) as partial:
        partial.write_text("first")
        with pytest.raises(OutputError, match=r"out\.mp4: another vsr is at work on this output"):
            made(path, overwrite=True)
        assert partial.read_text() == "first"
    assert path.read_text() == "first"
    made(path, overwrite=True)
    assert path.read_text() == "new"
    assert list(tmp_path.iterdir()) == [path]


def test_what_a_killed_job_left_is_written_anew(tmp_path: Path) -> None:
    left = tmp_path / ".out.mp4.part"
    left.write_text("half of something long")
    with made_beside(tmp_path / "out.mp4", overwrite=False) as partial:
        assert partial == left and not partial.stat().st_size
        partial.write_text("new")
    assert [path.read_text() for path in tmp_path.iterdir()] == ["new"]


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


def test_who_is_interrupted_at_once_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(path: Path, exist_ok: bool = True) -> None:
        path.write_bytes(b"")
        raise KeyboardInterrupt

    monkeypatch.setattr(Path, "touch", interrupted)
    with pytest.raises(KeyboardInterrupt):
        save_safely(tmp_path / "out.png", lambda path: None, overwrite=False)
    assert not list(tmp_path.iterdir())


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


@pytest.mark.parametrize("name", ["é", "é" * 124])
def test_names_outlast_a_locale_without_letters_for_them(name: str, tmp_path: Path) -> None:
    """Those of temporary files are parts of them, in bytes that the locale does not know."""
    output = os.fsencode(tmp_path / f"{name}.png")
    code = (
        "import os, sys; from pathlib import Path; assert sys.getfilesystemencoding() == 'ascii';"
        "from vsrcli.media.names import beside; from vsrcli.media.safely import save_safely;"
        "path = Path(os.fsdecode(bytes.fromhex(sys.argv[1]))); beside(path, '.', '.part').touch();"
        "save_safely(path, lambda temporary: temporary.write_text('new'), overwrite=False)"
    )
    locale = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    environment = {**os.environ, **locale}
    subprocess.run([sys.executable, "-c", code, output.hex()], env=environment, check=True)
    assert Path(os.fsdecode(output)).read_text() == "new"


@pytest.mark.parametrize("make", [made, saved])
def test_a_pipe_is_not_replaced(tmp_path: Path, make: Callable[..., None]) -> None:
    pipe = tmp_path / "out.mp4"
    os.mkfifo(pipe)
    for overwrite in (False, True):  # "use --overwrite" would be no help
        with pytest.raises(OutputError, match=r"out\.mp4: is no file; choose another name"):
            check_place(tmp_path / "in.mp4", pipe, overwrite=overwrite)
    with pytest.raises(OutputError, match=r"out\.mp4: is no file; choose another name"):
        make(pipe, overwrite=True)
    assert pipe.is_fifo() and list(tmp_path.iterdir()) == [pipe]


def test_what_a_link_in_the_place_of_the_unfinished_file_leads_to_is_not_written(
    tmp_path: Path,
) -> None:
    other, output = tmp_path / "other", tmp_path / "out.mp4"
    other.write_text("another's")
    (tmp_path / ".out.mp4.part").symlink_to(other)
    made(output)
    assert output.read_text() == "new" and not output.is_symlink()
    assert other.read_text() == "another's"
