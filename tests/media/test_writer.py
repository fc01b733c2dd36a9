"""Encoders, pixel formats and segments."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace

import av
import numpy as np
import pytest

from tests.clips import make_frame
from tests.conftest import MakeClip
from tests.segments import decode, frames_at, settings, write_segment
from vsrcli.errors import DeviceError, OutputError, UsageError
from vsrcli.media.encoders import (
    EncoderSettings,
    choose_codec,
    choose_pix_fmt,
    encoder_threads,
    fit_container,
    spare_memory,
)
from vsrcli.media.formats import CONVERTED, layout_of
from vsrcli.media.opening import Coding, _open, check_encoder
from vsrcli.media.planes import ColourTags, from_video_frame
from vsrcli.media.probe import MediaInfo, probe
from vsrcli.media.reader import Reader
from vsrcli.media.repack import target_tags
from vsrcli.media.segment_times import check_segment, read_times
from vsrcli.media.sources import has_alpha_beside
from vsrcli.media.writer import SegmentWriter, encoding_losses

BASE = Fraction(1, 90000)
VFR = [-700, 3000, 9000, 9001, 20000, 30000, 31000, 42000, 50000, 60000, 70000, 83333]


@pytest.fixture
def info(make_clip: MakeClip) -> MediaInfo:
    """A source with an exact clock of 1/90000 s."""
    return replace(probe(make_clip(frames=3)), time_base=BASE)


@pytest.mark.parametrize(
    ("codec", "pix_fmt"),
    [
        ("libx264", "yuv420p"),
        ("libx264", "yuv422p10le"),
        ("libx264rgb", "gbrp"),
        ("libx265", "yuv420p10le"),
        ("libsvtav1", "yuv420p10le"),
        ("libvpx-vp9", "yuv420p"),
        ("ffv1", "yuv444p16le"),
        ("prores_ks", "yuv422p10le"),
        ("mpeg4", "yuv420p"),
        ("mpeg2video", "yuv420p"),
        ("png", "gbrp"),
        ("mjpeg", "yuv420p"),
    ],
)
def test_segments_hold_every_frame_and_its_time(
    tmp_path: Path, info: MediaInfo, codec: str, pix_fmt: str
) -> None:
    frames = frames_at(VFR, BASE, pix_fmt, (66, 64))
    path = write_segment(tmp_path / "a.nut", info, frames, settings(codec))
    times = read_times(path)
    assert times.time_base == BASE
    assert sorted(times.pts) == VFR
    assert dict(zip(times.pts, times.durations, strict=True)) == {f.pts: f.duration for f in frames}
    assert len(decode(path)) == len(VFR)
    if codec in ("libx264", "libx265"):
        assert list(times.pts) != VFR  # B-frames are decoded in another order
    assert [p.name for p in tmp_path.glob("*a.nut*")] == ["a.nut"]


@pytest.mark.parametrize(
    ("codec", "pix_fmt", "options"),
    [
        ("ffv1", "yuv420p", {}),
        ("ffv1", "yuv420p10le", {}),
        ("ffv1", "yuva444p12le", {}),
        ("ffv1", "gbrp", {}),
        ("ffv1", "gbrp16le", {}),
        ("ffv1", "gray", {}),
        ("ffv1", "gray16le", {}),
        ("libx264", "yuv420p", {"qp": "0"}),
        ("libx264", "yuv444p", {"qp": "0"}),
        ("libx264", "yuv420p10le", {"qp": "0"}),
        ("libx264", "gray", {"qp": "0"}),
        ("libx264rgb", "gbrp", {"qp": "0"}),
        ("libx265", "yuv420p10le", {"x265-params": "lossless=1"}),
        ("libvpx-vp9", "yuv444p", {"lossless": "1"}),
        ("png", "gbrap", {}),
    ],
)
def test_lossless_codecs_keep_every_sample(
    tmp_path: Path, info: MediaInfo, codec: str, pix_fmt: str, options: dict[str, str]
) -> None:
    frames = frames_at([0, 3000, 6000], BASE, pix_fmt, (66, 64))
    path = write_segment(tmp_path / "a.nut", info, frames, settings(codec, **options))
    for got, sent in zip(decode(path), frames, strict=True):
        planes = from_video_frame(got).planes[: len(sent.planes)]  # H.264 decodes gray as 4:2:0
        for new, old in zip(planes, sent.planes, strict=True):
            np.testing.assert_array_equal(new, old)


def test_a_segment_does_not_depend_on_its_place(tmp_path: Path, info: MediaInfo) -> None:
    made = []
    for name, start in (("a", 0), ("b", 900_000)):
        times = [start + 3000 * i for i in range(6)]
        frames = frames_at(times, BASE, "yuv420p", (64, 64))
        made.append(write_segment(tmp_path / name, info, frames, settings("libx264")))
    first, second = (path.read_bytes() for path in made)
    cut = first.index(b'{"time_base"')
    assert first[:cut] == second[:cut]


@pytest.mark.parametrize(
    ("codec", "source", "chosen", "note"),
    [
        ("libx264", "yuv420p", "yuv420p", None),
        ("libx264", "yuv422p10le", "yuv422p10le", None),
        ("libx264", "gray", "gray", None),
        ("libx264", "yuva420p", "yuv420p", "transparency"),
        ("libx264", "yuv420p12le", "yuv420p10le", "12 bits"),
        ("libx264", "gbrp", "yuv444p", "RGB"),
        ("libx264", "yuv411p", "yuv422p", None),
        ("libx264rgb", "gbrp", "bgr0", None),
        ("libx265", "yuv444p12le", "yuv444p12le", None),
        ("libx265", "gbrp10le", "gbrp10le", None),
        ("libsvtav1", "yuv420p10le", "yuv420p10le", None),
        ("libsvtav1", "yuv444p", "yuv420p", "chroma resolution"),
        ("libsvtav1", "gray", "yuv420p", None),
        ("libvpx-vp9", "yuv420p10le", "yuv420p", "10 bits"),
        ("libvpx-vp9", "bgra", "gbrp", "transparency (kept by --pix-fmt yuva420p)"),
        ("libvpx-vp9", "yuva420p", "yuva420p", None),
        ("libx265", "yuva420p", "yuv420p", "cannot keep transparency"),
        ("prores_ks", "yuv420p", "yuv422p10le", None),
        ("mjpeg", "yuv422p", "yuvj422p", None),
        ("ffv1", "gbrap12le", "gbrap12le", None),
        ("png", "gray16le", "gray16be", None),
    ],
)
def test_the_pixel_format_loses_least(
    codec: str, source: str, chosen: str, note: str | None
) -> None:
    got, said = choose_pix_fmt(codec, layout_of(source))
    assert got == chosen
    assert (said is None) if note is None else (note in (said or ""))


@pytest.mark.parametrize(
    "codec", ["libvpx", "libvpx-vp9", "libx265", "ffvhuff", "prores_ks", "png"]
)
def test_transparency_that_is_offered_can_be_encoded(
    codec: str, tmp_path: Path, info: MediaInfo
) -> None:
    every = [form.name for form in av.Codec(codec, "w").video_formats or ()]
    clear = [name for name in every if name not in CONVERTED and "a" in name.replace("gray", "")]
    refused = []
    for pix_fmt in clear:
        frames = frames_at([0], BASE, "yuva420p", (64, 64))
        chosen = replace(settings(codec), pix_fmt=pix_fmt)
        try:
            write_segment(tmp_path / pix_fmt, info, frames, chosen)
        except UsageError as error:
            assert "cannot encode the pixel format" in str(error)
            refused.append(pix_fmt)
            context = av.CodecContext.create(codec, "w")
            context.width, context.height, context.pix_fmt = 64, 64, pix_fmt
            context.time_base, context.options = 1 / info.rate, {"auto-alt-ref": "0"}
            with pytest.raises((OSError, ValueError)):  # otherwise it need not be refused
                context.open()
    assert len(refused) == {"libvpx-vp9": 3, "libx265": 2}.get(codec, 0)


def test_odd_sizes_keep_their_size(tmp_path: Path, info: MediaInfo) -> None:
    assert choose_pix_fmt("libx264", layout_of("yuv420p"), (64, 64))[0] == "yuv420p"
    assert choose_pix_fmt("libx265", layout_of("yuv422p"), (64, 63))[0] == "yuv422p"
    frames = frames_at([0, 3000], BASE, "yuv420p10le", (65, 63))
    notes: list[str] = []
    path = write_segment(tmp_path / "a", info, frames, settings("libx264"), notes.append)
    got = decode(path)[0]
    assert (got.width, got.height, got.format.name) == (65, 63, "yuv444p10le")
    assert notes == ["libx264 takes no odd sizes with yuv420p10le: written as yuv444p10le"]


@pytest.mark.parametrize(
    ("source", "lost"),
    [("yuva420p", "cannot keep transparency"), ("yuv420p12le", "cannot keep 12 bits")],
)
def test_an_odd_size_hides_no_other_loss(source: str, lost: str) -> None:
    chosen, said = choose_pix_fmt("libx264", layout_of(source), (65, 63))
    assert chosen.startswith("yuv444p") and said is not None
    assert lost in said and "takes no odd sizes" in said


def test_colour_tags_and_sar_are_in_the_stream(tmp_path: Path, info: MediaInfo) -> None:
    tags = ColourTags(9, 9, 16, 1, 3)
    source = replace(info, tags=tags, sar=Fraction(8, 9))
    frames = frames_at([0, 3000], BASE, "yuv420p10le", (64, 64))
    for codec in ("libx264", "libx265"):
        path = write_segment(tmp_path / codec, source, frames, settings(codec))
        made = probe(path)
        assert made.tags == tags
        assert made.sar == Fraction(8, 9)


@pytest.mark.parametrize("transfer", [16, 2])
def test_hdr_metadata_of_the_source_is_carried_over(
    tmp_path: Path, make_clip: MakeClip, transfer: int
) -> None:
    """Whether its transfer is tagged or not."""
    display = "G(13250,34500)B(7500,3000)R(34000,16000)WP(15635,16450)L(10000000,1)"
    clip = make_clip(
        frames=3,
        codec="libx265",
        pix_fmt="yuv420p10le",
        tags=ColourTags(9, 9, transfer, 1),
        options={
            "x265-params": f"log-level=none:hdr10=1:master-display={display}:max-cll=1000,400"
        },
    )
    source = probe(clip)
    frames = frames_at([0, 512], source.time_base, "yuv420p10le", (64, 48))
    for codec in ("libx265", "libx264", "libsvtav1"):
        notes: list[str] = []
        frames = frames_at([0, 512], source.time_base, "yuv420p10le", (64, 64))
        path = write_segment(tmp_path / codec, source, frames, settings(codec), notes.append)
        before, after = decode(clip)[0], decode(path)[0]
        for kind in ("MASTERING_DISPLAY_METADATA", "CONTENT_LIGHT_LEVEL"):
            old, new = before.side_data.get(kind), after.side_data.get(kind)
            assert old is not None
            assert new is not None, f"{codec} lost {kind}"
        ratios = [
            np.frombuffer(bytes(f.side_data.get("MASTERING_DISPLAY_METADATA")), np.int32)[:20]
            for f in (before, after)
        ]
        values = [r[::2] / r[1::2] for r in ratios]
        np.testing.assert_allclose(values[0], values[1], rtol=1e-3, atol=1e-3)
        assert notes == []
    notes = []
    write_segment(tmp_path / "ffv1", source, frames, settings("ffv1"), notes.append)
    assert notes == ["ffv1 cannot keep the HDR mastering and light level metadata"]
    notes = []
    brightness = replace(source, hdr=replace(source.hdr, points=()))
    write_segment(tmp_path / "part", brightness, frames, settings("libx265"), notes.append)
    assert notes == ["libx265 cannot keep the HDR mastering metadata, which is incomplete"]


def test_untagged_colour_stays_untagged_with_a_note_where_it_will_look_different(
    tmp_path: Path, info: MediaInfo
) -> None:
    notes: list[str] = []
    frames = frames_at([0], BASE, "yuv420p", (1280, 16))
    path = write_segment(tmp_path / "a", info, frames, settings("ffv1"), notes.append)
    assert decode(path)[0].colorspace == 2
    assert "BT.709" in notes[0] and "-e colorspace=smpte170m" in notes[0]
    assert encoding_losses(info, (1280, 16), settings("ffv1")) == notes
    chosen = settings("ffv1", colorspace="smpte170m")
    assert decode(write_segment(tmp_path / "b", info, frames, chosen))[0].colorspace == 6
    for size, pix_fmt, told in (
        ((1278, 16), "yuv420p", 1),
        ((16, 576), "yuv420p", 1),
        ((16, 577), "yuv420p", 2),  # by mpv
        ((1280, 16), "gray", 2),
        ((1280, 16), "gbrp", 2),
    ):
        frames = frames_at([0], BASE, pix_fmt, size)
        write_segment(tmp_path / "c", info, frames, settings("ffv1"), notes.append)
        assert len(notes) == told


@pytest.mark.parametrize(
    ("codec", "pix_fmt", "options", "tags"),
    [
        ("prores_ks", "yuv422p10le", {"colorspace": "bt2020nc"}, (9, 9, 16)),
        ("libx264", "yuv420p", {"colorspace": "bt2020nc"}, (9, 9, 16)),
        ("png", "gbrp", {}, (0, 9, 16)),
    ],
)
def test_pictures_are_tagged_as_the_options_say(
    tmp_path: Path,
    info: MediaInfo,
    codec: str,
    pix_fmt: str,
    options: dict[str, str],
    tags: tuple[int, int, int],
) -> None:
    """Some formats say it in every picture, which decoders believe before the container."""
    named = settings(codec, **options, color_primaries="bt2020", color_trc="smpte2084")
    source = replace(info, tags=ColourTags(1, 1, 1, 1))
    frames = frames_at([0], BASE, pix_fmt, (64, 64))
    got = decode(write_segment(tmp_path / "a", source, frames, named))[0]
    assert (got.colorspace, got.color_primaries, got.color_trc) == tags


def test_rgb_becomes_tagged_bt709(tmp_path: Path, info: MediaInfo) -> None:
    red = make_frame("gbrp", 64, 64, time_base=BASE)
    for plane, value in zip(red.planes, (0, 0, 255), strict=True):
        plane[...] = value
    source = replace(info, tags=ColourTags(0, 1, 13, 2), pix_fmt="gbrp")
    got = decode(write_segment(tmp_path / "a", source, [red], settings("libx264", qp="0")))[0]
    frame = from_video_frame(got)
    assert [int(p[32, 32]) for p in frame.planes] == pytest.approx([63, 102, 240], abs=1)
    assert (frame.tags.matrix, frame.tags.range, frame.tags.primaries) == (1, 1, 1)


@pytest.mark.parametrize(
    ("codec", "options", "sample", "tags"),
    [
        ("libx264", {"colorspace": "smpte170m"}, [81, 90, 240], (6, 1)),
        ("ffv1", {"colorspace": "bt2020nc"}, [74, 97, 240], (9, 1)),
        ("ffv1", {"color_range": "pc"}, [54, 99, 255], (1, 2)),
        ("libx264", {"colorspace": "bt470bg", "color_range": "pc"}, [76, 85, 255], (5, 2)),
        ("mpeg4", {"color_range": "pc"}, [63, 102, 240], (1, 1)),
        ("mjpeg", {"colorspace": "bt709"}, [76, 85, 255], (5, 2)),
    ],
)
def test_rgb_becomes_what_the_options_say(
    tmp_path: Path,
    info: MediaInfo,
    codec: str,
    options: dict[str, str],
    sample: list[int],
    tags: tuple[int, int],
) -> None:
    red = make_frame("gbrp", 64, 64, time_base=BASE)
    for plane, value in zip(red.planes, (0, 0, 255), strict=True):
        plane[...] = value
    source = replace(info, tags=ColourTags(0, 1, 13, 2), pix_fmt="gbrp")
    pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
    given = replace(settings(codec, **options), pix_fmt=pix_fmt)
    frame = from_video_frame(decode(write_segment(tmp_path / "a", source, [red], given))[0])
    assert [int(p[16, 16]) for p in frame.planes] == pytest.approx(sample, abs=2)
    if codec != "mpeg4":  # it says neither
        assert (frame.tags.matrix, frame.tags.range) == tags


def test_rgb_that_becomes_ycbcr_is_told_without_naming_another_matrix(
    tmp_path: Path, info: MediaInfo
) -> None:
    source, notes = replace(info, tags=ColourTags(0, 1, 13, 2), pix_fmt="gbrp"), list[str]()
    frames = frames_at([0], BASE, "gbrp", (64, 64))
    given = settings("mpeg2video", colorspace="smpte170m")
    write_segment(tmp_path / "a", source, frames, given, notes.append)
    what = "RGB (converted to Y'CbCr) nor the chroma resolution of gbrp"
    assert notes == [f"mpeg2video cannot keep {what}"]


@pytest.mark.parametrize("location", ["topleft", "3"])
@pytest.mark.parametrize("source", ["gbrp", "yuv444p"])
def test_new_chroma_lies_where_the_option_says(
    tmp_path: Path, info: MediaInfo, source: str, location: str
) -> None:
    frame = make_frame(source, 64, 64, time_base=BASE)
    frame = replace(frame, planes=tuple(np.full_like(plane, 128) for plane in frame.planes))
    frame.planes[1][33:] = 200  # half of the pair of rows at 32, or all of what lies at row 33
    tags = ColourTags(0 if source == "gbrp" else 1, 1, 1, 2 if source == "gbrp" else 1)
    found = []
    for options in ({}, {"chroma_sample_location": location}):
        given = replace(settings("ffv1", **options), pix_fmt="yuv420p")
        written = write_segment(
            tmp_path / "a", replace(info, tags=tags, pix_fmt=source), [frame], given
        )
        chroma = from_video_frame(decode(written)[0]).planes[1].astype(int)
        found.append((chroma[16, 8] - chroma[0, 8]) / (chroma[-1, 8] - chroma[0, 8]))
    assert found[0] == pytest.approx(0.5, abs=0.1)
    assert found[1] < found[0] - 0.1


@pytest.mark.parametrize(("matrix", "taken"), [(8, "BT.601"), (10, "BT.2020")])
def test_a_matrix_that_cannot_become_rgb_is_told(
    tmp_path: Path, info: MediaInfo, matrix: int, taken: str
) -> None:
    source, notes = replace(info, tags=ColourTags(matrix)), list[str]()
    frames = frames_at([0], BASE, "yuv444p", (64, 64))
    write_segment(tmp_path / "a", source, frames, settings("libx264rgb"), notes.append)
    assert f"the colour matrix {matrix} cannot be converted and is taken as {taken}" in notes[-1]


@pytest.mark.parametrize("matrix", ["ycgco", "bt2020c"])
def test_rgb_cannot_become_every_matrix(info: MediaInfo, matrix: str) -> None:
    source = replace(info, tags=ColourTags(0, 1, 13, 2), pix_fmt="gbrp")
    given = replace(settings("libx264", colorspace=matrix), pix_fmt="yuv420p")
    with pytest.raises(UsageError, match=f"-e colorspace={matrix}: RGB cannot be converted to it"):
        check_encoder(source, (64, 64), given)


@pytest.mark.parametrize("pix_fmt", ["gray", "gray10le"])
@pytest.mark.parametrize("span", [0, 2])
def test_grey_of_no_stated_range_is_full_range_as_video(
    tmp_path: Path, info: MediaInfo, pix_fmt: str, span: int
) -> None:
    """Its samples are kept, so that 255 must not be shown as more than white."""
    tags = ColourTags(range=span)
    assert target_tags(tags, layout_of(pix_fmt), "yuv420p").range == 2
    assert target_tags(tags, layout_of("yuv444p"), "yuv420p").range == span
    white = make_frame(pix_fmt, 64, 64, time_base=BASE)
    white.planes[0][...] = (1 << white.layout.depth) - 1
    source = replace(info, tags=tags, pix_fmt=pix_fmt)
    encoder = replace(settings("libx264", qp="0"), pix_fmt="yuv420p")
    made = from_video_frame(decode(write_segment(tmp_path / "a", source, [white], encoder))[0])
    assert made.tags.range == 2 and (made.planes[0] >= 254).all()


def test_limited_video_becomes_full_range_in_mjpeg(tmp_path: Path, info: MediaInfo) -> None:
    gray = make_frame("yuv420p", 64, 64, time_base=BASE)
    for plane, value in zip(gray.planes, (235, 128, 128), strict=True):
        plane[...] = value
    frame = from_video_frame(
        decode(write_segment(tmp_path / "a", info, [gray], settings("mjpeg")))[0]
    )
    assert frame.tags.range == 2
    assert abs(int(frame.planes[0][9, 9]) - 255) <= 1


@pytest.mark.parametrize(
    ("codec", "pix_fmt", "planes"),
    [
        ("prores_ks", "yuv420p", [[64, 504, 940], [64, 512, 960]]),
        ("prores_ks", "yuv422p10le", [[64, 502, 940], [64, 512, 960]]),
        ("mpeg2video", "yuv420p", [[16, 126, 235], [16, 128, 240]]),
        ("mpeg1video", "yuv420p", [[16, 126, 235], [16, 128, 240]]),
        ("mpeg4", "yuv420p10le", [[16, 126, 235], [16, 128, 240]]),
        ("libvpx", "yuva420p", [[16, 126, 235], [16, 128, 240], [0, 128, 255]]),
        ("mpeg2video", "gray", [[16, 126, 235], [128, 128, 128]]),
    ],
)
def test_full_range_becomes_limited_where_a_coding_cannot_say_it(
    tmp_path: Path, info: MediaInfo, codec: str, pix_fmt: str, planes: list[list[int]]
) -> None:
    source = replace(info, tags=ColourTags(6, 6, 6, 2))
    (frame,) = frames_at([0], BASE, pix_fmt, (96, 32))
    peak = (1 << frame.layout.depth) - 1
    for plane in frame.planes:  # black, middle and white, the same in chroma and alpha
        for part, level in zip(
            np.array_split(plane, 3, axis=1), (0, (peak + 1) // 2, peak), strict=True
        ):
            part[...] = level
    quality = {"b": "4M", "crf": "4"} if codec == "libvpx" else {}
    path = write_segment(tmp_path / "a", source, [frame], settings(codec, **quality))
    (got,) = Reader(path)
    assert got.tags.range == 1
    for plane, levels in zip((got.planes[0], *got.planes[2:]), planes, strict=True):
        middles = [int(p[8, p.shape[1] // 2]) for p in np.array_split(plane, 3, axis=1)]
        assert middles == pytest.approx(levels, abs=2)


RED_709, RED_601, FULL_RED_601 = (63, 102, 240), (81, 90, 240), (76, 85, 255)


@pytest.mark.parametrize(
    ("codec", "pix_fmt", "before", "red", "after", "tags"),
    [
        ("mjpeg", "yuv420p", ColourTags(1, 1, 1, 1), RED_709, FULL_RED_601, (5, 2)),
        ("mjpeg", "yuv444p", ColourTags(6, 6, 6, 1), RED_601, FULL_RED_601, (5, 2)),
        ("mjpeg", "yuv420p", ColourTags(), RED_601, FULL_RED_601, (5, 2)),
        ("mjpeg", "gbrp", ColourTags(0, 1, 13, 2), (0, 0, 255), FULL_RED_601, (5, 2)),
        ("libvpx", "yuv420p", ColourTags(1, 1, 1, 1), RED_709, RED_601, (5, 1)),
        ("libvpx", "yuv420p", ColourTags(9, 9, 16, 1), (74, 97, 240), RED_601, (5, 1)),
        ("libvpx", "gbrp", ColourTags(0, 1, 13, 2), (0, 0, 255), RED_601, (5, 1)),
        ("libx264", "yuv420p", ColourTags(1, 1, 1, 1), RED_709, RED_709, (1, 1)),
    ],
)
def test_colour_is_of_the_matrix_the_coding_has(
    tmp_path: Path,
    info: MediaInfo,
    codec: str,
    pix_fmt: str,
    before: ColourTags,
    red: tuple[int, ...],
    after: tuple[int, ...],
    tags: tuple[int, int],
) -> None:
    frame = make_frame(pix_fmt, 64, 64, time_base=BASE)
    for plane, value in zip(frame.planes, red, strict=True):
        plane[...] = value
    source = replace(info, tags=before, pix_fmt=pix_fmt)
    path = write_segment(tmp_path / "a", source, [frame], settings(codec))
    (got,) = Reader(path)
    assert (got.tags.matrix, got.tags.range) == tags
    assert [int(np.median(p)) for p in got.planes[:3]] == pytest.approx(after, abs=2)


def test_dnxhd_is_bt709(tmp_path: Path, info: MediaInfo) -> None:
    frame = make_frame("yuv422p", 256, 128, time_base=BASE)
    for plane, value in zip(frame.planes, RED_601, strict=True):
        plane[...] = value
    source = replace(info, tags=ColourTags(6, 6, 6, 1))
    path = write_segment(tmp_path / "a", source, [frame], settings("dnxhd", profile="dnxhr_sq"))
    (got,) = Reader(path)
    assert got.tags.matrix == 1
    assert [int(np.median(p)) for p in got.planes] == pytest.approx(RED_709, abs=2)


@pytest.mark.parametrize(
    ("pix_fmt", "span", "codec", "chosen", "white", "after"),
    [
        ("gray", 0, "libx264", "gray", 255, (255, 2)),
        ("gray", 1, "libx264", "gray", 235, (235, 1)),
        ("gray", 1, "libx264", "yuv420p", 235, (235, 1)),
        ("gray", 1, "libx264", "yuv420p10le", 235, (940, 1)),
        ("gray", 1, "mjpeg", "yuvj420p", 235, (255, 2)),
        ("gray", 2, "libx264", "yuv420p10le", 255, (1023, 2)),
        ("gray16le", 1, "mpeg2video", "yuv420p", 60160, (235, 1)),
        ("yuv420p", 1, "libx264", "gray", 235, (255, 2)),
    ],
)
def test_white_of_gray(
    tmp_path: Path,
    info: MediaInfo,
    pix_fmt: str,
    span: int,
    codec: str,
    chosen: str,
    white: int,
    after: tuple[int, int],
) -> None:
    frame = make_frame(pix_fmt, 64, 64, time_base=BASE)
    for plane, value in zip(frame.planes, (white, 128, 128), strict=False):
        plane[...] = value
    source = replace(info, tags=ColourTags(1, 1, 1, span))
    encoder = replace(settings(codec), pix_fmt=chosen)
    (got,) = Reader(write_segment(tmp_path / "a", source, [frame], encoder))
    assert (int(np.median(got.planes[0])), got.tags.range) == after


@pytest.mark.parametrize(
    ("pix_fmt", "codec", "chosen"),
    [
        ("gray", "libx264", None),
        ("gray", "libvpx-vp9", None),
        ("gray", "libsvtav1", None),
        ("gbrp", "libx264", "gray"),
    ],
)
def test_the_matrix_of_a_png_is_not_that_of_gray_in_a_video(
    tmp_path: Path, info: MediaInfo, pix_fmt: str, codec: str, chosen: str | None
) -> None:
    """FFmpeg tags gray PNGs as RGB, and Y'CbCr of that is shown green, or refused."""
    (frame,) = frames_at([0], BASE, pix_fmt, (64, 64))
    source = replace(info, tags=ColourTags(matrix=0, range=2))
    encoder = replace(settings(codec), pix_fmt=chosen)
    (got,) = Reader(write_segment(tmp_path / "a", source, [frame], encoder))
    assert (got.tags.matrix, got.tags.range) == (2, 2)


def test_what_has_one_matrix_is_not_untagged(tmp_path: Path, info: MediaInfo) -> None:
    notes: list[str] = []
    frames = frames_at([0], BASE, "yuv420p", (1280, 16))
    write_segment(tmp_path / "a", info, frames, settings("mjpeg"), notes.append)
    assert notes == []


@pytest.mark.parametrize("codec", ["libx264", "ffv1", "libvpx-vp9"])
def test_full_range_stays_where_it_can_be_said(tmp_path: Path, info: MediaInfo, codec: str) -> None:
    source = replace(info, tags=ColourTags(1, 1, 1, 2))
    (frame,) = frames_at([0], BASE, "yuv420p", (64, 64))
    frame.planes[0][...] = 255
    (got,) = Reader(write_segment(tmp_path / "a", source, [frame], settings(codec)))
    assert got.tags.range == 2 and got.planes[0].min() >= 254


@pytest.mark.parametrize(
    ("encoder", "message"),
    [
        (EncoderSettings("libx246"), "no such video encoder; did you mean .*libx264 or"),
        (EncoderSettings("aac"), "aac: no such video encoder"),
        (EncoderSettings("libx264", (("presett", "slow"),)), "has no option presett"),
        (EncoderSettings("libx264", (("preset", "warp"),)), "refuses preset=warp for 64x64"),
        (EncoderSettings("libx264", (("tune", "warp"),)), r"64x64 yuv420p \(Error .*warp\)"),
        (settings("libx264", **{"x264-params": "keyint=9:warp=1"}), "not take .*'warp = 1'"),
        (settings("libx265", **{"x265-params": "warp=1"}), "not take .*Unknown option: warp"),
        (settings("libsvtav1", **{"svtav1-params": "warp=1"}), "not take .*option warp: 1"),
        (settings("libx264", video_size="16x16"), "cannot change the size"),
        (settings("libx264", pixel_format="yuv444p"), "cannot change the size, pixel format"),
        (EncoderSettings("libx264", pix_fmt="gbrp"), "cannot encode the pixel format gbrp"),
        (EncoderSettings("mpeg4", (("q", "fine"),)), "q=fine is no number"),
    ],
)
def test_wrong_settings_are_usage_errors(
    tmp_path: Path, info: MediaInfo, encoder: EncoderSettings, message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        check_encoder(info, (64, 64), encoder)
    with pytest.raises(UsageError, match=message):
        SegmentWriter(tmp_path / "a", info, (64, 64), encoder)
    assert not list(tmp_path.glob("*a*.part"))
    assert not (tmp_path / "a").exists()


@pytest.mark.parametrize(
    ("pix_fmt", "profile"),
    [
        ("yuv420p", "DNXHR HQ"),
        ("yuv422p10le", "DNXHR HQX"),
        ("yuv444p10le", "DNXHR 444"),
        ("gbrp", "DNXHR 444"),
    ],
)
def test_dnxhd_takes_any_size(tmp_path: Path, info: MediaInfo, pix_fmt: str, profile: str) -> None:
    frames = frames_at([0, 3600], BASE, pix_fmt, (258, 130))
    with av.open(str(write_segment(tmp_path / "a", info, frames, settings("dnxhd")))) as made:
        assert made.streams.video[0].codec_context.profile == profile


def test_hardware_without_a_device_is_a_device_error(tmp_path: Path, info: MediaInfo) -> None:
    if Path("/dev/nvidia0").exists():
        pytest.skip("there is a device")
    with pytest.raises(DeviceError, match="h264_nvenc: does not open on this machine"):
        SegmentWriter(tmp_path / "a", info, (64, 64), EncoderSettings("h264_nvenc"))


def test_the_quantiser_scale_works_as_with_ffmpeg(tmp_path: Path, info: MediaInfo) -> None:
    frames = frames_at(range(0, 12000, 3000), BASE, "yuv420p", (64, 64))
    sizes = [
        write_segment(tmp_path / q, info, frames, settings("mpeg4", q=q)).stat().st_size
        for q in ("2", "20")
    ]
    assert sizes[0] > 2 * sizes[1]


def test_frames_must_be_in_order_and_alike(tmp_path: Path, info: MediaInfo) -> None:
    frames = frames_at([0, 3000], BASE, "yuv420p", (64, 64))
    for second, message in (
        (frames[0], "must increase"),
        (replace(frames[1], time_base=Fraction(1, 25)), "time base"),
        (frames_at([3000], BASE, "yuv420p", (66, 64))[0], "size or layout"),
        (frames_at([3000], BASE, "yuv422p", (64, 64))[0], "size or layout"),
    ):
        with pytest.raises(ValueError, match=message):
            write_segment(tmp_path / "a", info, [frames[0], second], settings("ffv1"))
        assert not list(tmp_path.glob("*a*.part"))
        assert not (tmp_path / "a").exists()


def test_a_full_disk_is_one_sentence(tmp_path: Path, info: MediaInfo) -> None:
    frames = frames_at(range(0, 30000, 3000), BASE, "yuv444p16le", (128, 128))
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, before[1]))
    try:
        with pytest.raises(OutputError, match="the disk is full; free some space"):
            write_segment(tmp_path / "a", info, frames, settings("ffv1"))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert not list(tmp_path.glob("*a*.part"))
    assert not (tmp_path / "a").exists()


def test_a_missing_folder_is_one_sentence(tmp_path: Path, info: MediaInfo) -> None:
    frames = frames_at([0], BASE, "yuv420p", (64, 64))
    with pytest.raises(OutputError, match="its folder does not exist"):
        write_segment(tmp_path / "no" / "a", info, frames, settings("ffv1"))


def test_two_that_write_one_segment_do_not_share_a_file(tmp_path: Path, info: MediaInfo) -> None:
    """A worker that was given up for lost may go on; only the later one is to succeed."""
    first, second = frames_at([0, 1], BASE, "gray", (64, 64))
    path, coding = tmp_path / "a", settings("ffv1")
    alone = write_segment(tmp_path / "alone", info, [first, second], coding).read_bytes()
    grey = replace(info, pix_fmt="gray")
    lost = SegmentWriter(path, grey, (64, 64), coding)
    lost.write(first)
    with SegmentWriter(path, grey, (64, 64), coding) as writer:
        writer.write(first)
        lost.write(second)
        with pytest.raises(OutputError):
            lost.__exit__(None)
        assert not path.exists()
        writer.write(second)
    assert path.read_bytes() == alone
    assert sorted(file.name for file in tmp_path.glob("*a*")) == ["a", "alone"]


def test_leftovers_are_replaced_and_half_segments_refused(tmp_path: Path, info: MediaInfo) -> None:
    (tmp_path / ".a.part").write_bytes(b"half")
    path = write_segment(
        tmp_path / "a", info, frames_at([0], BASE, "gray", (64, 64)), settings("ffv1")
    )
    assert not (tmp_path / ".a.part").exists()
    half = tmp_path / "half"
    half.write_bytes(path.read_bytes()[:-3])
    with pytest.raises(OutputError, match="half: is no finished segment"):
        read_times(half)
    check_segment(path)
    whole = path.read_bytes()
    for place in range(0, len(whole), 7):
        half.write_bytes(whole[:place] + bytes([whole[place] ^ 4]) + whole[place + 1 :])
        with pytest.raises(OutputError, match="half: is damaged"):
            check_segment(half)


_ENCODE = """
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from tests.segments import frames_at, write_segment
from vsrcli.media.encoders import EncoderSettings
from vsrcli.media.probe import probe
source, output = map(Path, sys.argv[1:])
info = probe(source)
frames = frames_at(range(0, 3072, 512), info.time_base, "yuv420p", (160, 128))
write_segment(output, info, frames, EncoderSettings("libx264", (("preset", "veryfast"),)))
"""


def test_x264_does_not_depend_on_stale_memory(tmp_path: Path, make_clip: MakeClip) -> None:
    clip = make_clip()
    made = set()
    for fill in ("0", "85", "255"):  # glibc fills freed memory with the complement
        path = tmp_path / fill
        subprocess.run(
            [sys.executable, "-c", _ENCODE, clip, path],
            check=True,
            cwd=Path(__file__).parents[2],
            env={**os.environ, "MALLOC_PERTURB_": fill},
        )
        made.add(path.read_bytes())
    assert len(made) == 1


def test_default_codecs() -> None:
    expected = {"mp4": "libx264", "mkv": "libx264", "avi": "libx264", "webm": "libvpx-vp9"}
    for suffix, codec in expected.items():
        assert choose_codec(Path(f"o.{suffix}"), None) == codec
    rgb = layout_of("gbrp")
    assert choose_codec(Path("o.mkv"), None, rgb) == "libx264rgb"
    assert choose_codec(Path("o.mkv"), None, layout_of("gbrp10le")) == "libx264"
    assert fit_container(EncoderSettings("libx264"), Path("o.avi")).options == (("bf", "0"),)
    assert fit_container(EncoderSettings("libx264"), Path("o.mp4")).options == ()


@pytest.mark.parametrize(
    ("name", "codec"),
    [
        *(("o.webm", c) for c in ("libx264", "ffv1")),
        *(("o.mov", c) for c in ("libsvtav1", "libvpx-vp9", "ffv1")),
        *(("o.ts", c) for c in ("libsvtav1", "ffv1", "prores_ks")),
        *(("o.mp4", c) for c in ("prores_ks", "huffyuv")),
        ("o.mkv", "png"),
    ],
)
def test_codecs_a_container_cannot_hold(name: str, codec: str) -> None:
    with pytest.raises(UsageError, match=f"cannot hold {codec}"):
        choose_codec(Path(name), codec)


def test_codecs_a_container_can_hold() -> None:
    for name, codec in (
        ("o.mp4", "libsvtav1"),
        ("o.mp4", "libx265"),
        ("o.mov", "prores_ks"),
        ("o.mkv", "ffv1"),
        ("o.webm", "libsvtav1"),
        ("o.ts", "libx265"),
        ("o.avi", "mpeg4"),
        ("o.flv", "libx265"),
    ):
        assert choose_codec(Path(name), codec) == codec
    with pytest.raises(UsageError, match="unknown kind of video file"):
        choose_codec(Path("o.xyz"), None)


def test_encoders_are_silent(
    tmp_path: Path, info: MediaInfo, capfd: pytest.CaptureFixture[str]
) -> None:
    frames = frames_at([0, 3000, 6000], BASE, "yuv420p", (64, 64))
    for codec in ("libx264", "libx265", "libsvtav1", "libvpx-vp9"):
        write_segment(tmp_path / codec, info, frames, settings(codec))
    assert capfd.readouterr() == ("", "")


def test_alpha_survives_vp9(tmp_path: Path, info: MediaInfo) -> None:
    frames = frames_at([0, 3000], BASE, "yuva420p", (64, 64))
    path = write_segment(tmp_path / "a", info, frames, settings("libvpx-vp9", lossless="1"))
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        assert has_alpha_beside(stream)


@pytest.mark.parametrize(
    ("codec", "options", "size", "lookahead", "refs", "b_frames"),
    [
        ("libx264", {"crf": "17"}, (3840, 2160), None, None, None),
        ("libx264", {"crf": "17"}, (5120, 2880), "13", "2", "2"),
        ("libx264", {"crf": "17"}, (7680, 4320), "3", "2", "2"),
        ("libx264rgb", {}, (7680, 4320), "3", "2", "2"),
        ("libx264", {"preset": "slow"}, (3840, 2160), None, None, None),
        ("libx264", {"preset": "slow"}, (7680, 4320), "3", "2", "2"),
        ("libx264", {"preset": "veryfast"}, (7680, 4320), "3", None, "2"),
        ("libx264", {"preset": "ultrafast"}, (7680, 4320), None, None, None),
        ("libx264", {"rc-lookahead": "50"}, (7680, 4320), "50", "2", "2"),
        ("libx264", {"refs": "4"}, (7680, 4320), "3", "4", "2"),
        ("libx264", {"bf": "0"}, (7680, 4320), "3", "2", "0"),
        ("libx264", {"tune": "zerolatency"}, (7680, 4320), None, None, None),
        ("libx265", {}, (7680, 4320), None, None, None),
    ],
)
def test_less_is_held_of_large_pictures(
    codec: str,
    options: dict[str, str],
    size: tuple[int, int],
    lookahead: str | None,
    refs: str | None,
    b_frames: str | None,
) -> None:
    fitted = dict(spare_memory(EncoderSettings(codec, tuple(options.items())), size).options)
    found = tuple(fitted.get(name) for name in ("rc-lookahead", "refs", "bf"))
    assert found == (lookahead, refs, b_frames)
    assert (fitted.get("b-pyramid") == "none") == (b_frames is not None)
    assert options.items() <= fitted.items()


def test_large_pictures_get_one_thread_beside_a_network_on_the_cpu() -> None:
    sizes = ((1920, 1080), (3840, 2160), (5120, 2880))
    assert [encoder_threads(size, on_gpu=False) for size in sizes] == [4, 4, 1]
    assert {encoder_threads(size, on_gpu=True) for size in sizes} == {8}


def test_an_encoder_that_does_not_say_why_may_lack_memory() -> None:
    """As x264: it prints a line of its own, past FFmpeg."""

    def fail(*_: object) -> None:
        raise av.error.ExternalError(0, "Generic error in an external library")

    coding = Coding((64, 64), Fraction(25), Fraction(1, 25), "yuv420p", ColourTags())
    context = SimpleNamespace(open=fail)
    with pytest.raises(UsageError, match=r"libx264: refuses .* for it \(Gen.*little memory\)"):
        _open(context, EncoderSettings("libx264"), coding, "it")


@pytest.mark.parametrize(
    ("codec", "options"),
    [
        ("libx264", {"qp": "0"}),
        ("libx265", {"crf": "1"}),
        ("dnxhd", {"profile": "dnxhr_hq"}),
    ],
)
def test_chroma_of_422_is_level_with_luma(
    tmp_path: Path, make_clip: MakeClip, codec: str, options: dict[str, str]
) -> None:
    """Of full range, as in Motion JPEG, it lies between the columns, of which there is no tag."""
    tags = ColourTags(1, 1, 1, 2)
    path = make_clip("m.mkv", codec="ffv1", pix_fmt="yuv422p", size=(256, 128), frames=1, tags=tags)
    info = probe(path)
    frame = next(iter(Reader(path, info=info)))
    at = np.arange(128) * 2
    between, level = (128 + 80 * np.sin((at + column) / 9) for column in (0.5, 0))
    sent = np.tile(np.rint(between).astype(np.uint8), (128, 1))
    frame = replace(frame, planes=(frame.planes[0], sent, sent))
    segment = write_segment(tmp_path / "s", info, [frame], settings(codec, **options))
    made = from_video_frame(decode(segment)[0])
    assert np.abs(made.planes[1] - level)[:, 4:-4].max() < 2
