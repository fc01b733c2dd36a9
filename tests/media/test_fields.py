import io
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from tests.clips import make_frame
from vsrcli.media.probe import probe
from vsrcli.media.reader import Reader


def jpeg(rows: NDArray[Any], polarity: int | None) -> bytes:
    """A JPEG as cards of the 1990s made them: POLARITY 1 is a top field, 2 a bottom one."""
    file = io.BytesIO()
    Image.fromarray(rows).save(file, "JPEG", quality=95)
    if polarity is None:
        return file.getvalue()
    told = b"\xff\xe0\0\x10AVI1" + bytes((polarity, *bytes(9)))
    return b"\xff\xd8" + told + file.getvalue()[2:]


def write_fields(path: Path, first: int, *, told: bool) -> list[NDArray[Any]]:
    """Motion JPEG with two pictures in each packet; FIRST 0: the first is the top field.

    Returns the whole pictures at the times of the first ones.
    """
    wholes = [make_frame("yuv420p", 64, 48, t, velocity=(2, 0)).planes[0] for t in range(16)]
    with av.open(str(path), "w") as container:
        stream: Any = container.add_stream("mjpeg", rate=25, width=64, height=48)
        stream.pix_fmt = "yuvj422p"
        for number in range(8):
            before, after = wholes[2 * number], wholes[2 * number + 1]
            rows = (before[first::2], after[1 - first :: 2])
            kinds = (1 + first, 2 - first) if told else (None, None)
            packet: Any = av.Packet(b"".join(map(jpeg, rows, kinds)))
            packet.stream, packet.time_base = stream, Fraction(1, 25)
            packet.pts = packet.dts = number
            packet.is_keyframe = True
            container.mux(packet)
    return wholes[::2]


@pytest.mark.parametrize(
    ("name", "first", "told"),
    [("t.avi", 0, True), ("b.avi", 1, True), ("t.mkv", 0, True), ("b.mkv", 1, True)]
    + [("b.avi", 1, False), ("t.mov", 0, False)],
)
def test_fields_of_motion_jpeg_that_are_pictures_of_their_own_become_whole(
    tmp_path: Path, name: str, first: int, told: bool
) -> None:
    path = tmp_path / name
    truth = write_fields(path, first, told=told)
    notes: list[str] = []
    with Reader(path, note=notes.append) as reader:
        found = [frame.planes[0] for frame in reader]
    assert probe(path).interlaced and len(notes) == 1 and "deinterlaced" in notes[0]
    for made, whole in list(zip(found, truth, strict=True))[1:-1]:
        assert np.abs(made.astype(int) - whole)[first::2].mean() < 3  # as it was coded
        assert np.abs(made.astype(int) - whole).mean() < 4
