"""The stream plan: what each container can hold, and what becomes of the rest."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import pytest

from tests.conftest import MakeClip
from vsrcli.errors import UsageError
from vsrcli.media.probe import probe
from vsrcli.media.streams import StreamPlan, frames_alone, plan_streams

CHAPTERS = [(Fraction(0), Fraction(1, 4), "One"), (Fraction(1, 4), Fraction(12, 25), "Two")]
TURNED = (0, 65536, 0, -65536, 0, 0, 0, 0, 1 << 30)


@pytest.fixture
def matroska(make_clip: MakeClip) -> Path:
    return make_clip(
        "all.mkv",
        audio=("aac", "flac", "pcm_s16le", "libopus"),
        subtitles=("Hello",),
        chapters=CHAPTERS,
        attachments=(("font.ttf", "font/ttf", b"glyphs"),),
        cover=True,
        display_matrix=TURNED,
        metadata={"title": "T", "mykey": "v"},
    )


def fates(plan: StreamPlan) -> tuple[list[str], list[str], list[str]]:
    return (
        [i.codec for i in plan.kept],
        [f"{i.codec}>{encoder}" for i, encoder in plan.converted],
        [i.codec for i, _ in plan.dropped],
    )


@pytest.mark.parametrize(
    ("suffix", "kept", "converted", "dropped"),
    [
        ("mkv", "aac flac pcm_s16le opus subrip mjpeg font.ttf", "", ""),
        ("mp4", "aac flac pcm_s16le opus mjpeg", "subrip>mov_text", "font.ttf"),
        ("mov", "aac pcm_s16le", "flac>pcm_s16le opus>aac subrip>mov_text", "mjpeg font.ttf"),
        (
            "webm",
            "opus",
            "aac>libopus flac>libopus pcm_s16le>libopus subrip>webvtt",
            "mjpeg font.ttf",
        ),
        ("ts", "aac opus", "flac>aac pcm_s16le>aac", "subrip mjpeg font.ttf"),
        ("avi", "aac flac pcm_s16le", "opus>aac", "subrip mjpeg font.ttf"),
        ("nut", "aac flac pcm_s16le opus", "", "subrip mjpeg font.ttf"),
    ],
)
def test_every_container_keeps_what_it_can(
    matroska: Path, suffix: str, kept: str, converted: str, dropped: str
) -> None:
    plan = plan_streams(probe(matroska), Path(f"out.{suffix}"))
    assert fates(plan) == (kept.split(), converted.split(), dropped.split())


@pytest.mark.parametrize(
    ("codec", "suffix", "fate"),
    [
        ("truehd", "ts", "truehd>aac"),
        ("truehd", "m2ts", "truehd"),
        ("eac3", "avi", "eac3>aac"),
        ("eac3", "ts", "eac3"),
        ("dts", "avi", "dts>aac"),
        ("vorbis", "avi", "vorbis>aac"),
    ],
)
def test_sound_that_would_be_misread_is_converted(
    make_clip: MakeClip, codec: str, suffix: str, fate: str
) -> None:
    info = probe(make_clip("in.mkv", audio=("eac3",)))  # PyAV has no encoder for some of them
    video, sound = info.streams
    info = replace(info, streams=(video, replace(sound, codec=codec)))
    kept, converted, _ = fates(plan_streams(info, Path(f"out.{suffix}")))
    assert [*kept, *converted] == [fate]


def test_every_loss_is_one_line(matroska: Path) -> None:
    plan = plan_streams(probe(matroska), Path("out.avi"))
    assert plan.notes == (
        "audio stream 4 (opus): converted to aac",
        "subtitle stream 5 (subrip): dropped, AVI cannot hold subrip",
        "cover art stream 6 (mjpeg): dropped, AVI cannot hold it as cover art",
        "attachment stream 7 (font.ttf): dropped, AVI has no attachments",
        "2 chapters: dropped, AVI has none",
        "the rotation by 90 degrees: dropped, AVI has none",
    )
    assert plan_streams(probe(matroska), Path("out.mkv")).notes == ()
    mp4 = plan_streams(probe(matroska), Path("out.mp4"))
    assert mp4.lost == ("the tags MYKEY: dropped, MP4 cannot hold them beside cover art",)


def test_without_audio_there_is_no_line_about_it(matroska: Path) -> None:
    plan = plan_streams(probe(matroska), Path("out.webm"), audio=False)
    assert fates(plan) == ([], ["subrip>webvtt"], ["mjpeg", "font.ttf"])


def test_chapters_of_mp4_are_not_taken_for_data(make_clip: MakeClip) -> None:
    clip = make_clip(audio=("aac",), subtitles=("Hi",), chapters=CHAPTERS, cover=True)
    plan = plan_streams(probe(clip), Path("out.mp4"))
    assert fates(plan) == (["aac", "mov_text", "mjpeg"], [], [])
    plan = plan_streams(probe(clip), Path("out.mkv"))
    assert fates(plan) == (["aac", "mjpeg"], ["mov_text>subrip"], [])
    assert plan.notes == ("subtitle stream 2 (mov_text, und): converted to subrip",)


def test_a_second_video_is_kept_and_pictures_have_no_streams(
    make_clip: MakeClip, tmp_path: Path
) -> None:
    make_clip("p/%02d.png", codec="png", pix_fmt="rgb24", frames=2)
    assert plan_streams(probe(tmp_path / "p"), Path("o.mp4")) == StreamPlan()
    with pytest.raises(UsageError, match="unknown kind"):
        plan_streams(probe(tmp_path / "p"), Path("o.doc"))


@pytest.mark.parametrize("name", ["c.vob", "c.ts"])
def test_what_leads_through_a_disc_or_a_broadcast_is_not_missed(
    make_clip: MakeClip, name: str
) -> None:
    path = make_clip(name, codec="mpeg2video", audio=("mp2",))
    whole = path.read_bytes()
    if name == "c.vob":  # a navigation pack's two packets (PCI and DSI), behind the first pack
        led = b"\0\0\1\xbf\3\xd4\0" + bytes(979) + b"\0\0\1\xbf\3\xfa\1" + bytes(1017)
        place, codec = whole.index(b"\0\0\1\xba", 4), "dvd_nav_packet"
        led = whole[:14] + led
    else:  # a table of what is on (EN 300 468, 5.2.4)
        table = "4ef0280001c1000000010001004e0001c957123000003000000d4d0b656e670446696c6d026162"
        led = (b"\x47\x40\x12\x10\0" + bytes.fromhex(f"{table}a483b1bb")).ljust(188, b"\xff")
        place, codec = 188 * 6, "epg"
    path.write_bytes(whole[:place] + led + whole[place:])
    info = probe(path)
    assert codec in [stream.codec for stream in info.streams]
    for suffix in ("mkv", "mp4", "avi"):
        assert not plan_streams(info, path.with_name(f"o.{suffix}")).notes
    assert not frames_alone(info, audio=False).notes


def test_data_that_quicktime_gets_no_description_of_is_dropped(
    make_clip: MakeClip, tmp_path: Path
) -> None:
    """As an iPhone's metadata (mebx): their packets were there, and nothing said what they are."""
    made = make_clip("made.mov", subtitles=("Hello",), codec="mpeg4").read_bytes()
    phone = tmp_path / "phone.mov"
    phone.write_bytes(made.replace(b"text\0\0\0\0", b"meta\0\0\0\0").replace(b"tx3g", b"mebx"))
    info = probe(phone)
    assert [(stream.type, stream.codec) for stream in info.streams[1:]] == [("data", "unknown")]
    for name in ("o.mov", "o.mp4"):
        plan = plan_streams(info, tmp_path / name)
        assert plan.notes == ("data stream 1 (unknown): dropped, FFmpeg does not know its coding",)
