"""Folders of portraits."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

from vsrcli.errors import InputError, OutputError
from vsrcli.portraits.batch import pictures_in, unmakeup_folder

from .stills import noise, options, save


def test_a_folder_goes_on_after_a_failure(tmp_path: Path) -> None:
    folder = tmp_path / "shots"
    folder.mkdir()
    save(folder / "b.png", noise())
    save(folder / "c.jpg", noise())
    (folder / "a.jpg").write_bytes(b"nothing")
    (folder / "notes.txt").write_text("not looked at")
    assert [path.name for path in pictures_in(folder)] == ["a.jpg", "b.png", "c.jpg"]
    (empty := tmp_path / "empty").mkdir()
    notes: list[str] = []
    result = unmakeup_folder(folder, tmp_path / "out", options(), note=notes.append)
    assert (result.total, len(result.done), len(result.failed)) == (3, 2, 1)
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["b.png", "c.jpg"]
    assert any("a.jpg" in note for note in notes)
    with pytest.raises(InputError, match="no JPEG"):
        pictures_in(empty)


def test_a_folder_does_not_go_into_a_file(source: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="name a folder"):
        unmakeup_folder(source.parent, tmp_path / "file", options(box=None))


def test_a_link_of_a_folder_that_leads_nowhere_is_told(tmp_path: Path) -> None:
    (folder := tmp_path / "in").mkdir()
    save(folder / "a.png", noise())
    (folder / "b.jpg").symlink_to("gone.jpg")
    (folder / "c.png").symlink_to("c.png")
    (folder / "d.png").symlink_to("a.png")
    (folder / "e.png").symlink_to(".", target_is_directory=True)
    result = unmakeup_folder(folder, tmp_path / "out", options(box=None, whole=True))
    assert (result.total, len(result.done)) == (4, 2)
    assert [Path(source).name for source, _ in result.failed] == ["b.jpg", "c.png"]
    assert result.failed[0][1] == f"{folder / 'b.jpg'} does not exist"


def test_pictures_of_a_folder_that_are_not_read_are_named(tmp_path: Path) -> None:
    folder, notes = tmp_path / "in", list[str]()
    folder.mkdir()
    save(folder / "a.png", noise())
    for name in ("b.bmp", "c.avif", "d.dng", "e.gif", "notes.txt", ".f.heic"):
        (folder / name).touch()
    fields = options(box=None, whole=True)
    assert unmakeup_folder(folder, tmp_path / "out", fields, note=notes.append).total == 1
    assert (
        f"{folder}: no JPEG, PNG, WebP or TIFF, so left out: b.bmp, c.avif, d.dng and 1 more"
        in (notes)
    )


def test_a_damaged_second_picture_of_a_tiff_does_not_end_a_folder(tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    damaged = save(folder / "a.tif", noise())
    save(folder / "b.png", noise())
    data = bytearray(damaged.read_bytes())
    (first,) = struct.unpack_from("<I", data, 4)
    (count,) = struct.unpack_from("<H", data, first)
    struct.pack_into("<I", data, first + 2 + 12 * count, len(data))  # a list without any size
    damaged.write_bytes(data + struct.pack("<HHHIII", 1, 254, 4, 1, 0, 0))
    result = unmakeup_folder(folder, tmp_path / "out", options(box=None, whole=True))
    assert [Path(each.source).name for each in result.done] == ["b.png"]
    assert [Path(each).name for each, _ in result.failed] == ["a.tif"]
