import gc
from dataclasses import replace
from fractions import Fraction

import av
import av.filter
import numpy as np
import pytest
from av.video.reformatter import VideoReformatter
from numpy.typing import NDArray

from tests.clips import make_frame
from vsrcli.errors import InputError
from vsrcli.media.formats import layout_of, planar_equivalent
from vsrcli.media.planes import ColourTags, Frame, from_video_frame, to_video_frame

REPACKED = {
    "nv12": "yuv420p",
    "nv21": "yuv420p",
    "nv16": "yuv422p",
    "nv24": "yuv444p",
    "nv42": "yuv444p",
    "nv20le": "yuv422p10le",
    "p010le": "yuv420p10le",
    "p010be": "yuv420p10le",
    "p012le": "yuv420p12le",
    "p016le": "yuv420p16le",
    "p210le": "yuv422p10le",
    "p410le": "yuv444p10le",
    "yuyv422": "yuv422p",
    "uyvy422": "yuv422p",
    "yvyu422": "yuv422p",
    "y210le": "yuv422p10le",
    "y212le": "yuv422p12le",
    "ayuv": "yuva444p",
    "vuya": "yuva444p",
    "uyva": "yuva444p",
    "vuyx": "yuv444p",
    "vyu444": "yuv444p",
    "ayuv64le": "yuva444p16le",
    "xv36le": "yuv444p12le",
    "xv36be": "yuv444p12le",
    "xv48le": "yuv444p16le",
    "xv30le": "yuv444p10le",
    "rgb24": "gbrp",
    "bgr24": "gbrp",
    "rgb0": "gbrp",
    "bgr0": "gbrp",
    "0rgb": "gbrp",
    "0bgr": "gbrp",
    "rgba": "gbrap",
    "bgra": "gbrap",
    "argb": "gbrap",
    "abgr": "gbrap",
    "rgb48le": "gbrp16le",
    "rgb48be": "gbrp16le",
    "bgr48be": "gbrp16le",
    "rgba64be": "gbrap16le",
    "bgra64le": "gbrap16le",
    "x2rgb10le": "gbrp10le",
    "yuv420p10be": "yuv420p10le",
    "yuva444p12be": "yuva444p12le",
    "gbrp12be": "gbrp12le",
    "gray": "gray",
    "gray10be": "gray10le",
    "gray16be": "gray16le",
    "yuv410p": "yuv410p",
    "yuv440p": "yuv440p",
    "gbrap10le": "gbrap10le",
}


def random_frame(pix_fmt: str, width: int, height: int) -> Frame:
    """Every sample value of the format, at random: nothing that clips or rounds can pass."""
    frame = make_frame(pix_fmt, width, height)
    rng = np.random.default_rng(3)
    peak = 2**frame.layout.depth
    shapes = frame.layout.shapes(width, height)
    planes = tuple(rng.integers(0, peak, s).astype(frame.layout.dtype) for s in shapes)
    return replace(frame, planes=planes)


def assert_same(planes: tuple[NDArray[np.uint8], ...], expected: tuple[NDArray[np.uint8], ...]):
    assert len(planes) == len(expected)
    for plane, wanted in zip(planes, expected, strict=True):
        assert plane.dtype == wanted.dtype
        np.testing.assert_array_equal(plane, wanted)


@pytest.mark.parametrize(("pix_fmt", "planar"), REPACKED.items())
def test_repacking_keeps_every_sample(pix_fmt: str, planar: str) -> None:
    assert planar_equivalent(pix_fmt) == planar
    source = random_frame(planar, 32, 18)
    packed = VideoReformatter().reformat(
        to_video_frame(source), format=pix_fmt, src_color_range=2, dst_color_range=2, threads=1
    )
    assert packed.format.name == pix_fmt
    frame = from_video_frame(packed)
    assert frame.layout == layout_of(planar)
    assert_same(frame.planes, source.planes)


@pytest.mark.parametrize(
    ("pix_fmt", "chroma", "bits", "shift"),
    [("nv12", (9, 17), 8, 0), ("p010le", (9, 17), 16, 6), ("p210be", (17, 17), 16, 6)],
)
def test_semi_planar_formats_of_odd_size(
    pix_fmt: str, chroma: tuple[int, int], bits: int, shift: int
) -> None:
    frame = av.VideoFrame(33, 17, pix_fmt)
    kind = {8: "u1", 16: ">u2" if pix_fmt.endswith("be") else "<u2"}[bits]
    rng = np.random.default_rng(4)
    for plane in frame.planes:
        memory = np.frombuffer(plane, np.uint8).view(kind)
        memory[:] = rng.integers(0, 2 ** (bits - shift), memory.size) << shift
    rows = [np.frombuffer(p, np.uint8).view(kind).reshape(p.height, -1) for p in frame.planes]
    pairs = rows[1][: chroma[0], : 2 * chroma[1]] >> shift
    native = np.uint8 if bits == 8 else np.uint16
    expected = (rows[0][:, :33] >> shift, pairs[:, 0::2], pairs[:, 1::2])
    assert_same(from_video_frame(frame).planes, tuple(p.astype(native) for p in expected))


def test_packed_422_of_odd_width_keeps_the_last_column() -> None:
    frame = av.VideoFrame(33, 17, "yuyv422")
    memory = np.frombuffer(frame.planes[0], np.uint8).reshape(17, -1)
    memory[:] = np.random.default_rng(5).integers(0, 256, memory.shape)
    expected = memory[:, 0:66:2], memory[:, 1:68:4], memory[:, 3:68:4]
    assert_same(from_video_frame(frame).planes, expected)


@pytest.mark.parametrize(
    "pix_fmt", ["gray", "ya8", "ya16le", "yuv420p", "yuv422p10le", "yuva420p", "gbrp", "gbrap16le"]
)
@pytest.mark.parametrize("size", [(16, 16), (33, 17), (1, 1)])
def test_there_and_back(pix_fmt: str, size: tuple[int, int]) -> None:
    source = replace(
        random_frame(pix_fmt, *size),
        pts=-7,
        duration=3,
        time_base=Fraction(1001, 24000),
        tags=ColourTags(9, 9, 16, 1),
        index=0,
    )
    made = to_video_frame(source)
    assert (made.pts, made.duration, made.pict_type) == (-7, 3, 0)
    back = from_video_frame(made)
    assert_same(back.planes, source.planes)
    assert replace(back, planes=()) == replace(source, planes=())


def test_full_range_formats_become_tags() -> None:
    made = av.VideoFrame(16, 16, "yuvj420p")
    frame = from_video_frame(made)
    assert frame.layout.pix_fmt == "yuv420p"
    assert frame.tags.range == 2


def test_untagged_stays_untagged() -> None:
    frame = from_video_frame(to_video_frame(make_frame("yuv420p", 16, 16)))
    assert frame.tags == ColourTags(2, 2, 2, 0, 0)


@pytest.mark.parametrize(
    ("pix_fmt", "kind", "depth", "alpha", "log2_chroma"),
    [
        ("yuv420p", "yuv", 8, False, (1, 1)),
        ("yuv410p", "yuv", 8, False, (2, 2)),
        ("yuv422p10le", "yuv", 10, False, (1, 0)),
        ("yuva444p", "yuv", 8, True, (0, 0)),
        ("gbrap12le", "rgb", 12, True, (0, 0)),
        ("gray9le", "gray", 9, False, (0, 0)),
        ("ya16be", "gray", 16, True, (0, 0)),
        ("pal8", "rgb", 8, True, (0, 0)),
    ],
)
def test_layouts(
    pix_fmt: str, kind: str, depth: int, alpha: bool, log2_chroma: tuple[int, int]
) -> None:
    layout = layout_of(pix_fmt)
    found = (layout.kind, layout.depth, layout.alpha, layout.log2_chroma)
    assert found == (kind, depth, alpha, log2_chroma)


def test_shapes_round_chroma_up() -> None:
    assert layout_of("yuva420p").shapes(33, 17) == ((17, 33), (9, 17), (9, 17), (17, 33))


def test_a_palette_becomes_its_colours() -> None:
    made = av.VideoFrame(16, 2, "pal8")
    np.frombuffer(made.planes[0], np.uint8).reshape(2, -1)[:, :16] = 1
    np.frombuffer(made.planes[1], np.uint32)[1] = 0x80102030  # alpha, red, green, blue
    planes = from_video_frame(made).planes
    assert [int(p[1, 5]) for p in planes] == [0x20, 0x30, 0x10, 0x80]


@pytest.mark.parametrize("end", ["le", "be"])
@pytest.mark.parametrize("order", ["rgb", "bgr"])
@pytest.mark.parametrize("widths", ["444", "555", "565"])
def test_pixels_of_16_bits_become_8_bits_a_colour(order: str, widths: str, end: str) -> None:
    bits = [int(each) for each in widths]
    colours = np.stack([(np.arange(48).reshape(3, 16) * k) % (1 << b) for k, b in enumerate(bits)])
    colours[:, 0, 0] = [(1 << b) - 1 for b in bits]
    pixels = (colours[0] << bits[1] | colours[1]) << bits[2] | colours[2]
    picture = av.VideoFrame(16, 3, f"{order}{widths}{end}")
    rows = np.zeros((3, picture.planes[0].line_size // 2), ">u2" if end == "be" else "<u2")
    rows[:, :16] = pixels
    picture.planes[0].update(rows.tobytes())
    frame = from_video_frame(picture)
    assert frame.layout.pix_fmt == "gbrp" and [int(p[0, 0]) for p in frame.planes] == [255] * 3
    for colour, values, depth in zip(order, colours, bits, strict=True):
        exact = values * 255 / ((1 << depth) - 1)
        assert np.abs(frame.planes["gbr".index(colour)] - exact).max() <= 0.5


def test_bits_become_black_and_white() -> None:
    made = av.VideoFrame(16, 1, "monob")
    np.frombuffer(made.planes[0], np.uint8)[:2] = (0b10100000, 0b00000001)
    assert from_video_frame(made).planes[0][0].tolist() == [255, 0, 255] + [0] * 12 + [255]


@pytest.mark.parametrize("pix_fmt", ["grayf32le", "grayf32be", "gbrpf32le", "gbrapf16le"])
def test_floating_point_becomes_16_bit(pix_fmt: str) -> None:
    made = av.VideoFrame(4, 1, pix_fmt)
    kind = "f2" if "f16" in pix_fmt else ">f4" if pix_fmt.endswith("be") else "<f4"
    for plane in made.planes:
        np.frombuffer(plane, np.uint8).view(kind)[:4] = (0.25, 1, 1.5, -0.5)
    frame = from_video_frame(made)
    assert frame.layout.depth == 16
    for samples in frame.planes:
        assert samples.tolist() == [[16384, 65535, 65535, 0]]


def test_views_are_read_only_and_outlive_the_frame() -> None:
    made = to_video_frame(make_frame("yuv420p", 64, 48))
    expected = np.frombuffer(made.planes[0], np.uint8).reshape(48, -1)[:, :64].copy()
    plane = from_video_frame(made).planes[0]
    assert not plane.flags.owndata and not plane.flags.writeable
    del made
    gc.collect()
    np.testing.assert_array_equal(plane, expected)


def test_pictures_stored_bottom_up() -> None:
    source = random_frame("yuv420p", 32, 18)
    graph = av.filter.Graph()
    buffer = graph.add("buffer", "video_size=32x18:pix_fmt=yuv420p:time_base=1/25")
    graph.link_nodes(buffer, graph.add("vflip"), graph.add("buffersink")).configure()
    graph.push(to_video_frame(source))
    flipped = graph.pull()
    assert flipped.planes[0].line_size < 0
    assert_same(tuple(p[::-1] for p in from_video_frame(flipped).planes), source.planes)


def test_pictures_on_a_device_are_refused_in_one_sentence() -> None:
    with pytest.raises(InputError, match="pixel format cuda cannot be read"):
        layout_of("cuda")
