import dataclasses
import errno
import gc
import struct
import zlib
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import av
import numpy as np
import pytest
from PIL import Image, ImageCms

from tests.clips import ClipSpec, write_clip
from tests.conftest import MakeClip
from vsrcli.errors import InputError
from vsrcli.media.planes import ColourTags
from vsrcli.media.probe import probe
from vsrcli.media.rates import rate_of
from vsrcli.media.reader import Reader
from vsrcli.media.resample import chroma_location

PORTRAIT = (0, 65536, 0, -65536, 0, 0, 0, 0, 1 << 30)
MIRRORED = (-65536, 0, 0, 0, 65536, 0, 0, 0, 1 << 30)


def test_a_plain_clip(make_clip: MakeClip) -> None:
    info = probe(make_clip(size=(66, 34), frames=7, rate=Fraction(30000, 1001)))
    assert (info.width, info.height, info.depth) == (66, 34, 8)
    assert (info.codec, info.pix_fmt) == ("h264", "yuv420p")
    assert (info.rate, info.frames) == (Fraction(30000, 1001), 7)
    assert info.duration == 7 * Fraction(1001, 30000)
    assert (info.start_pts, info.video_index, info.sequence) == (0, 0, False)
    assert (info.sar, info.display_matrix, info.rotation) == (None, None, 0)
    assert not info.interlaced
    assert info.tags == ColourTags(2, 2, 2, 0, 1)  # H.264 implies left-sited chroma


def test_colours_that_the_container_alone_tells_of(make_clip: MakeClip) -> None:
    """Decoders of ProRes, HEVC and VP9 give "unspecified" where their own headers say so."""
    tags = ColourTags(9, 9, 16, 1)
    path = make_clip("c.mov", codec="prores_ks", pix_fmt="yuv422p10le", frames=2, tags=tags)
    content = path.read_bytes()
    assert b"\x09\x10\x09" in content  # of every frame's header; the box of MOV has two bytes each
    path.write_bytes(content.replace(b"\x09\x10\x09", b"\x02\x02\x02"))
    assert probe(path).tags == tags


def with_a_table_of_fragments(path: Path) -> Path:
    """Put a sidx box (ISO/IEC 14496-12, 8.16.3) before the fragments, as DASH has it."""
    content = path.read_bytes()
    starts = [n - 4 for n in range(len(content)) if content.startswith(b"moof", n)]
    ends = [*starts[1:], len(content)]
    ticks = 12800 * 6 // 25  # of the six frames in a fragment
    table = struct.pack(">IIIIIHH", 0, 1, 12800, 0, 0, 0, len(starts))
    for start, end in zip(starts, ends, strict=True):
        table += struct.pack(">III", end - start, ticks, 0x90000000)
    box = struct.pack(">I4s", 8 + len(table), b"sidx") + table
    path.write_bytes(content[: starts[0]] + box + content[starts[0] :])
    return path


@pytest.mark.parametrize(("first", "table"), [("", False), ("+empty_moov", True)])
def test_frames_of_all_fragments_are_counted(make_clip: MakeClip, first: str, table: bool) -> None:
    flags = {"movflags": f"frag_keyframe+default_base_moof+skip_trailer{first}"}
    options = {"g": "6", "sc_threshold": "0"}
    path = make_clip(frames=60, rate=Fraction(25), container_options=flags, options=options)
    assert probe(with_a_table_of_fragments(path) if table else path).frames == 60


@pytest.mark.parametrize(
    ("codec", "pix_fmt", "tags"),
    [
        ("libx264", "yuv420p", ColourTags(1, 1, 1, 1, 1)),
        ("libx264", "yuv420p", ColourTags(5, 5, 6, 2, 1)),
        ("libx265", "yuv420p10le", ColourTags(9, 9, 16, 1, 1)),
        ("libx265", "yuv420p10le", ColourTags(9, 9, 18, 1, 1)),
    ],
)
def test_colour_tags(make_clip: MakeClip, codec: str, pix_fmt: str, tags: ColourTags) -> None:
    info = probe(make_clip(codec=codec, pix_fmt=pix_fmt, tags=tags, frames=2))
    assert info.tags == tags
    assert info.depth == (10 if "10" in pix_fmt else 8)


@pytest.mark.parametrize("order", ["progressive", "tt", "bb"])
def test_the_order_of_fields_is_no_chroma_location(make_clip: MakeClip, order: str) -> None:
    path = make_clip("i.mkv", codec="ffv1", pix_fmt="yuv422p", options={"field_order": order})
    assert probe(path).tags.chroma_location == 0


@pytest.mark.parametrize(("chromaloc", "location"), [(0, 1), (1, 2), (2, 3)])
def test_chroma_location(make_clip: MakeClip, chromaloc: int, location: int) -> None:
    path = make_clip(options={"x264-params": f"chromaloc={chromaloc}"}, frames=1)
    assert probe(path).tags.chroma_location == location


@pytest.mark.parametrize(
    ("name", "codec", "pix_fmt", "size", "location"),
    [
        ("a.flv", "flv", "yuv420p", (64, 48), 2),
        ("a.avi", "h261", "yuv420p", (176, 144), 2),
        ("a.rm", "rv20", "yuv420p", (176, 144), 2),
        ("a.mkv", "libx265", "yuv422p", (64, 48), 1),
    ],
)
def test_chroma_location_of_which_ffmpeg_does_not_tell(
    make_clip: MakeClip, name: str, codec: str, pix_fmt: str, size: tuple[int, int], location: int
) -> None:
    """H.261 and what was made of H.263 have it amid luma; 4:2:2 of HEVC of full range has not."""
    tags = ColourTags(range=2 if codec == "libx265" else 0)
    path = make_clip(name, codec=codec, pix_fmt=pix_fmt, size=size, tags=tags, frames=3)
    assert chroma_location(probe(path).tags) == location


@pytest.mark.parametrize(("matrix", "rotation"), [(PORTRAIT, 90), (MIRRORED, 180)])
def test_the_display_matrix_is_kept_whole(
    make_clip: MakeClip, matrix: tuple[int, ...], rotation: int
) -> None:
    info = probe(make_clip(display_matrix=matrix, sar=Fraction(16, 11), frames=2))
    assert (info.display_matrix, info.rotation) == (matrix, rotation)
    assert info.sar == Fraction(16, 11)


def test_rotation_is_clockwise_and_ignores_scale(make_clip: MakeClip) -> None:
    info = probe(make_clip(frames=1))
    assert (info.display_matrix, info.rotation) == (None, 0)
    matrix = (0, -32768, 0, 32768, 0, 0, 0, 0, 1 << 30)
    assert dataclasses.replace(info, display_matrix=matrix).rotation == 270


def test_a_photo_turned_by_exif(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # turn right to view
    path = tmp_path / "turned.jpg"
    Image.fromarray(np.zeros((20, 30, 3), np.uint8)).save(path, exif=exif)
    info = probe(path)
    assert (info.rotation, info.sequence, info.frames) == (90, True, 1)
    assert info.display_matrix == PORTRAIT


def test_all_streams_are_listed(make_clip: MakeClip) -> None:
    path = make_clip(
        "all.mkv",
        audio=("aac", "flac"),
        subtitles=("hello",),
        attachments=[("a.ttf", "font/ttf", b"123")],
        chapters=[(Fraction(0), Fraction(1, 5), "one"), (Fraction(1, 5), Fraction(2, 5), "two")],
        cover=True,
        metadata={"title": "A title"},
        video_metadata={"title": "Main", "language": "ger"},
    )
    info = probe(path)
    kinds = [(s.type, s.codec, s.attached_picture) for s in info.streams]
    assert kinds[:4] == [
        ("video", "h264", False),
        ("audio", "aac", False),
        ("audio", "flac", False),
        ("subtitle", "subrip", False),
    ]
    assert ("video", "mjpeg", True) in kinds
    assert "attachment" in [s.type for s in info.streams]
    assert (info.streams[0].language, info.streams[0].title) == ("ger", "Main")
    assert info.chapters == 2
    assert info.metadata["title"] == "A title"


def test_cover_art_before_the_video_is_not_the_video(make_clip: MakeClip) -> None:
    info = probe(make_clip("cover.mp4", cover=True, size=(64, 48)))
    assert info.streams[info.video_index].codec == "h264"
    assert (info.width, info.height) == (64, 48)
    assert [s.attached_picture for s in info.streams].count(True) == 1


def test_variable_frame_rate_and_start(make_clip: MakeClip) -> None:
    path = make_clip(pts=[200, 240, 280, 480, 500], time_base=Fraction(1, 1000))
    info = probe(path)
    assert info.start_pts is not None
    assert info.start_pts * info.time_base == Fraction(1, 5)
    assert info.frames == 5


def test_the_clock_of_a_container_is_not_taken_for_a_rate(make_clip: MakeClip) -> None:
    times = [0, 33, 71, 99, 140, 141, 207, 233]
    path = make_clip("v.mkv", pts=times, time_base=Fraction(1, 1000), rate=1000)
    rate = probe(path).rate
    assert rate is None or rate <= 240


def test_a_rate_that_no_container_has_room_for(make_clip: MakeClip) -> None:
    """An AVI with a damaged clock and end: 12 frames in 11 ticks of 1/(2^31 - 1) s."""
    path = make_clip("in.avi", codec="mjpeg", pix_fmt="yuvj420p")
    with av.open(str(path)) as container:
        last = [packet.pos for packet in container.demux() if packet.size][-1]
    content = bytearray(path.read_bytes()[:last])
    clock = content.index(b"vids") + 20
    content[clock : clock + 8] = struct.pack("<II", 1, 0x7FFFFFFF)
    path.write_bytes(content)
    with av.open(str(path)) as container:
        assert container.streams.video[0].average_rate > 1 << 30
    assert probe(path).rate is None


def test_interlaced(make_clip: MakeClip) -> None:
    assert probe(make_clip("i.ts", codec="mpeg2video", interlaced=True)).interlaced


def test_metadata_that_is_not_utf8(make_clip: MakeClip) -> None:
    path = make_clip("latin.mkv", metadata={"title": "caf@"}, frames=2)
    path.write_bytes(path.read_bytes().replace(b"caf@", b"caf\xe9"))
    assert probe(path).metadata["title"].startswith("caf")


@pytest.mark.parametrize("codec", ["libvpx", "libvpx-vp9"])
def test_webm_alpha(make_clip: MakeClip, codec: str) -> None:
    assert probe(make_clip("a.webm", codec=codec, pix_fmt="yuva420p")).pix_fmt == "yuva420p"


def test_picture_sequences(tmp_path: Path) -> None:
    write_clip(tmp_path / "%04d.png", ClipSpec(codec="png", pix_fmt="rgb48be", frames=3))
    (tmp_path / "notes.txt").write_text("no picture")
    for path in (tmp_path, tmp_path / "%04d.png", str(tmp_path / "%d.png")):
        info = probe(path, rate=Fraction(24000, 1001))
        assert (info.sequence, info.frames, info.depth) == (True, 3, 16)
        assert (info.rate, info.time_base) == (Fraction(24000, 1001), Fraction(1001, 24000))
    assert probe(tmp_path).rate == 25


def test_bad_inputs_are_named_in_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "empty.mp4").touch()
    (tmp_path / "text.mp4").write_text("not a video at all\n" * 200)
    (tmp_path / "folder").mkdir()
    (tmp_path / "photo.png").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(200))
    write_clip(tmp_path / "whole.mp4", ClipSpec())
    whole = (tmp_path / "whole.mp4").read_bytes()
    (tmp_path / "no_index.mp4").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "list.ffconcat").write_text("ffconcat version 1.0\nfile gone.mp4\n")
    cases = {
        "missing.mp4": "does not exist",
        "list.ffconcat": "incomplete",
        "empty.mp4": "is empty",
        "text.mp4": "not a video",
        "folder": "without videos or pictures",
        "photo.png": "could be decoded",
        "no_index.mp4": "incomplete",
        "%03d.jpg": "no file matches",
    }
    for name, reason in cases.items():
        with pytest.raises(InputError) as caught:
            probe(tmp_path / name)
        message = str(caught.value)
        assert name in message and reason in message and "\n" not in message


def test_sound_alone_is_no_video(tmp_path: Path) -> None:
    path = tmp_path / "sound.wav"
    with av.open(str(path), "w") as output:
        stream = output.add_stream("pcm_s16le", rate=8000, layout="mono")
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 800), np.int16), layout="mono")
        frame.sample_rate = 8000
        output.mux(stream.encode(frame))
    with pytest.raises(InputError, match=r"sound\.wav has no video stream"):
        probe(path)


def test_a_name_with_colon_and_percent(make_clip: MakeClip, tmp_path: Path) -> None:
    plain = make_clip(frames=2)
    odd = plain.rename(tmp_path / "12:30 50%d.mp4")
    assert probe(odd).frames == 2


def test_info_is_frozen(make_clip: MakeClip) -> None:
    info = probe(make_clip(frames=1))
    with pytest.raises(dataclasses.FrozenInstanceError):
        info.width = 3  # type: ignore[misc]


def test_pictures_with_a_colour_profile(tmp_path: Path) -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    for number in range(4):
        picture = Image.new("RGB", (24, 16), (number, 60, 90))
        picture.save(tmp_path / f"{number}.png", icc_profile=profile)
    for _ in range(5):  # what is freed twice shows itself sooner or later
        assert (probe(tmp_path).width, probe(tmp_path).rotation) == (24, 0)
        gc.collect()


def test_animated_pictures(tmp_path: Path) -> None:
    """A PNG of several is a video; a WebP is refused for what it is; of one both are pictures."""
    pictures = [Image.fromarray(np.full((16, 24, 3), 40 * i, np.uint8)) for i in range(4)]
    for suffix in ("png", "webp"):
        pictures[0].save(tmp_path / f"still.{suffix}")
        pictures[0].save(
            tmp_path / f"moving.{suffix}", save_all=True, append_images=pictures[1:], duration=40
        )
        assert probe(tmp_path / f"still.{suffix}").sequence
    assert not probe(tmp_path / "moving.png").sequence
    levels = [int(frame.planes[0].mean()) for frame in Reader(tmp_path / "moving.png")]
    assert levels == [0, 40, 80, 120]
    with pytest.raises(InputError, match=r"moving\.webp is an animated WebP"):
        probe(tmp_path / "moving.webp")


def test_a_header_cut_off_inside_is_told_as_damage(make_clip: MakeClip, tmp_path: Path) -> None:
    whole, cut = make_clip("whole.mp4", frames=2).read_bytes(), tmp_path / "cut.mp4"
    cut.write_bytes(whole[: whole.index(b"stsd")])
    with pytest.raises(InputError, match=r"cut\.mp4 has .* or is damaged or incomplete"):
        probe(cut)


def test_a_rate_that_is_but_a_clock_gives_way_to_frames_over_seconds() -> None:
    clock: Any = SimpleNamespace(
        average_rate=Fraction(1000), guessed_rate=Fraction(1000), base_rate=None, frames=90
    )
    assert rate_of(clock, Fraction(3)) == 30
    assert rate_of(clock, Fraction(1, 20)) is None  # 1800 a second


def test_a_picture_too_large_for_ffmpeg_is_told_as_such(tmp_path: Path) -> None:
    """Of this one there is but the size, after which FFmpeg reads no further."""
    Image.new("RGB", (8, 8)).save(tmp_path / "vast.png")
    content = (tmp_path / "vast.png").read_bytes()
    head = b"IHDR" + struct.pack(">II", 20000, 20000) + content[24:29]
    vast = content[:12] + head + struct.pack(">I", zlib.crc32(head)) + content[33:]
    (tmp_path / "vast.png").write_bytes(vast)
    with pytest.raises(InputError, match=r"vast\.png.*20000x20000 is larger than FFmpeg reads"):
        probe(tmp_path / "vast.png")


def test_memory_that_runs_out_is_not_told_as_damage_alone(
    make_clip: MakeClip, monkeypatch: pytest.MonkeyPatch
) -> None:
    def decode(_: object) -> list[av.VideoFrame]:
        raise av.error.MemoryError(errno.ENOMEM, "Cannot allocate memory")

    decoder = SimpleNamespace(name="h264", decode=decode)
    monkeypatch.setattr("vsrcli.media.stills.decoder_of", lambda *_, **__: decoder)
    with pytest.raises(InputError, match=r"clip.*too little memory for it, or it is damaged"):
        probe(make_clip("clip.mp4", frames=2))
