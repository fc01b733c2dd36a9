"""Where the faces are."""

from __future__ import annotations

import runpy
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from skimage import data

from vsrcli.errors import InputError, UsageError
from vsrcli.portraits import faces
from vsrcli.portraits.faces import Face, find_faces
from vsrcli.portraits.treated import box_of, faces_of

from .stills import EXAMPLE, HEIGHT, WIDTH, a_still, astronaut, options, run


def test_the_cascade_lies_in_the_package_that_has_its_class(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From 0.27 on scikit-image itself is but a front of that."""
    data = tmp_path / "behind" / "data"
    data.mkdir(parents=True)
    (data / "lbpcascade_frontalface_opencv.xml").write_text("")
    monkeypatch.syspath_prepend(tmp_path)

    class Cascade:
        def __init__(self, path: str) -> None:
            self.path = path

    Cascade.__module__ = "behind.feature._cascade"
    monkeypatch.setattr("skimage.feature.Cascade", Cascade)
    assert Path(faces._cascade.__wrapped__().path).parent == data


def test_no_face_is_one_sentence(source: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"face\.png: no face found; .*--box x,y,w,h.*--whole"):
        run(source, tmp_path / "out.png", box=None)
    assert not (tmp_path / "out.png").exists()


def test_a_box_outside_the_picture_is_refused(source: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="240x200"):
        run(source, tmp_path / "out.png", box=(200, 20, 60, 80))


def test_the_cascade_finds_the_astronaut() -> None:
    (face,) = find_faces(np.asarray(astronaut()))
    assert abs(face.x - 223) < 15 and abs(face.y - 113) < 20 and 95 < face.height < 150


@pytest.mark.parametrize(("scale", "quality"), [(0.5, 95), (0.7, 90), (1.3, 80)])
def test_patterns_beside_a_face_are_not_taken_for_more(scale: float, quality: int) -> None:
    """In an edited portrait as it is passed on: they had set the scale of `--whole` as well."""
    beautified = runpy.run_path(str(EXAMPLE))["beautified"]
    edited = np.clip(np.rint(255 * beautified(np.asarray(astronaut()) / 255)), 0, 255)
    side, file = round(512 * scale), BytesIO()
    smaller = Image.fromarray(edited.astype(np.uint8)).resize(
        (side, side), Image.Resampling.LANCZOS
    )
    smaller.save(file, "JPEG", quality=quality)
    (face,) = find_faces(np.asarray(Image.open(file)))
    where = np.array([face.x, face.y, face.height]) / side
    np.testing.assert_allclose(where, (0.435, 0.227, 0.23), atol=0.02)


def test_a_smaller_face_beside_another_is_found() -> None:
    group, face = Image.new("RGB", (420, 240), "grey"), astronaut().crop((118, 10, 328, 230))
    group.paste(face, (0, 0))
    group.paste(face.resize((147, 154)), (240, 60))
    found = find_faces(np.asarray(group))
    assert [round(each.x, -1) for each in found] == [110, 310]


def test_two_threads_find_the_same_faces() -> None:
    picture = np.asarray(astronaut())
    assert find_faces(picture, threads=2) == find_faces(picture, threads=1) != []


@pytest.mark.parametrize("name", ["coffee", "rocket", "brick"])
def test_the_cascade_finds_nothing_where_there_is_nothing(name: str) -> None:
    picture = Image.fromarray(getattr(data, name)()).convert("RGB")
    assert find_faces(np.asarray(picture)) == []


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("kind", [np.uint8, np.uint16])
def test_faces_are_looked_for_in_eight_bits_of_colour(
    monkeypatch: pytest.MonkeyPatch, channels: int, kind: type[np.unsignedinteger[Any]]
) -> None:
    levels = np.arange(20 * 30 * channels).reshape(20, 30, channels) % 200
    pixels = (levels * (257 if kind is np.uint16 else 1)).astype(kind)
    seen: list[Any] = []

    def find(samples: Any, threads: int) -> list[Face]:
        seen.append(samples)
        return [Face(10, 10, 8)]

    monkeypatch.setattr("vsrcli.portraits.treated.find_faces", find)
    still = replace(a_still((0, 0, 0)), pixels=pixels)
    assert faces_of(Path("a.png"), still, options(box=None)) == [Face(10, 10, 8)]
    assert seen[0].dtype == np.uint8
    np.testing.assert_array_equal(seen[0], np.broadcast_to(levels, (20, 30, 3)))


def test_the_box_of_a_face_ends_where_the_picture_does() -> None:
    assert box_of(Face(100, 60, 50), (200, 240)) == (80, 35, 40, 50)
    assert box_of(Face(10, 20, 50), (200, 240)) == (0, 0, 30, 45)
    assert box_of(Face(230, 190, 50), (200, 240)) == (210, 165, 30, 35)


def test_faces_are_told_within_the_picture(source: Path, tmp_path: Path) -> None:
    found = run(source, tmp_path / "out.png", box=(0, 20, 16, HEIGHT - 20), force=True)
    ((left, top, width, height),) = found.faces
    assert (left, top, height) == (0, 20, HEIGHT - 20) and left + width <= WIDTH
