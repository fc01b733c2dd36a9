"""What clips a folder or an archive holds, by the names of its files alone."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Sequence
from pathlib import Path

import pytest

from vsrcli.collection import files_of, find_clips, find_collection


def folder_of(folder: Path, names: Sequence[str]) -> Path:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return folder


def archive_of(path: Path, names: Sequence[str]) -> Path:
    """The files in an archive; names that end in a slash are folders, links have a target."""
    with tarfile.open(path, "w") as tar:
        for name in names:
            member, _, target = name.partition(" -> ")
            entry = tarfile.TarInfo(member.rstrip("/"))
            if target:
                entry.type, entry.linkname = tarfile.SYMTYPE, target
            elif member.endswith("/"):
                entry.type = tarfile.DIRTYPE
            tar.addfile(entry, io.BytesIO())
    return path


@pytest.mark.parametrize(
    ("names", "clips", "beside"),
    [
        (["10/0.png", "9/0.png", "9/1.png"], ["9", "10"], []),
        (["a.mp4", "b.mkv", "cover.png", "notes.txt"], ["a", "b"], ["cover.png"]),
        (["0.png", "a/1.png", "b/c/2.png"], ["a", "c"], ["0.png"]),
        (["a/0.png", "a/film.mp4", "a/masks/0.png", "b/0.png"], ["a", "b"], None),
        (["a/.0.png", ".b/1.png", "c.mp4", "d.mp4"], ["c", "d"], []),
        # Called alike, they are told by where their paths differ.
        (["set/a/x4/0.png", "set/b/x4/0.png"], ["a", "b"], []),
        (["a/x4/0.png", "b/deep/x4/0.png"], ["a", "b/deep"], []),
        (["a/a/clip.mp4", "a/clip.mp4"], ["a/clip", "clip"], []),
        (["clip.mp4", "a/clip.mp4"], ["a/clip", "clip"], []),
    ],
)
@pytest.mark.parametrize("packed", [False, True])
def test_clips_are_called_so_that_pairs_are_found(
    tmp_path: Path, names: list[str], clips: list[str], beside: list[str] | None, packed: bool
) -> None:
    place = tmp_path / ("clips.tar" if packed else "clips")
    found = find_collection((archive_of if packed else folder_of)(place, names))
    assert [clip.name for clip in found.clips] == clips
    assert list(found.beside) == (["a/film.mp4", "a/masks/0.png"] if beside is None else beside)


def test_a_folder_of_pictures_is_one_clip_whatever_lies_deep_below(tmp_path: Path) -> None:
    folder = folder_of(tmp_path / "frames.v2", ["0.png", "1.png", "masks/old/0.png"])
    (clip,) = find_clips(folder)
    assert (clip.name, clip.path) == ("frames", folder)
    assert list(files_of(folder)) == [folder, folder / "0.png", folder / "1.png"]


def test_an_archive_of_pictures_is_called_as_it_is_itself(tmp_path: Path) -> None:
    archive = archive_of(tmp_path / "city.x4.tar", ["0.png", "1.png", "docs/of it.txt"])
    (clip,) = find_clips(archive)
    assert clip.name == "city" and clip.label == f"{archive}:."
    assert list(files_of(archive)) == [archive]


def test_what_is_called_as_a_video_in_an_archive_may_be_a_folder(tmp_path: Path) -> None:
    names = ["a.mp4/", "a.mp4/0.png", "b/", "b/0.png", ".1.png -> nowhere", "c.txt -> nowhere"]
    archive = archive_of(tmp_path / "in.tar", names)
    found = find_collection(archive)
    assert [(clip.name, len(clip.members)) for clip in found.clips] == [("a", 1), ("b", 1)]
    assert [clip.label for clip in found.clips] == [f"{archive}:a.mp4/0.png", f"{archive}:b/0.png"]
    assert not found.beside
