"""Segments and a source become one output with nothing lost."""

from __future__ import annotations

import os
import resource
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from tests.conftest import MakeClip
from tests.segments import decode, frames_at, later, packets, remake, settings, write_segment
from vsrcli.errors import OutputError, UsageError
from vsrcli.media import assemble as assemble_module
from vsrcli.media.assemble import assemble, check_output
from vsrcli.media.planes import ColourTags, from_video_frame
from vsrcli.media.probe import MediaInfo, probe
from vsrcli.media.reader import Reader
from vsrcli.media.streams import StreamPlan, plan_streams
from vsrcli.media.timing import Timing

BASE = Fraction(1, 90000)
VFR = [0, 3000, 9000, 9001, 20000, 30000, 31000, 42000, 50000, 60000, 70000, 83333]
CHAPTERS = [(Fraction(0), Fraction(1, 4), "One"), (Fraction(1, 4), Fraction(12, 25), "Two")]
FLIPPED = (0, 65536, 0, 65536, 0, 0, 0, 0, 1 << 30)
TURNED = (0, 65536, 0, -65536, 0, 0, 0, 0, 1 << 30)


@pytest.fixture
def vfr(make_clip: MakeClip) -> MediaInfo:
    """A variable frame rate at a fine clock."""
    return probe(make_clip("vfr.mp4", pts=VFR, time_base=BASE, rate=24, frames=len(VFR)))


def shown(path: Path) -> tuple[list[int], Fraction]:
    """PTS of the decoded frames and their unit."""
    frames = decode(path)
    return [f.pts for f in frames if f.pts is not None], Fraction(frames[0].time_base)


@pytest.mark.parametrize(
    ("suffix", "codec", "pix_fmt"),
    [
        ("mp4", "libx264", "yuv420p"),
        ("mp4", "libx264rgb", "gbrp"),
        ("mp4", "libx265", "yuv420p10le"),
        ("mp4", "libsvtav1", "yuv420p"),
        ("mp4", "libvpx-vp9", "yuv420p"),
        ("mp4", "ffv1", "yuv420p"),
        ("mp4", "mpeg4", "yuv420p"),
        ("mp4", "png", "gbrp"),
        ("mov", "libx264", "yuv422p10le"),
        ("mov", "libx265", "yuv420p"),
        ("mov", "prores_ks", "yuv422p10le"),
        ("mov", "mjpeg", "yuv420p"),
        ("mov", "png", "gbrap"),
        ("nut", "libx264", "yuv420p"),
        ("nut", "ffv1", "yuv444p16le"),
        ("nut", "utvideo", "yuv420p"),
    ],
)
def test_times_are_exact_where_the_container_is(
    tmp_path: Path, vfr: MediaInfo, suffix: str, codec: str, pix_fmt: str
) -> None:
    frames = frames_at(VFR, BASE, pix_fmt, (64, 64))
    output = remake(vfr, tmp_path / f"o.{suffix}", settings(codec), frames=frames)
    pts, base = shown(output)
    late = (pts[0] * base - VFR[0] * BASE) if suffix == "nut" else 0  # NUT has no negative DTS
    assert [p * base - late for p in pts] == [p * BASE for p in VFR]
    if suffix != "nut":  # which keeps no durations
        with av.open(str(output)) as container:
            whole = (container.streams.video[0].duration or 0) * base
        # FFmpeg reports no durations of single VP9 frames in MP4.
        last = (decode(output)[-1].duration or 0) * base or whole - VFR[-1] * BASE
        assert last == frames[-1].duration * BASE
    if codec == "libx265" and suffix in ("mp4", "mov"):
        with av.open(str(output)) as container:
            assert container.streams.video[0].codec_context.codec_tag == "hvc1"


@pytest.mark.parametrize(
    ("suffix", "codec", "pix_fmt", "unit"),
    [
        ("mkv", "libx264", "yuv420p", Fraction(1, 1000)),
        ("mkv", "libx265", "yuv420p10le", Fraction(1, 1000)),
        ("mkv", "libsvtav1", "yuv420p", Fraction(1, 1000)),
        ("mkv", "libvpx-vp9", "yuv420p", Fraction(1, 1000)),
        ("mkv", "ffv1", "yuv444p10le", Fraction(1, 1000)),
        ("mkv", "prores_ks", "yuv422p10le", Fraction(1, 1000)),
        ("mkv", "rawvideo", "yuv420p", Fraction(1, 1000)),
        ("mkv", "mpeg4", "yuv420p", Fraction(1, 1000)),
        ("mkv", "mjpeg", "yuv420p", Fraction(1, 1000)),
        ("webm", "libvpx-vp9", "yuv420p", Fraction(1, 1000)),
        ("webm", "libsvtav1", "yuv420p", Fraction(1, 1000)),
        ("ts", "libx264", "yuv420p", BASE),
        ("ts", "libx265", "yuv420p", BASE),
        ("ts", "mpeg4", "yuv420p", BASE),
        ("m2ts", "libx264", "yuv420p", BASE),
        ("flv", "libx264", "yuv420p", Fraction(1, 1000)),
    ],
)
def test_times_are_rounded_to_the_container_elsewhere(
    tmp_path: Path, vfr: MediaInfo, suffix: str, codec: str, pix_fmt: str, unit: Fraction
) -> None:
    frames = frames_at(VFR, BASE, pix_fmt, (64, 64))
    notes: list[str] = []
    output = remake(
        vfr, tmp_path / f"o.{suffix}", settings(codec), frames=frames, note=notes.append
    )
    pts, base = shown(output)
    assert base == unit
    late = pts[0] * base - VFR[0] * BASE
    errors = [abs(p * base - late - q * BASE) for p, q in zip(pts, VFR, strict=True)]
    assert max(errors) <= (0 if unit == BASE else Fraction(1, 2000))
    assert bool(late) == any("all times are" in note for note in notes)
    assert late == 0 or suffix in ("ts", "m2ts", "flv")  # which keep the decoding delay visible


def test_constant_rate_survives_avi(tmp_path: Path, make_clip: MakeClip) -> None:
    info = probe(make_clip(frames=12, rate=Fraction(30000, 1001), audio=("libmp3lame",)))
    for codec in ("libx264", "mpeg4", "ffv1"):
        output = remake(
            info,
            tmp_path / f"{codec}.avi",
            settings(codec, **{"bf": "0"} if codec == "libx264" else {}),
        )
        made = probe(output)
        assert made.rate == Fraction(30000, 1001)
        assert len(decode(output)) == 12
        assert packets(output, "audio")


def test_variable_rate_in_avi_is_said(tmp_path: Path, vfr: MediaInfo) -> None:
    notes: list[str] = []
    remake(vfr, tmp_path / "o.avi", settings("mpeg4"), note=notes.append)
    assert notes == ["AVI has a constant frame rate: the times of this variable one were rounded"]


def places(path: Path) -> list[int]:
    """Where in an AVI the pictures are, counted in frames."""
    with av.open(str(path)) as container:
        return [packet.dts for packet in container.demux(video=0) if packet.size]


@pytest.mark.parametrize("seconds", [2, 3000])
def test_avi_begins_at_0(make_clip: MakeClip, tmp_path: Path, seconds: int) -> None:
    clip = make_clip("in.mkv", frames=25, audio=("pcm_s16le",))
    info = probe(later(clip, tmp_path / "late.mkv", seconds))
    notes: list[str] = []
    output = remake(info, tmp_path / "o.avi", settings("libx264", bf="0"), note=notes.append)
    assert places(output) == list(range(25))
    assert [p[2] for p in packets(output, "audio")][:5] == [p[2] for p in packets(clip, "audio")][
        :5
    ]
    assert notes == [f"all times are {seconds} s earlier: AVI begins at 0"]


@pytest.mark.parametrize("rate", [25, 60])
@pytest.mark.parametrize("seconds", [0, 2])
def test_sound_that_begins_just_before_leaves_no_gap_in_avi(
    make_clip: MakeClip, tmp_path: Path, rate: int, seconds: int
) -> None:
    """As AAC does, by 1024 samples that fill the decoder."""
    clip = make_clip("in.mp4", frames=25, rate=rate, audio=("aac",))
    assert packets(clip, "audio")[0][0] < 0
    info = probe(later(clip, tmp_path / "late.mkv", seconds))
    output = remake(info, tmp_path / "o.avi", settings("libx264", bf="0"))
    assert places(output) == list(range(25))
    assert [p[2] for p in packets(output, "audio")] == [p[2] for p in packets(clip, "audio")]


@pytest.mark.parametrize("rate", [15, 25])
def test_avi_made_of_an_avi_is_no_later(make_clip: MakeClip, tmp_path: Path, rate: int) -> None:
    """FFmpeg has H.264 in it a frame late, and but counts the packets of MP3."""
    clip = make_clip("in.mp4", frames=25, rate=rate, audio=("mp3",))
    first = remake(probe(clip), tmp_path / "1.avi", settings("libx264", bf="0"))
    assert packets(first, "video")[0][0] == 1 and packets(first, "audio")[0][0] == 0
    second = remake(probe(first), tmp_path / "2.avi", settings("libx264", bf="0"))
    assert places(first) == places(second) == list(range(25))


@pytest.mark.parametrize("codec", ["mp2", "mp3", "ac3", "aac"])
def test_sound_of_an_avi_is_counted_in_packets(
    make_clip: MakeClip, tmp_path: Path, codec: str
) -> None:
    """In blocks, of which there is no size, its length would be another, and so would seeking."""
    clip = make_clip("in.mkv", frames=25, audio=(codec,))
    first = remake(probe(clip), tmp_path / "1.avi", settings("mpeg4"))
    second = remake(probe(first), tmp_path / "2.avi", settings("mpeg4"))
    count = len(packets(clip, "audio"))
    for path in (first, second):
        header = path.read_bytes()[:8192].partition(b"auds")[2]
        length, _, _, size = np.frombuffer(header[28:44], "<u4")
        assert (length, size) == (count, 0)
    sounds = [[p[2] for p in packets(path, "audio")] for path in (first, second)]
    assert sounds[0] == sounds[1] and len(sounds[0]) == count


@pytest.mark.parametrize(
    ("codec", "name", "called", "suffix"),
    [("mp2", "in.mp4", "mp3", "flv"), ("eac3", "in.nut", "ac3", "mp4")],
)
def test_sound_called_what_it_is_not_is_converted_where_it_would_be_lost(
    make_clip: MakeClip, tmp_path: Path, codec: str, name: str, called: str, suffix: str
) -> None:
    """Muxers believe the name: it had failed after the work."""
    info = probe(make_clip(name, audio=(codec,), frames=50))
    assert info.streams[1].codec == called
    plan = plan_streams(info, tmp_path / f"o.{suffix}")
    assert [encoder for _, encoder in plan.converted] == ["aac"]
    output = remake(info, tmp_path / f"o.{suffix}", settings("libx264", bf="0"))
    assert len(packets(output, "audio")) > 80


def test_private_data_is_not_in_quicktime_without_a_description(
    make_clip: MakeClip, tmp_path: Path
) -> None:
    """It had been there, and called kept, as a track that says nowhere what it is."""
    clip = make_clip("in.ts", frames=10, audio=("flac",))  # which nobody reads from there
    said: list[str] = []
    output = remake(probe(clip), tmp_path / "o.mov", settings("libx264"), note=said.append)
    assert said == ["data stream 1 (bin_data): dropped, QuickTime cannot hold bin_data"]
    assert [stream.type for stream in probe(output).streams] == ["video"]
    assert b"\0\0\0\x10stsd" not in output.read_bytes()


def test_sound_of_a_single_packet_is_copied_to_quicktime(
    make_clip: MakeClip, tmp_path: Path
) -> None:
    """Said to last one tick, it was not found again; converted, it was lost."""
    clip = make_clip("in.mkv", frames=10, audio=("aac",))
    with av.open(str(clip)) as source, av.open(str(tmp_path / "one.mkv"), "w") as one:
        copies = [one.add_stream_from_template(each, opaque=True) for each in source.streams]
        heard = 0
        for packet in source.demux():
            heard += packet.stream_index
            if packet.size and (packet.stream_index == 0 or heard == 1):
                packet.stream = copies[packet.stream_index]
                one.mux(packet)
    (sent,) = packets(tmp_path / "one.mkv", "audio")
    assert sent[1] in (None, 0, 21)  # FFmpeg 9 has its length from the sound itself
    output = remake(probe(tmp_path / "one.mkv"), tmp_path / "o.mov", settings("libx264"))
    assert [content for _, _, content in packets(output, "audio")] == [sent[2]]


@pytest.mark.parametrize("suffix", ["webm", "mp4"])
def test_sound_of_which_nothing_is_decoded_is_told(
    make_clip: MakeClip, tmp_path: Path, suffix: str
) -> None:
    """It was converted to nothing, in silence."""
    clip = make_clip("in.mkv", frames=10, audio=("ac3",))
    with av.open(str(clip)) as source, av.open(str(tmp_path / "bad.mkv"), "w") as bad:
        copies = [bad.add_stream_from_template(each, opaque=True) for each in source.streams]
        for packet in source.demux():
            if packet.size:
                made = av.Packet(bytes(packet.size) if packet.stream_index else bytes(packet))
                made.pts, made.dts, made.time_base = packet.pts, packet.dts, packet.time_base
                made.stream = copies[packet.stream_index]
                bad.mux(made)
    notes: list[str] = []
    codec = "libvpx-vp9" if suffix == "webm" else "libx264"
    info = probe(tmp_path / "bad.mkv")
    remake(info, tmp_path / f"o.{suffix}", settings(codec), note=notes.append)
    assert "audio stream 1 is silent in the output: nothing of it can be decoded" in notes


def test_pictures_may_begin_later_in_avi(make_clip: MakeClip, tmp_path: Path) -> None:
    clip = make_clip("in.mkv", frames=25, audio=("pcm_s16le",))
    late = later(clip, tmp_path / "late.mkv", Fraction(4, 5), "video")
    info = probe(later(late, tmp_path / "later.mkv", 2))
    notes: list[str] = []
    output = remake(info, tmp_path / "o.avi", settings("libx264", bf="0"), note=notes.append)
    assert places(output) == [0, *range(21, 45)]  # the first is shown from the beginning
    assert notes == ["all times are 2 s earlier: AVI begins at 0"]


@pytest.mark.parametrize(("late", "told"), [("0.7", True), ("0.04", False)])
def test_sound_that_begins_too_late_for_avi_is_said(
    make_clip: MakeClip, tmp_path: Path, late: str, told: bool
) -> None:
    clip = make_clip("in.mkv", frames=25, audio=("pcm_s16le",))
    info = probe(later(clip, tmp_path / "late.mkv", Fraction(late), "audio"))
    notes: list[str] = []
    output = remake(info, tmp_path / "o.avi", settings("libx264", bf="0"), note=notes.append)
    assert places(output) == list(range(25))
    assert notes == ["audio stream 1 plays 0.7 s early: sound begins at 0 in AVI"] * told


@pytest.mark.parametrize("even", [True, False])
def test_matroska_says_what_each_frame_lasts_only_if_any_does(
    make_clip: MakeClip, tmp_path: Path, even: bool
) -> None:
    """FFmpeg takes it for the rate of all, and leaves out frames that come sooner."""
    times = [*range(0, 400, 40), *range(400, 1200, 40 if even else 80)]
    base = Fraction(1, 1000)
    clip = make_clip("in.mp4", pts=times, time_base=base, frames=len(times))
    info = probe(clip)
    assert info.rate is not None and (info.rate == 25) == even
    output = remake(info, tmp_path / "o.mkv", settings("libx264"))
    with av.open(str(output)) as container:
        stream = container.streams.video[0]
        assert (stream.average_rate or None, stream.base_rate) == (25 if even else None, 25)
    assert shown(output) == (times, base)


def test_joining_changes_no_sample(tmp_path: Path, vfr: MediaInfo) -> None:
    frames = list(Reader(vfr.path, info=vfr))
    for codec, length in (("ffv1", 1), ("ffv1", 5), ("libx264", 5), ("libx264", 12)):
        output = remake(
            vfr,
            tmp_path / f"{codec}{length}.mkv",
            settings(codec, **{"qp": "0"} if codec == "libx264" else {}),
            length=length,
        )
        for got, sent in zip(decode(output), frames, strict=True):
            for new, old in zip(from_video_frame(got).planes, sent.planes, strict=True):
                np.testing.assert_array_equal(new, old)


def test_decoding_times_run_through_all_segments(tmp_path: Path, vfr: MediaInfo) -> None:
    frames = frames_at(VFR, BASE, "yuv420p", (64, 64))
    paths = [
        write_segment(tmp_path / f"{k}", vfr, frames[k : k + 6], settings("libx264"))
        for k in (0, 6)
    ]
    timing = Timing.of(paths)
    assert all(a < b for a, b in zip(timing.dts, timing.dts[1:], strict=False))
    assert all(dts <= pts for dts, pts in zip(timing.dts, timing.decoded, strict=True))
    assert timing.decoded != timing.shown == tuple(VFR)
    assert timing.end == (VFR[-1] + VFR[-1] - VFR[-2]) * BASE
    with pytest.raises(OutputError, match="does not follow"):
        Timing.of(paths[::-1])


@pytest.mark.parametrize(
    "times",
    [
        [21, 61, 101, *range(141, 861, 80)],
        [21 + round(n * 1001 / 30) for n in range(12)],
    ],
)
def test_pictures_that_begin_late_begin_then_in_mp4(
    make_clip: MakeClip, tmp_path: Path, times: list[int]
) -> None:
    """Just behind sound that begins with what fills its decoder, as in Matroska made of MP4.

    The first frames come sooner than the mean one, and only later ones change places.
    """
    clip = make_clip("in.mkv", frames=12, pts=times, time_base=Fraction(1, 1000))
    info, frames = probe(clip), list(Reader(clip))
    parts = [
        write_segment(tmp_path / f"{part.start}", info, frames[part], settings("libx264"))
        for part in (slice(0, 2), slice(2, 12))
    ]
    notes: list[str] = []
    assemble(parts, info, tmp_path / "o.mp4", StreamPlan(), note=notes.append)
    got, unit = shown(tmp_path / "o.mp4")
    assert [pts * unit * 1000 for pts in got] == times and notes == []


EVERYTHING: dict[str, Any] = {
    "frames": 12,
    "audio": ("aac", "flac"),
    "chapters": CHAPTERS,
    "sar": Fraction(8, 9),
    "tags": ColourTags(1, 1, 1, 1, 1),
    "display_matrix": TURNED,
    "metadata": {"title": "A title", "artist": "Someone"},
    "video_metadata": {"language": "fra"},
}


@pytest.mark.parametrize(
    ("source", "target"), [("mkv", "mkv"), ("mp4", "mp4"), ("mkv", "mp4"), ("mp4", "mkv")]
)
def test_nothing_is_lost(make_clip: MakeClip, tmp_path: Path, source: str, target: str) -> None:
    more = {"subtitles": ("Hello",), "cover": True}
    if source == "mkv":
        more["attachments"] = (("font.ttf", "font/ttf", b"glyphs" * 50),)
    clip = make_clip(f"in.{source}", **EVERYTHING, **more)
    info = probe(clip)
    output = remake(info, tmp_path / f"out.{target}", settings("libx264"))
    made = probe(output)
    for word in ("width", "height", "rate", "tags", "sar", "display_matrix", "chapters", "depth"):
        assert getattr(made, word) == getattr(info, word), word
    tags = {k.lower(): v for k, v in made.metadata.items()}  # Matroska writes capitals
    assert {k: tags[k] for k in ("title", "artist")} == EVERYTHING["metadata"]
    for number in (0, 1):
        old, new = packets(clip, "audio", number), packets(output, "audio", number)
        assert [p[2] for p in new] == [p[2] for p in old]
        if source == target:
            assert [p[:2] for p in new] == [p[:2] for p in old]
    with av.open(str(clip)) as before, av.open(str(output)) as after:
        assert [c["metadata"] for c in after.chapters()] == [
            c["metadata"] for c in before.chapters()
        ]
        times = [
            [
                (c["start"] * Fraction(c["time_base"]), c["end"] * Fraction(c["time_base"]))
                for c in f.chapters()
            ]
            for f in (before, after)
        ]
        assert times[0] == times[1]
        assert after.streams.video[0].language == "fra"
        if source == target:  # MP4 enables the first track of a kind
            old_flags, new_flags = (
                [s.disposition for s in f.streams.audio] for f in (before, after)
            )
            assert new_flags == old_flags
        if (source, target) == ("mkv", "mkv"):
            (font,) = after.streams.attachments
            assert (font.name, font.mimetype, font.data) == ("font.ttf", "font/ttf", b"glyphs" * 50)
    covers = [s for s in made.streams if s.attached_picture]
    assert [s.codec for s in covers] == ["mjpeg"]
    assert len([s for s in made.streams if s.type == "subtitle"]) == 1


def test_order_of_streams_and_dispositions(make_clip: MakeClip, tmp_path: Path) -> None:
    plain = make_clip("plain.mkv", frames=12, audio=("aac", "aac"))
    mixed = tmp_path / "mixed.mkv"
    with av.open(str(plain)) as source, av.open(str(mixed), "w") as output:
        order = [source.streams[i] for i in (1, 0, 2)]
        made = {s.index: output.add_stream_from_template(s, opaque=True) for s in order}
        made[2].disposition = av.stream.Disposition.comment
        made[2].metadata.update({"language": "deu", "title": "Kommentar"})
        made[1].disposition = av.stream.Disposition.default
        for packet in source.demux():
            if packet.size:
                packet.stream = made[packet.stream_index]
                output.mux(packet)
    output_path = remake(probe(mixed), tmp_path / "o.mkv", settings("libx264"))
    with av.open(str(output_path)) as container:
        assert [s.type for s in container.streams] == ["audio", "video", "audio"]
        assert container.streams[2].disposition == av.stream.Disposition.comment
        assert container.streams[2].metadata["language"] in ("ger", "deu")
        assert container.streams[2].metadata["title"] == "Kommentar"


@pytest.mark.parametrize("suffix", ["mp4", "mov", "mkv"])
def test_the_title_of_a_stream_of_mp4_is_kept(
    make_clip: MakeClip, tmp_path: Path, suffix: str
) -> None:
    titled = tmp_path / "titled.mp4"
    with av.open(str(make_clip(audio=("aac",)))) as source, av.open(str(titled), "w") as output:
        made: list[Any] = [output.add_stream_from_template(s, opaque=True) for s in source.streams]
        made[1].metadata["title"] = "Commentary"
        for packet in source.demux():
            if packet.size:
                packet.stream = made[packet.stream_index]
                output.mux(packet)
    assert probe(titled).streams[1].title == "Commentary"
    path = remake(probe(titled), tmp_path / f"o.{suffix}", settings("libx264"))
    assert probe(path).streams[1].title == "Commentary"
    if suffix == "mkv":
        with av.open(str(path)) as container:
            assert container.streams[1].metadata["title"] == "Commentary"


@pytest.mark.parametrize("suffix", ["mp4", "mkv"])
def test_a_mirrored_display_matrix(make_clip: MakeClip, tmp_path: Path, suffix: str) -> None:
    info = probe(make_clip(f"in.{suffix}", display_matrix=FLIPPED if suffix == "mp4" else TURNED))
    output = remake(info, tmp_path / f"o.{suffix}", settings("libx264"))
    assert probe(output).display_matrix == info.display_matrix is not None


@pytest.mark.parametrize("sar", [Fraction(8, 9), Fraction(16, 15), Fraction(40, 33)])
@pytest.mark.parametrize(
    ("suffix", "codec"), [("mkv", "ffv1"), ("webm", "libvpx-vp9"), ("mp4", "ffv1")]
)
def test_the_aspect_of_pixels_is_in_the_container(
    vfr: MediaInfo, tmp_path: Path, suffix: str, codec: str, sar: Fraction
) -> None:
    output = remake(replace(vfr, sar=sar), tmp_path / f"o.{suffix}", settings(codec))
    assert probe(output).sar == sar
    with av.open(str(output)) as container:
        assert "title" not in container.streams.video[0].metadata
    assert len(decode(output)) == len(VFR)


@pytest.mark.parametrize(
    ("codec", "name", "before", "lost"),
    [
        ("mpeg2video", "o.mov", ColourTags(1, 1, 1, 2), "range"),
        ("mpeg2video", "o.mov", ColourTags(1, 1, 1, 1), None),
        ("mjpeg", "o.mov", ColourTags(1, 1, 1, 2), "matrix"),
        ("mjpeg", "o.mov", ColourTags(6, 6, 6, 2), None),
        ("mjpeg", "o.mov", ColourTags(5, 6, 6, 1), "range"),
        ("ffv1", "o.avi", ColourTags(2, 2, 2, 2), "range"),
        ("ffv1", "o.avi", ColourTags(6, 6, 6, 1), "matrix, primaries, transfer"),
        ("ffv1", "o.mkv", ColourTags(6, 6, 6, 2), None),
        ("mpeg4", "o.mp4", ColourTags(chroma_location=3), "siting of chroma"),
        ("mpeg4", "o.mp4", ColourTags(chroma_location=1), None),
        ("libx264", "o.mp4", ColourTags(chroma_location=3), None),
    ],
)
def test_colour_tags_that_cannot_be_read_again_are_told(
    make_clip: MakeClip,
    tmp_path: Path,
    codec: str,
    name: str,
    before: ColourTags,
    lost: str | None,
) -> None:
    info = replace(probe(make_clip(frames=2)), tags=before)
    notes: list[str] = []
    remake(info, tmp_path / name, settings(codec), note=notes.append)
    told = [note.split("colour tags: ")[1] for note in notes if "colour tags" in note]
    assert told == ([] if lost is None else [lost])


def test_gray_has_no_matrix_to_lose(tmp_path: Path) -> None:
    """That of a JPEG, which H.264 in MP4 does not say of gray."""
    made = Image.fromarray(np.full((48, 64), 99, np.uint8))
    made.save(tmp_path / "gray.jpg")
    info, notes = probe(tmp_path / "gray.jpg"), list[str]()
    assert info.tags.matrix == 5
    remake(info, tmp_path / "out.mp4", settings("libx264"), note=notes.append)
    assert notes == []


def test_stale_tags_do_not_survive(make_clip: MakeClip, tmp_path: Path) -> None:
    stale = {"BPS": "1", "NUMBER_OF_FRAMES-eng": "9", "_STATISTICS_TAGS": "BPS", "ENCODER": "old"}
    clip = make_clip("in.mkv", video_metadata={**stale, "title": "Main", "KEPT": "yes"})
    output = remake(probe(clip), tmp_path / "o.mkv", settings("libx264"))
    with av.open(str(output)) as container:
        tags = container.streams.video[0].metadata
        assert {k: v for k, v in tags.items() if k != "DURATION"} == {
            "title": "Main",
            "KEPT": "yes",
        }
        assert "major_brand" not in container.metadata
    output = remake(probe(make_clip("in.mp4")), tmp_path / "p.mkv", settings("libx264"))
    with av.open(str(output)) as container:
        assert set(container.metadata) == {"encoder"}
        assert set(container.streams.video[0].metadata) <= {"DURATION", "language"}


def test_unusual_tags_survive_mp4(make_clip: MakeClip, tmp_path: Path) -> None:
    clip = make_clip("in.mkv", metadata={"title": "T", "com.example.key": "v"})
    output = remake(probe(clip), tmp_path / "o.mp4", settings("libx264"))
    tags = {k.lower(): v for k, v in probe(output).metadata.items()}
    assert (tags["title"], tags["com.example.key"]) == ("T", "v")


def test_captions_are_converted_with_their_times(make_clip: MakeClip, tmp_path: Path) -> None:
    clip = make_clip("in.mkv", subtitles=("Hello <i>you</i>",), frames=12)
    mp4 = remake(probe(clip), tmp_path / "o.mp4", settings("libx264"))
    (text,) = [p for p in packets(mp4, "subtitle") if len(p[2]) > 2]
    with av.open(str(mp4)) as container:
        base = Fraction(container.streams.subtitles[0].time_base)
    assert (text[0] * base, text[1] * base) == (Fraction(1, 10), Fraction(1, 5))  # type: ignore[operator]
    assert text[2][2:11] == b"Hello you"
    webm = remake(probe(clip), tmp_path / "o.webm", settings("libvpx-vp9"))
    assert packets(webm, "subtitle") == [(100, 200, b"Hello <i>you</i>")]
    back = remake(probe(mp4), tmp_path / "p.mkv", settings("libx264"))
    assert packets(back, "subtitle") == [(100, 200, b"Hello <i>you</i>")]


def test_sound_is_converted_for_webm(make_clip: MakeClip, tmp_path: Path) -> None:
    clip = make_clip("in.mkv", audio=("flac",), frames=25)
    notes: list[str] = []
    output = remake(probe(clip), tmp_path / "o.webm", settings("libvpx-vp9"), note=notes.append)
    assert notes == ["audio stream 1 (flac): converted to libopus"]
    with av.open(str(output)) as container:
        stream = container.streams.audio[0]
        assert stream.codec_context.codec.canonical_name == "opus"
        samples = np.concatenate([f.to_ndarray()[0] for f in container.decode(stream)])
    assert abs(len(samples) - 48000) < 1000
    spectrum = np.abs(np.fft.rfft(samples[4800:43200]))
    assert abs(int(spectrum.argmax()) * 48000 / 38400 - 440) < 2


def test_without_audio(make_clip: MakeClip, tmp_path: Path) -> None:
    clip = make_clip("in.mkv", audio=("aac",), subtitles=("Hi",))
    output = remake(probe(clip), tmp_path / "o.mkv", settings("libx264"), audio=False)
    assert [s.type for s in probe(output).streams] == ["video", "subtitle"]


@pytest.mark.parametrize("suffix", ["mp4", "mkv"])
def test_a_cut_begins_at_zero_and_takes_everything_along(
    make_clip: MakeClip, tmp_path: Path, suffix: str
) -> None:
    clip = make_clip(
        "in.mov",
        frames=50,
        audio=("pcm_s16le",),
        chapters=[(Fraction(0), Fraction(1), "A"), (Fraction(1), Fraction(2), "B")],
    )
    info = probe(clip)
    start, end = Fraction(12, 25), Fraction(37, 25)
    frames = list(Reader(clip, info=info, start=start, end=end))
    output = remake(
        info,
        tmp_path / f"o.{suffix}",
        settings("libx264"),
        frames=frames,
        length=10,
        start=start,
        end=end,
    )
    pts, base = shown(output)
    assert [p * base for p in pts] == [Fraction(i, 25) for i in range(25)]
    with av.open(str(clip)) as before, av.open(str(output)) as after:
        whole, part = (
            np.concatenate([f.to_ndarray().reshape(-1, 2)[:, 0] for f in c.decode(audio=0)])
            for c in (before, after)
        )
        first = after.streams.audio[0].start_time or 0
        offset = round(first * Fraction(after.streams.audio[0].time_base) * 48000)
        chapters = [
            (c["start"] * Fraction(c["time_base"]), c["end"] * Fraction(c["time_base"]))
            for c in after.chapters()
        ]
    assert 0 <= offset <= 1024
    lag = 0 if suffix == "mp4" else 24  # Matroska's clock of 1 ms rounds by half of it
    starts = range(23040 + offset - lag, 23040 + offset + lag + 1)
    assert any(np.array_equal(part[:40000], whole[at:][:40000]) for at in starts)
    assert 48000 - offset <= len(part) + 1024
    assert len(part) + offset <= 48000 + 1024
    assert chapters == [(0, Fraction(13, 25)), (Fraction(13, 25), 1)]


def test_a_caption_on_screen_at_the_cut_stays(make_clip: MakeClip, tmp_path: Path) -> None:
    info = probe(make_clip("in.mkv", frames=25, subtitles=("Still here",)))  # 0.1 s to 0.3 s
    frames = list(Reader(info.path, info=info, start=Fraction(1, 5)))
    output = remake(
        info, tmp_path / "o.mkv", settings("libx264"), frames=frames, start=Fraction(1, 5)
    )
    assert packets(output, "subtitle") == [(0, 100, b"Still here")]
    output = remake(
        info, tmp_path / "p.mkv", settings("libx264"), frames=frames[10:], start=Fraction(3, 5)
    )
    assert packets(output, "subtitle") == []


def test_an_end_of_zero_ends_with_the_last_frame(make_clip: MakeClip, tmp_path: Path) -> None:
    info = probe(make_clip("in.mkv", frames=25, audio=("pcm_s16le",)))
    frames = list(Reader(info.path, info=info, max_frames=10))
    output = remake(info, tmp_path / "o.mkv", settings("libx264"), frames=frames, end=Fraction(0))
    assert len(decode(output)) == 10
    assert all(pts is not None and pts < 400 for pts, _, _ in packets(output, "audio"))


def test_negative_times_are_moved_together_in_mp4(make_clip: MakeClip, tmp_path: Path) -> None:
    info = probe(make_clip("in.mkv", frames=10, audio=("pcm_s16le",)))
    frames = [replace(f, pts=f.pts - 80) for f in Reader(info.path, info=info)]
    notes: list[str] = []
    output = remake(info, tmp_path / "o.mp4", settings("libx264"), frames=frames, note=notes.append)
    pts, base = shown(output)
    assert [p * base for p in pts] == [Fraction(i, 25) for i in range(10)]
    with av.open(str(output)) as container:
        audio = container.streams.audio[0]
        assert (audio.start_time or 0) * Fraction(audio.time_base) == Fraction(2, 25)
    assert notes == ["all times are 80 ms later: MP4 shows nothing before 0"]


def test_a_late_start_is_kept(make_clip: MakeClip, tmp_path: Path) -> None:
    late = [2000 + 3600 * i for i in range(10)]
    clip = make_clip(pts=late, time_base=BASE, frames=10, audio=("aac",))
    output = remake(probe(clip), tmp_path / "o.mp4", settings("libx264"))
    assert shown(output) == (late, BASE)
    assert packets(output, "audio") == packets(clip, "audio")


def test_times_that_run_backwards_in_the_source(make_clip: MakeClip, tmp_path: Path) -> None:
    clip = make_clip("in.mkv", frames=12, audio=("aac",))
    broken = tmp_path / "broken.nut"
    with av.open(str(clip)) as source, av.open(str(broken), "w") as output:
        made = [output.add_stream_from_template(s, opaque=True) for s in source.streams]
        for number, packet in enumerate(p for p in source.demux() if p.size):
            if packet.stream_index == 1 and number % 5 == 0:
                packet.pts = packet.dts = packet.pts - 1 if packet.pts else 0
            packet.stream = made[packet.stream_index]
            output.mux(packet)
    info = probe(broken)
    output_path = remake(info, tmp_path / "o.mp4", settings("libx264"))
    assert [p[2] for p in packets(output_path, "audio")] == [p[2] for p in packets(broken, "audio")]


def test_transport_streams_come_in_and_go_out(make_clip: MakeClip, tmp_path: Path) -> None:
    clip = make_clip("in.ts", frames=12, audio=("aac",))
    output = remake(probe(clip), tmp_path / "o.mp4", settings("libx264"))
    assert len(packets(output, "audio")) == len(packets(clip, "audio"))
    with av.open(str(output)) as container:
        assert sum(1 for _ in container.decode(audio=0)) > 5
    again = remake(probe(output), tmp_path / "o.ts", settings("libx264"))
    assert len(decode(again)) == 12


def test_the_same_job_gives_the_same_bytes(make_clip: MakeClip, tmp_path: Path) -> None:
    info = probe(make_clip("in.mkv", **EVERYTHING))
    for suffix in ("mp4", "mkv"):
        made = [
            remake(info, tmp_path / f"{n}" / f"o.{suffix}", settings("libx264"))
            for n in map(_folder(tmp_path), "ab")
        ]
        assert made[0].read_bytes() == made[1].read_bytes()


def _folder(base: Path) -> Callable[[str], str]:
    def make(name: str) -> str:
        (base / name).mkdir(exist_ok=True)
        return name

    return make


@pytest.fixture
def ready(vfr: MediaInfo, tmp_path: Path) -> tuple[list[Path], MediaInfo, Path]:
    """One segment and a place for the output."""
    folder = tmp_path / "out"
    folder.mkdir()
    path = write_segment(tmp_path / "s", vfr, list(Reader(vfr.path)), settings("libx264"))
    return [path], vfr, folder / "o.mp4"


def test_an_existing_output_is_only_replaced_when_told(
    ready: tuple[list[Path], MediaInfo, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    segments, info, output = ready
    output.write_bytes(b"precious")
    with pytest.raises(OutputError, match=r"exists already; use --overwrite or another name"):
        assemble(segments, info, output, StreamPlan())
    (output.parent / ".o.mp4.part").write_bytes(b"left by a killed run")

    def fail(*arguments: Any) -> None:
        raise OutputError("no")

    with monkeypatch.context() as patch:
        patch.setattr(assemble_module, "verify", fail)
        with pytest.raises(OutputError, match="no"):
            assemble(segments, info, output, StreamPlan(), overwrite=True)
    assert output.read_bytes() == b"precious"
    assert os.listdir(output.parent) == ["o.mp4"]  # noqa: PTH208
    assemble(segments, info, output, StreamPlan(), overwrite=True)
    assert len(decode(output)) == len(VFR)
    assert [p.name for p in output.parent.iterdir()] == ["o.mp4"]


def test_the_input_is_never_the_output(ready: tuple[list[Path], MediaInfo, Path]) -> None:
    segments, info, output = ready
    with pytest.raises(UsageError, match="is the input"):
        assemble(segments, info, info.path, StreamPlan(), overwrite=True)
    output.hardlink_to(info.path)
    with pytest.raises(UsageError, match="is the input"):
        check_output(info.path, output, overwrite=True)


def test_places_that_cannot_be_written(ready: tuple[list[Path], MediaInfo, Path]) -> None:
    segments, info, output = ready
    with pytest.raises(OutputError, match="its folder does not exist"):
        assemble(segments, info, output.parent / "no" / "o.mp4", StreamPlan())
    (output.parent / "d.mp4").mkdir()
    with pytest.raises(OutputError, match="is a folder"):
        check_output(info.path, output.parent / "d.mp4", overwrite=True)
    with pytest.raises(UsageError, match="unknown kind"):
        check_output(info.path, output.with_suffix(".doc"), overwrite=True)


def test_a_full_disk_leaves_nothing(ready: tuple[list[Path], MediaInfo, Path]) -> None:
    segments, info, output = ready
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2000, before[1]))
    try:
        with pytest.raises(OutputError, match=r"o\.mp4: the disk is full"):
            assemble(segments, info, output, StreamPlan())
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert list(output.parent.iterdir()) == []


def test_a_damaged_segment_is_named(ready: tuple[list[Path], MediaInfo, Path]) -> None:
    segments, info, output = ready
    data = segments[0].read_bytes()
    segments[0].write_bytes(data[:300] + bytes(len(data) - 1300) + data[-1000:])
    with pytest.raises(OutputError):
        assemble(segments, info, output, StreamPlan())
    segments[0].write_bytes(data[:1000])
    with pytest.raises(OutputError, match="s: is no finished segment"):
        assemble(segments, info, output, StreamPlan())
    assert list(output.parent.iterdir()) == []


def test_segments_of_two_encoders_do_not_mix(tmp_path: Path, vfr: MediaInfo) -> None:
    frames = frames_at(VFR, BASE, "yuv420p", (64, 64))
    segments = [
        write_segment(tmp_path / "a", vfr, frames[:6], settings("libx264")),
        write_segment(tmp_path / "b", vfr, frames[6:], settings("libx264", bf="0")),
    ]
    with pytest.raises(OutputError, match="b: was encoded otherwise"):
        assemble(segments, vfr, tmp_path / "o.mp4", StreamPlan())
    assert not (tmp_path / "o.mp4").exists()


@pytest.mark.parametrize("harm", ["frame", "time", "sound", "garbage"])
def test_the_check_finds_what_is_wrong(
    make_clip: MakeClip, tmp_path: Path, harm: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    info = probe(make_clip("in.mkv", frames=12, audio=("aac",)))
    real = assemble_module.Ordered.mux
    seen: list[int] = []

    def mux(self: Any, packet: Any, stream: Any) -> None:
        seen.append(stream.index)
        tenth = seen.count(stream.index) == 10
        if harm == "frame" and stream.type == "video" and tenth:
            return
        if harm == "sound" and stream.type == "audio" and tenth:
            self.counts[stream.index] += 1
            return
        if harm == "time" and stream.type == "video" and tenth:
            packet.pts += 20
        if harm == "garbage" and stream.type == "video" and seen.count(stream.index) > 8:
            times = packet.pts, packet.dts, packet.duration, packet.time_base
            packet = av.Packet(bytes(len(bytes(packet))))
            packet.pts, packet.dts, packet.duration, packet.time_base = times
        real(self, packet, stream)

    monkeypatch.setattr(assemble_module.Ordered, "mux", mux)
    with pytest.raises(OutputError, match="failed its check after writing"):
        remake(info, tmp_path / "o.mkv", settings("libx264"), length=4)
    assert not list(tmp_path.glob("*o.mkv*"))


def test_the_check_finds_a_last_frame_that_does_not_decode(
    make_clip: MakeClip, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    info = probe(make_clip("in.mkv", frames=12))
    real = assemble_module.Ordered.mux
    seen: list[int] = []

    def mux(self: Any, packet: Any, stream: Any) -> None:
        seen.append(packet.pts)
        if len(seen) == 12:
            times = packet.pts, packet.dts, packet.duration, packet.time_base
            packet = av.Packet(bytes(packet.size))
            packet.pts, packet.dts, packet.duration, packet.time_base = times
        real(self, packet, stream)

    monkeypatch.setattr(assemble_module.Ordered, "mux", mux)
    with pytest.raises(OutputError, match="its last frame does not decode"):
        remake(info, tmp_path / "o.mkv", settings("libx264", bf="0"), length=12)
    assert seen == sorted(seen) and not list(tmp_path.glob("*o.mkv*"))


def twice(clip: Path, both: Path) -> Path:
    """Write the video of a clip as two streams of the file `both`."""
    with av.open(str(clip)) as source, av.open(str(both), "w") as made:
        video = source.streams.video[0]
        copies = [made.add_stream_from_template(video) for _ in range(2)]
        for copy in copies:
            copy.disposition = av.stream.Disposition(0)
        for packet in source.demux(video):
            if not packet.size:
                continue
            data = bytes(packet)
            for copy in copies:
                twin = av.Packet(data)
                twin.pts, twin.dts, twin.time_base = packet.pts, packet.dts, packet.time_base
                twin.is_keyframe, twin.stream = packet.is_keyframe, copy
                made.mux(twin)
    return both


@pytest.mark.parametrize("index", [0, 1])
def test_the_check_looks_at_the_video_that_was_made(
    make_clip: MakeClip, tmp_path: Path, index: int
) -> None:
    """Not at the one FFmpeg would choose of two."""
    both = twice(make_clip(frames=6), tmp_path / "both.mkv")
    info = replace(probe(both), video_index=index)
    frames = list(Reader(both))[:4]
    output = remake(info, tmp_path / "out.mp4", settings("libx264"), frames=frames)
    with av.open(str(output)) as container:
        assert [stream.frames for stream in container.streams.video] == [4, 6][:: 1 - 2 * index]


def with_noise(
    clip: Path, output: Path, codec: str, form: str, layout: str = "stereo"
) -> NDArray[Any]:
    """Add sound of 24 or 16 bits or floats (`form`) to a clip; return its samples.

    They are [1, channels * n], floats beyond 1.
    """
    kind, low = (np.int32, 256) if form.startswith("s32") else (np.int16, 1)
    most = np.iinfo(kind).max // low
    noise = (np.random.default_rng(0).integers(-most, most, (1, 40_000)) * low).astype(kind)
    if form.startswith("flt"):
        noise = noise.astype(np.float32) / 8192
    frame = av.AudioFrame.from_ndarray(noise, form.rstrip("p"), layout)
    frame.sample_rate, frame.pts, frame.time_base = 48_000, 0, Fraction(1, 48_000)
    with av.open(str(clip)) as source, av.open(str(output), "w") as made:
        video = made.add_stream_from_template(source.streams.video[0], opaque=True)
        sound = made.add_stream(codec, rate=48_000, layout=layout)
        sound.codec_context.format = form
        for packet in source.demux(video=0):
            if packet.size:
                packet.stream = video
                made.mux(packet)
        made.mux([*sound.encode(frame), *sound.encode(None)])
    return noise


@pytest.mark.parametrize(
    ("codec", "form", "layout", "name", "encoder"),
    [
        ("flac", "s32", "stereo", "o.mov", "pcm_s24le"),
        ("flac", "s16", "stereo", "o.mov", "pcm_s16le"),
        ("wavpack", "s32p", "stereo", "o.mp4", "flac"),
        ("wavpack", "s16p", "stereo", "o.mp4", "flac"),
        ("wavpack", "s32p", "3.1", "o.mp4", "pcm_s24le"),  # FLAC would make it quad
        ("wavpack", "fltp", "stereo", "o.mp4", "pcm_f32le"),
        ("alac", "s32p", "stereo", "o.avi", "pcm_s24le"),
    ],
)
def test_sound_without_loss_stays_so(
    make_clip: MakeClip, tmp_path: Path, codec: str, form: str, layout: str, name: str, encoder: str
) -> None:
    """Where the container cannot hold its coding but another such one."""
    noise = with_noise(make_clip(frames=12), tmp_path / "in.mkv", codec, form, layout)
    notes: list[str] = []
    output = remake(
        probe(tmp_path / "in.mkv"), tmp_path / name, settings("mpeg4"), note=notes.append
    )
    assert notes[0] == f"audio stream 1 ({codec}): converted to {encoder}"
    with av.open(str(output)) as made:
        assert made.streams.audio[0].layout.name == layout
        sound = [frame.to_ndarray() for frame in made.decode(audio=0)]
    assert np.array_equal(np.concatenate(sound, 1), noise)


def test_pcm_of_a_dvd_stays_without_loss_in_matroska(make_clip: MakeClip, tmp_path: Path) -> None:
    clip = make_clip("in.vob", codec="mpeg2video", frames=12, audio=("pcm_dvd",))
    notes: list[str] = []
    output = remake(probe(clip), tmp_path / "o.mkv", settings("libx264"), note=notes.append)
    assert notes == ["audio stream 1 (pcm_dvd): converted to flac"]
    sounds = []
    for path in (clip, output):
        with av.open(str(path)) as container:
            sounds.append([frame.to_ndarray().ravel() for frame in container.decode(audio=0)])
    before, after = map(np.concatenate, sounds)
    assert before.size > 20_000 and np.ptp(before) > 1000
    np.testing.assert_array_equal(after, before)


@pytest.mark.parametrize("name", ["o.mp4", "o.mov"])
def test_sound_whose_packets_tell_no_duration_is_copied_to_its_end(
    make_clip: MakeClip, tmp_path: Path, name: str
) -> None:
    """ALAC in Matroska: the last packet would have none in an MP4, and would not be read."""
    noise = with_noise(make_clip(frames=12), tmp_path / "in.mkv", "alac", "s16p", "stereo")
    output = remake(probe(tmp_path / "in.mkv"), tmp_path / name, settings("mpeg4"))
    with av.open(str(output)) as made:
        assert made.streams.audio[0].codec_context.name == "alac"
        sound = [frame.to_ndarray() for frame in made.decode(audio=0)]
    assert np.array_equal(np.concatenate(sound, 1).T.ravel(), noise[0])


def test_a_second_h264_is_copied_into_avi(make_clip: MakeClip, tmp_path: Path) -> None:
    """Which wants it as a byte stream, that no MP4 or Matroska has."""
    clip = make_clip(frames=6, options={"bf": "0"})
    info = probe(twice(clip, tmp_path / "both.mkv"))
    with av.open(str(remake(info, tmp_path / "o.avi", settings("libx264")))) as made:
        video = made.streams.video[1 - info.video_index]
        copied = [frame.to_ndarray() for frame in made.decode(video)]
    assert np.array_equal(copied, [frame.to_ndarray() for frame in decode(clip)])


def test_pictures_become_a_video(make_clip: MakeClip, tmp_path: Path) -> None:
    make_clip("p/%02d.png", codec="png", pix_fmt="rgb24", frames=6)
    info = probe(tmp_path / "p", rate=Fraction(24000, 1001))
    output = remake(info, tmp_path / "o.mp4", settings("libx264rgb"))
    pts, base = shown(output)
    assert [p * base for p in pts] == [i * Fraction(1001, 24000) for i in range(6)]
    assert probe(output).rate == Fraction(24000, 1001)
