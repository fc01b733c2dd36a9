"""Files that hold less than they say: told every time, and never told of one that holds it all."""

from __future__ import annotations

import struct
from fractions import Fraction
from pathlib import Path

import av
import pytest

from tests.conftest import MakeClip
from vsrcli.media.integrity import is_whole
from vsrcli.media.reader import Reader

FRAMES = 24


def read(path: Path) -> tuple[list[int], Reader]:
    """PTS of all frames, and what reading has shown."""
    with Reader(path) as reader:
        return [frame.pts for frame in reader], reader


def places(path: Path) -> list[tuple[int, int]]:
    """Position and size of every video packet, in bytes."""
    with av.open(str(path)) as container:
        return [(p.pos or 0, p.size) for p in container.demux(video=0) if p.size]


def avi_with_empty_chunks(path: Path, empty: set[int]) -> Path:
    """Take the content of some video chunks out, as programs do that drop frames on purpose."""
    content = path.read_bytes()
    movi = content.index(b"movi")
    made, index, at, number = bytearray(b"movi"), b"", movi + 4, 0
    while content[at : at + 4] != b"idx1":
        name, length = content[at : at + 4], int.from_bytes(content[at + 4 : at + 8], "little")
        body = content[at + 8 : at + 8 + length]
        if name == b"00dc":
            body = b"" if number in empty else body
            number += 1
        index += name + struct.pack("<III", 16, len(made), len(body))
        made += name + struct.pack("<I", len(body)) + body + bytes(len(body) % 2)
        at += 8 + length + length % 2
    whole = content[: movi - 4] + struct.pack("<I", len(made)) + made
    whole += b"idx1" + struct.pack("<I", len(index)) + index
    path.write_bytes(whole[:4] + struct.pack("<I", len(whole) - 8) + whole[8:])
    return path


@pytest.mark.parametrize(
    ("name", "fields"),
    [
        ("a.avi", {"codec": "mpeg4", "options": {"bf": "2"}, "audio": ("mp2",)}),
        ("a.mkv", {"options": {"bf": "3"}, "audio": ("flac",), "subtitles": ("Hi",)}),
        ("v.mkv", {"pts": [0, 40, 90, 2000, 2040, 9000], "frames": 6}),
        ("late.mkv", {"pts": [9000 + 40 * n for n in range(FRAMES)]}),
        ("camera.mjpg", {"codec": "mjpeg", "pix_fmt": "yuvj420p", "format": "mpjpeg"}),
        ("a.webm", {"codec": "libvpx-vp9", "audio": ("libopus",)}),
        ("a.asf", {"codec": "msmpeg4", "audio": ("mp2",)}),
        ("a.wmv", {"codec": "wmv2"}),
        ("a.mxf", {"codec": "mpeg2video", "options": {"bf": "2"}}),
        ("a.flv", {"codec": "flv", "audio": ("aac",)}),
        ("a.mpg", {"codec": "mpeg1video", "audio": ("mp2",)}),
        ("a.vob", {"codec": "mpeg2video", "audio": ("mp2",)}),
        ("a.mjpeg", {"codec": "mjpeg", "pix_fmt": "yuvj420p"}),
        ("a.h264", {}),
        ("a.m4v", {"codec": "mpeg4", "format": "m4v"}),
        ("a.nut", {"codec": "ffv1", "audio": ("flac",), "metadata": {"comment": "x" * 900}}),
        ("a.mov", {"codec": "png", "pix_fmt": "rgb24", "audio": ("pcm_s16le",)}),
    ],
)
def test_whole_files_are_taken_for_whole(
    make_clip: MakeClip, name: str, fields: dict[str, object]
) -> None:
    if "pts" in fields:
        fields = fields | {"time_base": Fraction(1, 1000)}
    path = make_clip(name, **({"frames": FRAMES} | fields))
    times, reader = read(path)
    assert len(times) == fields.get("frames", FRAMES)
    assert (reader.concealed, reader.left_out, reader.truncated) == (0, 0, False)
    assert is_whole(path, reader.info.format)


def test_frames_dropped_on_purpose_are_no_damage(make_clip: MakeClip) -> None:
    clip = make_clip("in.avi", codec="mpeg4", frames=FRAMES, options={"bf": "0"}, audio=("mp2",))
    times, reader = read(avi_with_empty_chunks(clip, {5, 6, 20, FRAMES - 1}))
    assert times == [n for n in range(FRAMES) if n not in (5, 6, 20, FRAMES - 1)]
    assert (reader.concealed, reader.left_out, reader.truncated) == (0, 0, False)


def test_an_avi_without_padding_is_whole(make_clip: MakeClip) -> None:
    path = make_clip("in.avi", codec="mpeg4", frames=FRAMES, audio=("mp2",))
    content = bytearray(path.read_bytes())
    movi, at = content.index(b"movi"), content.index(b"movi") + 4
    removed = 0
    while content[at : at + 4] in (b"00dc", b"01wb"):
        at += 8 + int.from_bytes(content[at + 4 : at + 8], "little")
        if at % 2 != removed % 2:
            del content[at]
            removed += 1
    assert removed > 2
    for place in (4, movi - 4):
        length = int.from_bytes(content[place : place + 4], "little") - removed
        content[place : place + 4] = length.to_bytes(4, "little")
    path.write_bytes(content)
    assert is_whole(path, "avi")


@pytest.mark.parametrize("number", [3, FRAMES - 1])
def test_an_avi_that_lost_a_chunk(make_clip: MakeClip, number: int) -> None:
    path = make_clip("in.avi", codec="mpeg4", frames=FRAMES, audio=("mp2",))
    content = bytearray(path.read_bytes())
    begin = places(path)[number][0] - 8
    assert content[begin : begin + 4] == b"00dc"
    content[begin : begin + 4] = b"\xff\x12\x00\x80"
    path.write_bytes(content)
    assert not is_whole(path, "avi")
    times, reader = read(path)
    assert len(times) - reader.concealed < FRAMES
    assert reader.truncated or reader.concealed


def test_a_webm_cut_in_its_last_block(make_clip: MakeClip) -> None:
    path = make_clip("in.webm", codec="libvpx-vp9", frames=FRAMES, audio=("libopus",))
    last, size = places(path)[-1]
    path.write_bytes(path.read_bytes()[: last + size // 2])
    times, reader = read(path)
    assert len(times) == FRAMES - 1 and reader.truncated


@pytest.mark.parametrize("name", ["in.mkv", "in.webm"])
def test_a_block_of_no_track(make_clip: MakeClip, name: str) -> None:
    """FFmpeg says nothing, and leaves out what follows in its cluster."""
    codecs = {"in.mkv": ("libx264", "flac"), "in.webm": ("libvpx-vp9", "libopus")}
    video, audio = codecs[name]
    path = make_clip(name, codec=video, frames=FRAMES, audio=(audio,))
    with av.open(str(path)) as container:
        sound = [bytes(packet) for packet in container.demux(audio=0) if packet.size]
    content = bytearray(path.read_bytes())
    at = content.index(sound[len(sound) * 3 // 4]) - 4  # before the time and the flags
    assert content[at] == 0x82
    content[at] = 0x92
    path.write_bytes(content)
    times, reader = read(path)
    assert len(times) < FRAMES and reader.truncated


def test_a_block_that_became_a_number(make_clip: MakeClip) -> None:
    path = make_clip("in.mkv", codec="mpeg2video", frames=FRAMES)
    with av.open(str(path)) as container:
        video = [bytes(packet) for packet in container.demux(video=0) if packet.size]
    content = bytearray(path.read_bytes())
    block = content.rindex(b"\xa3", 0, content.index(video[FRAMES // 2]))
    content[block] = 0xA7
    path.write_bytes(content)
    times, reader = read(path)
    assert len(times) == FRAMES and reader.concealed == 1


def test_a_matroska_cut_short_after_a_damaged_clock(make_clip: MakeClip) -> None:
    """Its last block says to be shown long after the end."""
    path = make_clip("in.mkv", codec="mpeg2video", frames=FRAMES, options={"bf": "0"})
    with av.open(str(path)) as container:
        video = [bytes(p) for p in container.demux(video=0) if p.size]
    content = bytearray(path.read_bytes())
    block = content.index(video[4])
    content[block - 3 : block - 1] = (5000).to_bytes(2, "big")
    path.write_bytes(content[: content.index(video[5]) + 9])
    times, reader = read(path)
    assert times[-1] == 5000 and reader.truncated


def test_video_that_ends_before_its_sound(make_clip: MakeClip) -> None:
    """The blocks of half the video are void elements; the sound reaches the end."""
    path = make_clip("in.mkv", frames=FRAMES, audio=("flac",))
    content = bytearray(path.read_bytes())
    with av.open(str(path)) as container:
        video = [bytes(p) for p in container.demux(video=0) if p.size]
    for packet in video[FRAMES // 2 :]:
        track = content.index(packet) - 4  # before two bytes of time and one of flags
        assert content[track] == 0x81
        block = (
            track - 3 if content[track - 3] == 0xA3 else track - 2
        )  # a length of two bytes or one
        assert content[block] == 0xA3
        content[block] = 0xEC
    path.write_bytes(content)
    assert is_whole(path, "matroska,webm")
    times, reader = read(path)
    assert len(times) == FRAMES // 2 and reader.truncated


@pytest.mark.parametrize(
    ("name", "fields"),
    [
        ("in.avi", {"codec": "mjpeg", "pix_fmt": "yuvj420p"}),
        ("in.mjpeg", {"codec": "mjpeg", "pix_fmt": "yuvj420p"}),
        ("in.h264", {"options": {"g": "6"}}),
    ],
)
def test_what_has_lost_its_beginning(
    make_clip: MakeClip, name: str, fields: dict[str, object]
) -> None:
    """What is left looks like a stream without a container, of which nobody knows the length."""
    path = make_clip(name, frames=FRAMES, **fields)
    with av.open(str(path)) as container:
        packet = bytes([p for p in container.demux(video=0) if p.size][6])
    content = path.read_bytes()
    path.write_bytes(content[content.index(packet) - 12 :])
    notes: list[str] = []
    with Reader(path, note=notes.append) as reader:
        assert 10 < len(list(reader)) < FRAMES
    assert reader.truncated
    assert notes == [
        f"{name}: the file is damaged, and may lack a part; what there is of it was read"
    ]


def test_a_first_frame_that_does_not_decode_is_counted(make_clip: MakeClip) -> None:
    path = make_clip("in.mkv", codec="mpeg2video", frames=FRAMES, options={"g": "6", "bf": "0"})
    content = bytearray(path.read_bytes())
    picture = content.index(b"\0\0\1\0", places(path)[0][0])  # the header of the first picture
    content[picture + 3] = 0xB2
    path.write_bytes(content)
    times, reader = read(path)
    assert len(times) == FRAMES - 1 and times[0] == 40
    assert (reader.left_out, reader.truncated) == (1, False)


@pytest.mark.parametrize("number", [5, FRAMES - 1])
def test_a_hole_in_a_nut(make_clip: MakeClip, number: int) -> None:
    path = make_clip("in.nut", codec="ffv1", frames=FRAMES)
    content = bytearray(path.read_bytes())
    begin, size = places(path)[number]
    content[begin - 2 : begin + size] = bytes(size + 2)
    path.write_bytes(content)
    times, reader = read(path)
    if number == 5:  # the demuxer goes on some packets later, where the file says it can
        assert len(times) == FRAMES and reader.concealed > 0 and not reader.truncated
    else:
        assert len(times) == FRAMES - 1 and reader.concealed == 0 and reader.truncated


def test_an_mp4_in_fragments_that_lacks_the_end_of_its_sound_alone(make_clip: MakeClip) -> None:
    """As a recording broken off leaves it: in every fragment sound comes after the pictures."""
    flags = {"movflags": "frag_keyframe+empty_moov"}
    path = make_clip("in.mp4", frames=FRAMES, audio=("aac",), container_options=flags)
    assert not read(path)[1].truncated
    with av.open(str(path)) as container:
        video, sound = (s.index_entries[-1] for s in container.streams)
    assert video.pos + video.size < sound.pos
    path.write_bytes(path.read_bytes()[: sound.pos + sound.size - 1])
    frames, reader = read(path)
    assert len(frames) == FRAMES and reader.truncated


def test_an_mp4_whose_index_breaks_off(make_clip: MakeClip) -> None:
    path = make_clip("in.mp4", frames=FRAMES, options={"bf": "2"}, audio=("aac",))
    content = bytearray(path.read_bytes())
    sizes = content.index(b"stsz") + 16  # version, one size for all, their number
    content[sizes + 4 * 9 : sizes + 4 * 9 + 4] = b"\xff\0\0\0"
    path.write_bytes(content)
    times, reader = read(path)
    assert len(times) < FRAMES and reader.truncated
