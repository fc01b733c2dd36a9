import csv
import socket
import struct
from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import av
import numpy as np
import pytest
from av.bitstream import BitStreamFilterContext
from av.video.frame import PictureType
from PIL import Image

from tests.clips import ClipSpec, make_frame, source_frames, write_clip
from tests.conftest import MakeClip
from tests.lossless import write_frames
from vsrcli.errors import InputError
from vsrcli.losses import lost_streams
from vsrcli.media.decoding import OnError
from vsrcli.media.planes import ColourTags, Frame, from_video_frame
from vsrcli.media.probe import probe
from vsrcli.media.reader import Reader
from vsrcli.media.sources import find_source
from vsrcli.media.streams import StreamPlan

AWKWARD = Path(__file__).parents[2].parent / "shared" / "data" / "awkward"


def read(path: Path, **options: object) -> tuple[list[Frame], Reader, list[str]]:
    notes: list[str] = []
    with Reader(path, note=notes.append, **options) as reader:  # type: ignore[arg-type]
        frames = list(reader)
    return frames, reader, notes


def psnr(frame: Frame, other: Frame, plane: int = 0) -> float:
    error = frame.planes[plane].astype(float) - other.planes[plane]
    peak = 2**frame.layout.depth - 1
    return float(20 * np.log10(peak / max(1e-9, np.sqrt(np.mean(error**2)))))


# -- what is in the file comes out ---------------------------------------------------------------


LOSSLESS = [
    ("ffv1", "yuv420p"),
    ("ffv1", "yuv422p10le"),
    ("ffv1", "yuva444p16le"),
    ("ffv1", "gray16le"),
    ("ffv1", "gbrap12le"),
    ("libx264rgb", "bgr0"),
    ("png", "rgb24"),
]
EVEN_ONLY = [("rawvideo", "yuyv422"), ("rawvideo", "nv12")]  # swscale packs no odd size exactly


@pytest.mark.parametrize(
    ("codec", "pix_fmt", "size"),
    [(*c, (34, 18)) for c in LOSSLESS + EVEN_ONLY] + [(*c, (33, 17)) for c in LOSSLESS],
)
def test_lossless_samples_come_out_unchanged(
    make_clip: MakeClip, codec: str, pix_fmt: str, size: tuple[int, int]
) -> None:
    fields = {"codec": codec, "pix_fmt": pix_fmt, "size": size, "frames": 3}
    if codec == "libx264rgb":
        fields["options"] = {"qp": "0", "crf": "0"}
    frames, _, notes = read(make_clip("lossless.mkv" if codec != "png" else "c.mov", **fields))
    expected = source_frames(ClipSpec(**fields))  # type: ignore[arg-type]
    assert len(frames) == len(expected)
    for frame, wanted in zip(frames, expected, strict=True):
        assert frame.layout == wanted.layout
        for plane, samples in zip(frame.planes, wanted.planes, strict=True):
            np.testing.assert_array_equal(plane, samples)
    assert notes == []


@pytest.mark.parametrize(
    ("name", "codec", "options"),
    [
        ("b.mp4", "libx264", {"bf": "3"}),
        ("b.mkv", "libx264", {"bf": "3"}),
        ("b.ts", "libx264", {"bf": "3"}),
        ("b.avi", "mpeg4", {"bf": "2"}),
        ("b.flv", "libx264", {"bf": "3"}),
        ("b.h264", "libx264", {"bf": "3"}),
        ("b.hevc", "libx265", {}),
        ("b.webm", "libvpx-vp9", {}),
        ("b.mov", "mjpeg", {}),
    ],
)
def test_every_container_gives_every_frame_in_order(
    make_clip: MakeClip, name: str, codec: str, options: dict[str, str]
) -> None:
    pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
    fields = {"codec": codec, "options": options, "frames": 20, "pix_fmt": pix_fmt}
    path = make_clip(name, **fields)
    frames, reader, notes = read(path)
    assert [f.index for f in frames] == list(range(20))
    assert (notes, reader.concealed, reader.truncated) == ([], 0, False)
    seconds = [(f.pts - frames[0].pts) * f.time_base for f in frames]
    tick = frames[0].time_base  # Matroska and FLV round to milliseconds
    assert all(abs(s - Fraction(i, 25)) <= tick for i, s in enumerate(seconds))
    assert all(abs(f.duration * f.time_base - Fraction(1, 25)) <= tick for f in frames)
    for frame, wanted in zip(frames, source_frames(ClipSpec(**fields)), strict=True):  # type: ignore[arg-type]
        assert psnr(frame, wanted) > 26  # the next frame would score less than 20


def test_variable_times_are_exact(make_clip: MakeClip) -> None:
    pts = [300, 333, 700, 701, 2000, 2040]
    path = make_clip(pts=pts, time_base=Fraction(1, 1000), options={"bf": "2"})
    frames, _, _ = read(path)
    assert [f.pts * f.time_base * 1000 for f in frames] == pts
    assert [f.duration * f.time_base * 1000 for f in frames] == [33, 367, 1, 1299, 40, 40]


def test_first_times_below_zero(make_clip: MakeClip) -> None:
    frames, _, notes = read(make_clip("n.mkv", pts=[-80, -40, 0, 40], time_base=Fraction(1, 1000)))
    assert len(frames) == 4
    steps = [b.pts - a.pts for a, b in pairwise(frames)]
    assert steps == [40, 40, 40] and notes == []


def test_tags_travel_with_every_frame(make_clip: MakeClip) -> None:
    tags = ColourTags(9, 9, 16, 1, 3)
    path = make_clip(
        codec="libx265",
        pix_fmt="yuv420p10le",
        tags=tags,
        frames=3,
        options={"x265-params": "log-level=none:chromaloc=2"},
    )
    assert {f.tags for f in read(path)[0]} == {tags}


@pytest.mark.parametrize("codec", ["libvpx", "libvpx-vp9"])
def test_webm_alpha_is_kept(make_clip: MakeClip, codec: str) -> None:
    fields = {"codec": codec, "pix_fmt": "yuva420p", "frames": 4}
    frames, _, _ = read(make_clip("alpha.webm", **fields))
    assert len(frames) == 4
    for frame, wanted in zip(frames, source_frames(ClipSpec(**fields)), strict=True):  # type: ignore[arg-type]
        assert frame.layout.alpha
        assert psnr(frame, wanted, plane=3) > 25


@pytest.mark.parametrize("size", [(16, 16), (2, 2), (7680, 4320)])
def test_extreme_sizes_and_a_single_frame(make_clip: MakeClip, size: tuple[int, int]) -> None:
    fields = {"codec": "rawvideo", "pix_fmt": "gray", "size": size, "frames": 1}
    path = make_clip("one.nut", **fields)
    frames, _, _ = read(path)
    assert [(f.width, f.height, f.duration * f.time_base) for f in frames] == [
        (*size, Fraction(1, 25))
    ]


# -- pictures ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("pix_fmt", "planar"),
    [
        ("rgb24", "gbrp"),
        ("rgba64be", "gbrap16le"),
        ("gray16be", "gray16le"),
        ("ya8", "ya8"),
        ("rgb48be", "gbrp16le"),
    ],
)
def test_png_sequences(tmp_path: Path, pix_fmt: str, planar: str) -> None:
    spec = ClipSpec(codec="png", pix_fmt=pix_fmt, frames=3, size=(33, 17))
    write_clip(tmp_path / "%04d.png", spec)
    for path in (tmp_path, tmp_path / "%04d.png"):
        frames, _, notes = read(path, info=probe(path, rate=Fraction(24)))
        assert [(f.pts, f.duration, f.time_base) for f in frames] == [
            (i, 1, Fraction(1, 24)) for i in range(3)
        ]
        assert frames[0].layout.pix_fmt == planar and notes == []
        for frame, wanted in zip(frames, source_frames(spec), strict=True):
            for plane, samples in zip(frame.planes, wanted.planes, strict=True):
                np.testing.assert_array_equal(plane, samples)


def test_pictures_are_sorted_as_people_count(tmp_path: Path) -> None:
    for number in (10, 9, 2, 111):
        image = Image.new("L", (16, 16), number)
        image.save(tmp_path / f"shot {number}.png")
    frames, _, _ = read(tmp_path)
    assert [int(f.planes[0][0, 0]) for f in frames] == [2, 9, 10, 111]
    assert [int(f.planes[0][0, 0]) for f in read(tmp_path / "shot %d.png")[0]] == [2, 9, 10, 111]


def test_a_palette_picture(tmp_path: Path) -> None:
    image = Image.new("P", (16, 16), 1)
    image.putpalette([0, 0, 0, 10, 20, 30])
    image.save(tmp_path / "p.png")
    (frame,), _, _ = read(tmp_path / "p.png")
    assert [int(p[0, 0]) for p in frame.planes] == [20, 30, 10]


def test_pictures_of_other_sizes_and_kinds_follow_the_first(tmp_path: Path) -> None:
    Image.new("RGB", (32, 16), (40, 50, 60)).save(tmp_path / "1.png")
    Image.new("RGB", (64, 64), (10, 20, 30)).save(tmp_path / "2.png")
    Image.new("L", (32, 16), 77).save(tmp_path / "3.png")
    frames, _, notes = read(tmp_path)
    assert {f.planes[0].shape for f in frames} == {(16, 32)}
    assert {f.layout.pix_fmt for f in frames} == {"gbrp"}
    colours = [[int(p[8, 8]) for p in f.planes] for f in frames]
    assert colours == [[50, 60, 40], [20, 30, 10], [77, 77, 77]]
    assert len(notes) == 1 and "64x64" in notes[0]


def test_a_damaged_picture_is_replaced_by_the_one_before(tmp_path: Path) -> None:
    write_clip(tmp_path / "%d.png", ClipSpec(codec="png", pix_fmt="rgb24", frames=4))
    (tmp_path / "3.png").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(99))
    frames, reader, notes = read(tmp_path / "%d.png")
    assert [f.pts for f in frames] == [0, 1, 2, 3]
    np.testing.assert_array_equal(frames[2].planes[0], frames[1].planes[0])
    assert reader.concealed == 1 and len(notes) == 1


# -- trouble on the way --------------------------------------------------------------------------


def packet_places(path: Path) -> list[tuple[int, int]]:
    """Return the position and size of every video packet, in bytes."""
    with av.open(str(path)) as container:
        return [(p.pos or 0, p.size) for p in container.demux(video=0) if p.size]


def wiped(path: Path, packets: set[int]) -> Path:
    """Overwrite packets of a file whose packets keep their places."""
    places = packet_places(path)
    content = bytearray(path.read_bytes())
    for number in packets:
        pos, size = places[number]
        content[pos : pos + size] = b"\xaa" * size
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("threads", [1, 4])
@pytest.mark.parametrize(
    ("codec", "pix_fmt"),
    [("libx264", "yuv420p"), ("prores_ks", "yuv422p10le"), ("libx265", "yuv420p")],
)
def test_lost_pictures_repeat_the_last_good_one(
    make_clip: MakeClip, codec: str, pix_fmt: str, threads: int
) -> None:
    options = {"x265-params": "log-level=none:bframes=0"} if codec == "libx265" else {}
    path = make_clip("w.mov", codec=codec, pix_fmt=pix_fmt, frames=24, options=options | {"g": "4"})
    frames, reader, notes = read(wiped(path, {9, 10}), threads=threads)
    assert len(frames) == 24
    times = [f.pts * f.time_base for f in frames]
    assert times == [Fraction(i, 25) for i in range(24)]
    assert reader.concealed >= 2
    np.testing.assert_array_equal(frames[9].planes[0], frames[8].planes[0])
    np.testing.assert_array_equal(frames[10].planes[0], frames[8].planes[0])
    assert psnr(frames[23], source_frames(ClipSpec(pix_fmt=pix_fmt, frames=24))[23]) > 25
    assert notes == [f"w.mov: {reader.concealed} damaged frames were replaced by the frame before"]


@pytest.mark.parametrize(
    ("name", "codec"),
    [
        ("w.mp4", "libx264"),
        ("w.ts", "mpeg2video"),
        ("w.avi", "mpeg4"),
        ("w.flv", "flv"),
        ("w.wmv", "wmv2"),
        ("w.mov", "prores_ks"),
        ("w.mkv", "ffv1"),
    ],
)
def test_a_picture_that_lost_a_part_is_told(make_clip: MakeClip, name: str, codec: str) -> None:
    """The decoder makes up what is missing, and says so beside the frame alone."""
    pix_fmt = "yuv422p10le" if codec == "prores_ks" else "yuv420p"
    path = make_clip(name, codec=codec, pix_fmt=pix_fmt, size=(176, 144), options={"bf": "0"})
    whole, reader, notes = read(path)
    assert (reader.mended, reader.damaged, notes) == (0, False, [])
    with av.open(str(path)) as container:
        packet = [bytes(p) for p in container.demux(container.streams.video[0]) if p.size][5]
    content, middle = path.read_bytes(), packet[len(packet) // 3 :][:60]
    path.write_bytes(content.replace(middle, np.random.default_rng(3).bytes(60)))
    frames, reader, notes = read(path)
    assert [frame.pts for frame in frames] == [frame.pts for frame in whole]
    differ = [
        not np.array_equal(a.planes[0], b.planes[0]) for a, b in zip(frames, whole, strict=True)
    ]
    assert differ.index(True) == 5
    assert (reader.mended, reader.concealed, reader.damaged) == (1, 0, True)
    told = "1 frame lacks a part, made up by the decoder; those after may show it"
    assert notes == [f"{name}: {told}"]
    with pytest.raises(InputError, match=r"w\.\w+ is damaged at 0\.2"):
        read(path, on_error="stop")


@pytest.mark.parametrize("name", ["in.mkv", "in.mp4", "in.avi"])
@pytest.mark.parametrize("policy", ["conceal", "skip"])
def test_the_gaps_of_a_film_near_damage_are_no_lost_pictures(
    make_clip: MakeClip, name: str, policy: OnError
) -> None:
    """Of a variable frame rate, in containers that give every packet, damaged or not."""
    steps = [*[1] * 12, 4] * 3
    pts = [sum(steps[:place]) for place in range(len(steps))]
    path = make_clip(name, frames=len(pts), pts=pts, options={"bf": "0", "g": "99"})
    with av.open(str(path)) as container:
        packets = [bytes(p) for p in container.demux(container.streams.video[0]) if p.size]
    noise = np.random.default_rng(1).bytes(len(packets[10]))
    path.write_bytes(path.read_bytes().replace(packets[10], noise))
    with Reader(path, on_error=policy) as reader:
        shown = [frame.pts * reader.info.time_base for frame in reader]
    conceal = policy == "conceal"
    assert (reader.concealed, reader.left_out) == ((1, 0) if conceal else (0, 1))
    assert not reader.truncated
    with Reader(make_clip(name, frames=len(pts), pts=pts, options={"bf": "0", "g": "99"})) as whole:
        times = [frame.pts * whole.info.time_base for frame in whole]
    assert shown == [time for place, time in enumerate(times) if conceal or place != 10]


@pytest.mark.parametrize(
    ("name", "codec", "options"),
    [
        ("v.mp4", "libx264", {"bf": "0"}),
        ("v.mkv", "libx264", {"bf": "2"}),
        ("v.mov", "libx265", {"x265-params": "log-level=none:bframes=0:keyint=1"}),
        ("v.mp4", "mpeg4", {"bf": "2"}),
        ("v.mov", "prores_ks", {}),
    ],
)
@pytest.mark.parametrize("lost", [2, 5])
def test_a_lost_picture_however_close_to_its_neighbours_is_counted(
    make_clip: MakeClip, name: str, codec: str, options: dict[str, str], lost: int
) -> None:
    """Of a variable frame rate, where each packet is listed and shows one picture."""
    steps = [1, 1, 2, 10, 1, 5, 1, 12, 3, 1]
    pts = [sum(steps[:place]) for place in range(len(steps) + 1)]
    pix_fmt = "yuv422p10le" if codec == "prores_ks" else "yuv420p"
    shape = {"codec": codec, "pix_fmt": pix_fmt, "options": options, "size": (64, 48)}
    path = make_clip(name, frames=len(pts), pts=pts, **shape)
    with av.open(str(path)) as container:
        packets = [bytes(p) for p in container.demux(container.streams.video[0]) if p.size]
    noise = np.random.default_rng(lost).bytes(len(packets[lost]))
    path.write_bytes(path.read_bytes().replace(packets[lost], noise))
    frames, reader, _ = read(path)
    assert [frame.pts * frame.time_base * 25 for frame in frames] == pts
    assert reader.concealed == 1
    frames, reader, _ = read(path, on_error="skip")
    assert (len(frames), reader.left_out) == (len(pts) - 1, 1)


def test_a_picture_that_is_not_to_be_shown_is_none_lost_behind_damage(
    make_clip: MakeClip, tmp_path: Path
) -> None:
    """As encoders of VP8 put them just before another, for that to be predicted from."""
    path, hidden, lost = tmp_path / "h.webm", 20, 10
    with (
        av.open(str(make_clip("whole.webm", codec="libvpx", frames=30))) as source,
        av.open(str(path), "w") as output,
    ):
        video = output.add_stream_from_template(source.streams.video[0])
        for number, packet in enumerate(p for p in source.demux(video=0) if p.size):
            content = bytearray(packet)
            if number == hidden:
                content[0] &= ~16  # show_frame, RFC 6386, 9.1
            if number == lost:
                content[:] = bytes(len(content))
            moved = av.Packet(bytes(content))
            moved.pts = moved.dts = number * 40 + 39 * (number == hidden)
            moved.time_base, moved.stream = Fraction(1, 1000), video
            moved.is_keyframe = packet.is_keyframe
            output.mux(moved)
    frames, reader, _ = read(path)
    assert reader.concealed == 1
    assert [frame.pts for frame in frames] == [40 * n for n in range(30) if n != hidden]


@pytest.mark.parametrize("lost", [10, 12])
def test_a_picture_without_a_packet_is_counted_also_before_damaged_ones(
    make_clip: MakeClip, lost: int
) -> None:
    options = {"bf": "0", "g": "12", "sc_threshold": "0"}
    whole = make_clip("w.ts", frames=40, size=(112, 80), codec="libx264", options=options)
    times = [frame.pts for frame in read(whole)[0]]
    packets = [whole.read_bytes()[at : at + 188] for at in range(0, whole.stat().st_size, 188)]
    picture, kept = -1, []
    for packet in packets:
        is_video = int.from_bytes(packet[1:3], "big") & 0x1FFF == 0x100
        picture += is_video and bool(packet[1] & 0x40)
        if not (is_video and picture == lost):
            kept.append(packet)
    assert (len(packets) - len(kept)) % 16  # else the counter of four bits shows no gap
    whole.write_bytes(b"".join(kept))
    frames, reader, _ = read(whole)
    assert reader.concealed
    assert [frame.pts for frame in frames] == times


def test_a_jump_of_the_clock_at_damage_is_not_called_the_end(make_clip: MakeClip) -> None:
    times = [*range(850), *range(1120, 1170)]  # mostly even: the rate is a mean
    path = wiped(make_clip("j.mov", pts=times, frames=900, options={"g": "1", "bf": "0"}), {849})
    frames, reader, notes = read(path)
    assert [frame.pts * frame.time_base * 25 for frame in frames] == times
    assert reader.truncated and reader.concealed == 1
    assert notes == [
        "j.mov: 1 damaged frame was replaced by the frame before",
        "j.mov: it is damaged where its clock jumps by 10.84 s; frames may be missing",
    ]
    with pytest.raises(InputError, match="is damaged at"):
        read(path, on_error="stop")


@pytest.mark.parametrize(
    ("name", "codec", "options"),
    [
        ("t.mp4", "libx264", {"movflags": "faststart"}),
        ("t.mkv", "libx264", {}),
        ("t.avi", "mpeg4", {}),
        ("t.flv", "libx264", {}),
    ],
)
def test_a_truncated_file_gives_what_there_is(
    make_clip: MakeClip, name: str, codec: str, options: dict[str, str]
) -> None:
    path = make_clip(name, codec=codec, frames=60, container_options=options)
    places = packet_places(path)
    path.write_bytes(path.read_bytes()[: places[30][0] + 3])
    frames, reader, notes = read(path)
    assert 28 <= len(frames) <= 30
    assert reader.truncated
    assert notes == [f"{name}: the file ends early; what there is of it was read"]


def test_times_that_go_back_are_repaired_with_one_note(tmp_path: Path) -> None:
    spec = ClipSpec(frames=6)
    first = write_clip(tmp_path / "1.ts", spec)
    second = write_clip(tmp_path / "2.ts", spec)
    joined = tmp_path / "joined.ts"
    joined.write_bytes(first.read_bytes() + second.read_bytes())
    frames, _, notes = read(joined)
    assert len(frames) == 12
    assert all(b.pts > a.pts for a, b in pairwise(frames))
    assert sum("timestamps" in note for note in notes) == 1


@pytest.mark.parametrize("absurd", [0x7F << 56, 0xFF << 40])
def test_times_that_no_clock_has_come_to_follow_from_the_frames_before(
    make_clip: MakeClip, absurd: int
) -> None:
    path = make_clip("t.ivf", codec="libvpx", frames=10)
    content, place = bytearray(path.read_bytes()), 32
    for number in range(10):
        size, time = struct.unpack_from("<IQ", content, place)
        assert time == number
        if number in (5, 7):
            struct.pack_into("<Q", content, place + 4, absurd)
        place += 12 + size
    path.write_bytes(content)
    assert [(frame.pts, frame.duration) for frame in read(path)[0]] == [(n, 1) for n in range(10)]


def test_a_new_size_on_the_way_is_scaled_to_the_first(tmp_path: Path) -> None:
    sizes = [(64, 48), (96, 72), (64, 48)]
    parts = [write_clip(tmp_path / f"{i}.h264", ClipSpec(size=s)) for i, s in enumerate(sizes)]
    joined = tmp_path / "joined.h264"
    joined.write_bytes(b"".join(p.read_bytes() for p in parts))
    frames, _, notes = read(joined)
    assert len(frames) == 36
    assert {f.planes[0].shape for f in frames} == {(48, 64)}
    assert {f.planes[1].shape for f in frames} == {(24, 32)}
    assert all(b.pts - a.pts == frames[0].duration for a, b in pairwise(frames))
    assert [n for n in notes if "96x72" in n] == notes and len(notes) == 1
    large = source_frames(ClipSpec(size=(96, 72)))[0].planes[0]
    assert abs(float(frames[12].planes[0].mean()) - float(large.mean())) < 1


@pytest.mark.parametrize(
    ("tags", "levels"),
    [
        ((ColourTags(1, 1, 1, 1), ColourTags(6, 6, 6, 1)), (92, 105, 190)),
        ((ColourTags(1, 1, 1, 1), ColourTags(1, 1, 1, 2)), (92, 105, 190)),
        ((ColourTags(1, 1, 1, 2), ColourTags(1, 1, 1, 1)), (88, 102, 199)),
    ],
    ids=["matrix", "to full range", "to limited range"],
)
@pytest.mark.parametrize("size", [(64, 48), (48, 32)])
def test_colours_on_the_way_are_those_of_the_first(
    tags: tuple[ColourTags, ColourTags],
    levels: tuple[int, ...],
    size: tuple[int, int],
    tmp_path: Path,
) -> None:
    """RGB of 200, 60 and 40, as both tags have it."""
    of_tags = {(1, 1): (92, 105, 190), (1, 2): (88, 102, 199), (6, 1): (102, 98, 191)}
    data = b""
    for number, (each, wide) in enumerate(zip(tags, ((64, 48), size), strict=True)):
        frames = [make_frame("yuv420p", *wide, time=time, tags=each) for time in range(4)]
        for frame in frames:
            for plane, level in zip(frame.planes, of_tags[each.matrix, each.range], strict=True):
                plane[...] = level
        part = tmp_path / f"{number}.h264"
        write_frames(part, frames, codec="libx264")
        data += part.read_bytes()
    joined = tmp_path / "joined.h264"
    joined.write_bytes(data)
    frames, _, notes = read(joined)
    assert len(frames) == 8 and sum("colours" in note for note in notes) == 1
    for frame in frames:
        assert (frame.tags.matrix, frame.tags.range) == (tags[0].matrix, tags[0].range)
        assert [int(plane[9, 9]) for plane in frame.planes] == pytest.approx(levels, abs=1)


@pytest.mark.parametrize("matrix", [1, 9])
def test_high_dynamic_range_that_begins_on_the_way_is_told(tmp_path: Path, matrix: int) -> None:
    data = b""
    for tags in (ColourTags(matrix, 1, 1, 1), ColourTags(matrix, 9, 16, 1)):
        part = write_clip(tmp_path / "part.h264", ClipSpec(tags=tags, frames=3))
        data += part.read_bytes()
    joined = tmp_path / "joined.h264"
    joined.write_bytes(data)
    frames, _, notes = read(joined)
    assert len(frames) == 6
    (note,) = notes
    assert "(standard dynamic range to BT.2020, PQ)" in note


@pytest.mark.parametrize(("name", "codec"), [("i.mp4", "libx264"), ("i.ts", "mpeg2video")])
def test_interlaced_frames_become_whole(make_clip: MakeClip, name: str, codec: str) -> None:
    fields = {"codec": codec, "interlaced": True, "frames": 8, "velocity": (5, 0)}
    path = make_clip(name, **fields)
    frames, _, notes = read(path)
    assert len(frames) == 8
    assert [f.index for f in frames] == list(range(8))
    assert all(b.pts - a.pts == frames[0].duration for a, b in pairwise(frames))
    assert len(notes) == 1 and "deinterlaced" in notes[0]
    with av.open(str(path)) as container:
        woven = [from_video_frame(f) for f in container.decode(video=0)]
    for index in range(1, 7):
        truth = make_frame("yuv420p", 64, 48, index, velocity=(5, 0))
        assert psnr(frames[index], truth) > psnr(woven[index], truth) + 3
        np.testing.assert_allclose(frames[index].planes[0][::2], woven[index].planes[0][::2])


@pytest.mark.parametrize("first", [0, 1])
@pytest.mark.parametrize(
    ("codec", "pix_fmt"),
    [
        ("png", "rgb24"),
        ("qtrle", "rgb24"),
        ("mjpeg", "yuvj422p"),
        ("cfhd", "yuv422p10le"),
    ],
)
def test_fields_that_the_container_alone_tells_of_become_whole(
    make_clip: MakeClip, codec: str, pix_fmt: str, first: int
) -> None:
    options = {"field_order": ("tt", "bb")[first]}
    fields = {"codec": codec, "pix_fmt": pix_fmt, "options": options, "velocity": (5, 0)}
    path = make_clip("i.mov", **fields)
    with av.open(str(path)) as container:
        frames = list(container.decode(video=0))
    assert not any(frame.interlaced_frame for frame in frames)
    whole, _, notes = read(path)
    assert len(notes) == 1 and "deinterlaced" in notes[0] and probe(path).interlaced
    for frame, made in zip(frames, whole, strict=True):
        woven = from_video_frame(frame).planes[0]
        np.testing.assert_array_equal(made.planes[0][first::2], woven[first::2])
    assert (made.planes[0][1 - first :: 2] != woven[1 - first :: 2]).mean() > 0.1
    with pytest.raises(InputError, match="is interlaced"):
        read(path, deinterlace=False)


@pytest.mark.parametrize(
    ("name", "codec"), [("i.mov", "png"), ("%d.png", "png"), ("i.apng", "apng")]
)
def test_a_png_that_comes_in_passes_has_no_fields(
    make_clip: MakeClip, name: str, codec: str
) -> None:
    """FFmpeg calls such a picture interlaced (Adam7), as its encoder does."""
    path = make_clip(name, codec=codec, pix_fmt="rgb24", interlaced=True, velocity=(5, 0))
    with av.open(str(path)) as container:
        frames = list(container.decode(video=0))
    assert all(frame.interlaced_frame for frame in frames)
    same, _, notes = read(path, deinterlace=False)
    assert notes == [] and not probe(path).interlaced
    for frame, made in zip(frames, same, strict=True):
        for plane, expected in zip(made.planes, from_video_frame(frame).planes, strict=True):
            np.testing.assert_array_equal(plane, expected)


def test_interlaced_frames_can_be_refused(make_clip: MakeClip) -> None:
    path = make_clip("i.ts", codec="mpeg2video", interlaced=True)
    with pytest.raises(InputError, match=r"i\.ts is interlaced.*deinterlaced$"):
        read(path, deinterlace=False)
    assert len(read(make_clip("p.ts", codec="mpeg2video"), deinterlace=False)[0]) == 12


def test_every_packet_damaged(make_clip: MakeClip) -> None:
    path = wiped(make_clip("all.mp4"), set(range(12)))
    with pytest.raises(InputError, match=r"no frame of .*all\.mp4 could be decoded"):
        Reader(path)


# -- choosing part of it -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("start", "end", "most", "expected"),
    [
        (None, None, None, range(12)),
        (Fraction(2, 25), None, None, range(2, 12)),
        (Fraction(3, 50), Fraction(5, 25), None, range(2, 5)),
        (None, Fraction(4, 25), 3, range(3)),
        (Fraction(1, 5), None, 2, range(5, 7)),
        (Fraction(9), None, None, range(0)),
        (None, None, 0, range(0)),
    ],
)
def test_trimming_counts_from_the_first_frame(
    make_clip: MakeClip,
    start: Fraction | None,
    end: Fraction | None,
    most: int | None,
    expected: range,
) -> None:
    pts = [i + 7 for i in range(12)]
    path = make_clip(pts=pts, time_base=Fraction(1, 25), options={"bf": "2"})
    frames, _, _ = read(path, start=start, end=end, max_frames=most)
    assert [f.index for f in frames] == list(expected)
    assert [f.pts * f.time_base for f in frames] == [Fraction(7 + i, 25) for i in expected]


@pytest.mark.parametrize(
    ("start", "end", "most", "expected"),
    [
        (None, None, None, "############"),
        (Fraction(2, 25), None, None, "..##########"),
        (Fraction(5, 25), Fraction(7, 25), None, "  ...##.."),
        (Fraction(5, 25), None, 1, "  ...#.."),
        (None, Fraction(4, 25), 3, "###.."),
        (None, Fraction(11, 25), None, "###########."),
        (Fraction(9), None, None, ""),
        (Fraction(5, 25), Fraction(51, 250), None, "  ...#.."),
        (Fraction(51, 250), Fraction(52, 250), None, ""),
        (None, None, 0, ""),
    ],
)
def test_context_lies_just_outside(
    make_clip: MakeClip,
    start: Fraction | None,
    end: Fraction | None,
    most: int | None,
    expected: str,
) -> None:
    """# is a frame of the range, . one of up to three before and two after it."""
    with Reader(make_clip(), start=start, end=end, max_frames=most) as reader:
        found = [(frame.index, wanted) for frame, wanted in reader.with_context(3, 2)]
    assert found == [(i, sign == "#") for i, sign in enumerate(expected) if sign != " "]


GROUPS = {"g": "10", "bf": "3"}
OPEN = {"x264-params": "open-gop=1:bframes=3:keyint=10"}
REFRESHED = {"x264-params": "intra-refresh=1:keyint=20"}
UNEVEN = [i * 40 + (i * 7919) % 23 for i in range(90)]


@pytest.mark.parametrize(
    ("name", "spec"),
    [
        ("h264.mp4", {"options": GROUPS}),
        ("open.mkv", {"options": OPEN}),
        ("refreshed.mp4", {"options": REFRESHED}),
        ("uneven.mkv", {"options": OPEN, "pts": UNEVEN, "time_base": Fraction(1, 1000)}),
        ("vp9.webm", {"codec": "libvpx-vp9", "options": {"g": "10", "auto-alt-ref": "1"}}),
        ("hevc.mkv", {"codec": "libx265", "options": {"x265-params": "keyint=10:open-gop=1"}}),
        ("ffv1.mkv", {"codec": "ffv1"}),
        ("prores.mov", {"codec": "prores_ks", "pix_fmt": "yuv422p10le"}),
        ("rare.mp4", {}),
        ("h264.ts", {"options": GROUPS}),
    ],
)
@pytest.mark.parametrize("start", [Fraction(1, 4), Fraction(2), Fraction(3)])
def test_frames_passed_over_change_nothing(
    make_clip: MakeClip, name: str, spec: dict[str, object], start: Fraction
) -> None:
    path = make_clip(name, frames=90, **spec)
    everything, _, _ = read(path)
    first = everything[0].pts * everything[0].time_base
    expected = [f for f in everything if f.pts * f.time_base - first >= start]
    before = [f for f in everything if f.pts * f.time_base - first < start]
    with Reader(path, start=start, max_frames=4) as reader:
        found = list(reader.with_context(8, 2))
    for (ours, wanted), theirs in zip(found, before[-8:] + expected[:6], strict=True):
        assert (ours.index, ours.pts, ours.duration) == (theirs.index, theirs.pts, theirs.duration)
        assert wanted == (expected[0].index <= theirs.index < expected[0].index + 4)
        for new, old in zip(ours.planes, theirs.planes, strict=True):
            np.testing.assert_array_equal(new, old)
    assert reader.concealed == reader.left_out == 0


def test_what_is_passed_over_is_not_decoded(make_clip: MakeClip) -> None:
    """Damage there is of no concern, and takes no time."""
    path = make_clip("long.mp4", frames=90, options=GROUPS)
    whole, _, _ = read(path)
    damaged = wiped(path, set(range(21, 30)))
    with Reader(damaged) as reader:
        assert len(list(reader)) == 90 and reader.concealed
    with Reader(damaged, start=Fraction(3)) as reader:
        found = list(reader)
        assert reader.concealed == 0
    for ours, theirs in zip(found, whole[75:], strict=True):
        assert ours.index == theirs.index
        np.testing.assert_array_equal(ours.planes[0], theirs.planes[0])


def test_iterating_again_starts_again(make_clip: MakeClip) -> None:
    path = make_clip()
    info = probe(path)
    with Reader(path, info=info) as reader:
        assert reader.info is info
        first = [next(iter(reader)).pts for _ in range(2)]
        assert first == [0, 0]
        assert len(list(reader)) == 12


def test_leaving_early_closes_the_file(make_clip: MakeClip) -> None:
    with Reader(make_clip(frames=30)) as reader:
        frames = iter(reader)
        next(frames)
    assert list(frames) == []


# -- files from the wild -------------------------------------------------------------------------


def awkward_files() -> list[str]:
    manifest = AWKWARD / "manifest.csv"
    if not manifest.is_file():
        return []
    with manifest.open(newline="") as lines:
        return [row["file"] for row in csv.DictReader(lines)]


@pytest.mark.skipif(not awkward_files(), reason=f"{AWKWARD.parent.name}/awkward is not here")
@pytest.mark.parametrize("name", awkward_files() or ["none"])
def test_awkward_files_are_read_or_refused_in_a_sentence(name: str) -> None:
    try:
        with Reader(AWKWARD / name, max_frames=10) as reader:
            frames = list(reader)
    except InputError as error:
        assert name in str(error) and "\n" not in str(error)
        assert name.split(".")[0] in REFUSED
    else:
        assert frames and all(b.pts > a.pts for a, b in pairwise(frames))
        assert all(f.duration > 0 for f in frames)
        assert name.split(".")[0] not in REFUSED


REFUSED = {
    "subsample_encrypted_noaltref",
    "invalid-bitstream",
    "sample_with_sdt",
    "sample_mpegh_bl_configchange_cont",
}
"""Encrypted; damaged from the first packet; without a picture; without a video codec."""


@pytest.mark.parametrize("pix_fmt", ["yuv420p", "yuv444p", "gray"])
@pytest.mark.parametrize("edges", [(6, 2, 4, 8), (3, 0, 1, 0)])
def test_what_the_container_has_players_cut_off_is_left_out(
    make_clip: MakeClip, pix_fmt: str, edges: tuple[int, int, int, int]
) -> None:
    path = make_clip(size=(64, 48), frames=3, pix_fmt=pix_fmt)
    whole, _, _ = read(path)
    left, right, top, bottom = edges
    width, height = 64 - left - right, 48 - top - bottom
    with_clean_aperture(path, edges, (64, 48))
    found, reader, _ = read(path)
    assert (reader.info.width, reader.info.height) == (width, height)
    assert len(found) == len(whole)
    for frame, full in zip(found, whole, strict=True):
        across, down = full.layout.log2_chroma
        assert np.array_equal(frame.planes[0], full.planes[0][top:, left:][:height, :width])
        for plane, other in zip(frame.planes[1:], full.planes[1:], strict=True):
            rows, columns = -(-height >> down), -(-width >> across)
            part = other[top >> down :, left >> across :][:rows, :columns]
            assert np.array_equal(plane, part)


def with_clean_aperture(
    path: Path, edges: tuple[int, int, int, int], size: tuple[int, int]
) -> None:
    """Write a clap box (ISO/IEC 14496-12, 12.1.4) into an MP4 of H.264 that has no sound."""
    left, right, top, bottom = edges
    width, height = size[0] - left - right, size[1] - top - bottom
    # How far the centre of what is shown lies beside that of the picture, in halves.
    box = struct.pack(
        ">I4sIIIIiIiI", 40, b"clap", width, 1, height, 1, left - right, 2, top - bottom, 2
    )
    add_box(path, box)


def add_box(path: Path, box: bytes) -> None:
    """Put a box into the description of the video of an MP4 of H.264 that has no sound."""
    data = path.read_bytes()
    assert data.index(b"mdat") < data.index(b"moov")  # else the offsets of the packets were wrong
    place = data.index(b"avcC") - 4
    data = data[:place] + box + data[place:]
    for name in (b"moov", b"trak", b"mdia", b"minf", b"stbl", b"stsd", b"avc1"):
        at = data.index(name, data.index(b"stsd" if name == b"avc1" else b"moov")) - 4
        grown = int.from_bytes(data[at : at + 4], "big") + len(box)
        data = data[:at] + grown.to_bytes(4, "big") + data[at + 4 :]
    path.write_bytes(data)


@pytest.mark.parametrize(
    ("profile", "compatible", "extras"), [(5, 0, ("DOVI_COLOURS",)), (8, 1, ()), (8, 4, ())]
)
def test_dolby_vision_that_is_nothing_without_its_metadata(
    make_clip: MakeClip, profile: int, compatible: int, extras: tuple[str, ...]
) -> None:
    """As the box that describes it says (Dolby Vision Streams within ISOBMFF, 3.2)."""
    path = make_clip(frames=2)
    name = b"dvcC" if profile < 8 else b"dvvC"
    words = bytes((1, 0, profile << 1, 6 << 3 | 0b101, compatible << 4))
    add_box(path, struct.pack(">I4s24s", 32, name, words))
    info = Reader(path).info
    assert info.extras == extras
    told = [loss.text for loss in lost_streams(info, StreamPlan(), path)]
    line = "the Dolby Vision metadata, without which its colours are wrong, cannot be kept"
    assert told == [line] * len(extras)


def test_texture_moves_by_its_velocity() -> None:
    """The clip factory's promise: smooth texture, moving by less than a pixel a frame."""
    before, after = (make_frame("gray", 64, 48, t).planes[0].astype(int) for t in (0.0, 100.0))
    corner = before[21:48, 0:27]
    assert np.abs(after[0:27, 37:64] - corner).max() <= 1
    assert np.abs(after[0:27, 36:63] - corner).mean() > 3


def test_a_jpeg_that_is_cut_off_is_seen_to_be(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for number in range(3):
        picture = Image.fromarray(rng.integers(0, 256, (48, 64, 3), np.uint8))
        path = tmp_path / f"{number}.jpg"
        picture.save(path)
        if number:
            path.write_bytes(path.read_bytes()[:-700])
        else:
            path.write_bytes(path.read_bytes() + b"trailing")
    frames, reader, notes = read(tmp_path / "1.jpg")
    assert (len(frames), reader.truncated) == (1, True)
    assert notes == ["1.jpg: the picture is damaged, and lacks a part"]
    frames, reader, notes = read(tmp_path / "%d.jpg")
    assert (len(frames), reader.truncated, reader.concealed) == (3, True, 0)
    assert notes == ["%d.jpg: 1.jpg and 1 more are damaged, and lack a part"]
    assert [len(read(tmp_path / "%d.jpg", on_error="skip")[0])] == [1]
    with pytest.raises(InputError, match=r"1\.jpg .* damaged"):
        read(tmp_path / "%d.jpg", on_error="stop")
    _, reader, notes = read(tmp_path / "0.jpg")
    assert not reader.truncated and not notes


# -- the shape of the picture ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sar", "told"),
    [
        (Fraction(1), []),
        (Fraction(4, 3), ["the aspect ratio changes on the way (1.33:1 to 1.78:1)"]),
    ],
)
def test_another_shape_of_the_same_size_is_told(
    tmp_path: Path, sar: Fraction, told: list[str]
) -> None:
    path = tmp_path / "evening.mpg"
    parts = []
    for shape in (Fraction(1), sar):
        spec = ClipSpec(size=(64, 48), frames=25, codec="mpeg2video", sar=shape)
        parts.append(write_clip(tmp_path / "part.mpg", spec).read_bytes())
    path.write_bytes(b"".join(parts))
    frames, reader, notes = read(path)
    assert (len(frames), reader.info.sar) == (50, 1)
    shapes = [note for note in notes if "aspect ratio" in note]
    assert shapes == [
        f"evening.mpg: {line}; it keeps the first, and the rest is shown distorted" for line in told
    ]


def test_another_size_of_the_same_shape_is_not_told_to_be_distorted(tmp_path: Path) -> None:
    path = tmp_path / "evening.mpg"
    parts = []
    for size, shape in (((64, 48), Fraction(1)), ((48, 48), Fraction(4, 3))):
        spec = ClipSpec(size=size, frames=25, codec="mpeg2video", sar=shape)
        parts.append(write_clip(tmp_path / "part.mpg", spec).read_bytes())
    path.write_bytes(b"".join(parts))
    frames, _, notes = read(path)
    assert len(frames) == 50
    assert any("the picture changes on the way" in note for note in notes)
    assert not any("aspect ratio" in note for note in notes)


# -- H.264 in AVI ----------------------------------------------------------------------------------


def flashing(path: Path, bframes: int) -> Path:
    """Frame 13 of 25 turns white at 0.52 s, a tone begins at 0.5 s."""
    rate = 48000
    with av.open(str(path), "w") as output:
        video = output.add_stream("libx264", rate=25, options={"bf": str(bframes), "qp": "10"})
        video.width, video.height, video.pix_fmt = 64, 48, "yuv420p"
        sound = output.add_stream("pcm_s16le", rate=rate, layout="mono")
        for number in range(25):
            pixels = np.full((48, 64, 3), 16 if number < 13 else 235, np.uint8)
            pixels[number : number + 8, number : number + 8] = (200, 40, 90)
            frame = av.VideoFrame.from_ndarray(pixels)
            frame.pts, frame.time_base = number, Fraction(1, 25)
            output.mux(video.encode(frame))
        samples = np.where(np.arange(rate) < rate // 2, 0, 20000).astype(np.int16)
        heard = av.AudioFrame.from_ndarray(samples[None], format="s16", layout="mono")
        heard.sample_rate, heard.pts, heard.time_base = rate, 0, Fraction(1, rate)
        output.mux(sound.encode(heard))
        for stream in (video, sound):
            output.mux(stream.encode(None))
    return path


@pytest.mark.parametrize("bframes", [0, 2])
def test_h264_in_avi_has_its_frames_in_order_and_time(tmp_path: Path, bframes: int) -> None:
    path = flashing(tmp_path / "a.avi", bframes)
    frames, reader, notes = read(path)
    assert (notes, reader.damaged, reader.info.start_pts) == ([], False, 0)
    assert [frame.pts for frame in frames] == list(range(25))
    assert [frame.duration for frame in frames] == [1] * 25
    assert [frame.planes[0].mean() > 128 for frame in frames] == [False] * 13 + [True] * 12
    for number, frame in enumerate(frames):  # the square has moved so far
        place = (number + 4) // 2
        red = frame.planes[2].astype(int)
        assert red[place, place] - red[-1, 0] > 10 > abs(red[place + 4, place + 4] - red[-1, 0])


def test_damage_in_h264_in_avi_keeps_the_number_of_frames(tmp_path: Path) -> None:
    path = flashing(tmp_path / "a.avi", 2)
    data = path.read_bytes()
    with av.open(str(path)) as container:
        broken = [bytes(packet) for packet in container.demux(video=0)][9]
    path.write_bytes(data.replace(broken, broken[:4] + b"\xff" * (len(broken) - 4)))
    frames, reader, notes = read(path)
    assert [frame.pts for frame in frames] == list(range(25))
    assert (reader.damaged, reader.concealed) == (True, 1)
    assert notes == ["a.avi: 1 damaged frame was replaced by the frame before"]


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("bframes", [0, 2])
def test_h264_in_asf_has_its_frames_in_order_and_beside_the_sound(
    tmp_path: Path, bframes: int, threads: int
) -> None:
    """Of the same packets as in Matroska, which keeps both times of each."""
    path = flashing(tmp_path / "a.asf", bframes)
    with av.open(str(path)) as container:
        heard = next(p.pts for p in container.demux(audio=0) if p.pts is not None)
    assert (heard > 0) == (bframes > 0)  # all is later, so that no decoding time is below 0
    frames, reader, notes = read(path, threads=threads)
    assert (notes, reader.damaged, reader.info.start_pts) == ([], False, heard)
    assert [frame.pts for frame in frames] == [heard + 40 * number for number in range(25)]
    assert [frame.duration for frame in frames] == [40] * 25
    for frame, wanted in zip(frames, read(flashing(tmp_path / "a.mkv", bframes))[0], strict=True):
        np.testing.assert_array_equal(frame.planes[0], wanted.planes[0])


@pytest.mark.parametrize("threads", [1, 2])
def test_damage_in_h264_in_asf_keeps_the_number_of_frames(tmp_path: Path, threads: int) -> None:
    path = flashing(tmp_path / "a.asf", 2)
    data = path.read_bytes()
    times = [frame.pts for frame in read(path)[0]]
    with av.open(str(path)) as container:
        broken = [bytes(packet) for packet in container.demux(video=0)][9]
    path.write_bytes(data.replace(broken, broken[:6] + b"\xff" * (len(broken) - 6)))
    frames, reader, notes = read(path, threads=threads)
    assert [frame.pts for frame in frames] == times
    assert (reader.damaged, reader.concealed) == (True, 1)
    assert notes == ["a.asf: 1 damaged frame was replaced by the frame before"]


@pytest.mark.parametrize(
    ("pix_fmt", "edges"), [("yuv420p", (4, 2, 6, 2)), ("yuv444p", (3, 2, 5, 1))]
)
def test_what_the_stream_itself_cuts_off_is_left_out_at_all_edges(
    tmp_path: Path, pix_fmt: str, edges: tuple[int, int, int, int]
) -> None:
    left, right, top, bottom = edges
    spec = ClipSpec(size=(64, 48), frames=3, pix_fmt=pix_fmt, options={"qp": "0"}, codec="libx264")
    whole = write_clip(tmp_path / "whole.h264", spec)
    names = ("left", "right", "top", "bottom")
    crop = ":".join(f"crop_{name}={count}" for name, count in zip(names, edges, strict=True))
    path = tmp_path / "cut.h264"
    with av.open(str(whole)) as source:
        cutting = BitStreamFilterContext(f"h264_metadata={crop}", source.streams.video[0])
        packets = [made for packet in source.demux() for made in cutting.filter(packet)]
        path.write_bytes(b"".join(map(bytes, packets)))
    found, reader, _ = read(path)
    assert (reader.info.width, reader.info.height) == (64 - left - right, 48 - top - bottom)
    for frame, wanted in zip(found, read(whole)[0], strict=True):
        across, down = frame.layout.log2_chroma
        for plane, samples in zip(frame.planes, wanted.planes, strict=True):
            chroma = plane.shape != frame.planes[0].shape
            x, y = (left >> across, top >> down) if chroma else (left, top)
            height, width = plane.shape
            np.testing.assert_array_equal(plane, samples[y : y + height, x : x + width])


# -- MPEG-4 in AVI ---------------------------------------------------------------------------------


def placeholder(packet: bytes) -> bytes:
    """A P-VOP (ISO/IEC 14496-2), of 25 pictures a second, that is not coded."""
    start = packet.index(b"\0\0\1\xb6")
    bits = f"{int.from_bytes(packet[start + 4 : start + 6], 'big'):016b}"
    assert bits[:4] == "0101"  # P, in the same second as the one before, and a marker
    made = bits[:10] + "00" + "1111"  # up to the second marker; not coded; filling
    return packet[: start + 4] + int(made, 2).to_bytes(2, "big")


def write_packed(path: Path) -> Path:
    """25 frames of which two B-frames come after each P, as Xvid and DivX pack them into AVI.

    The first of them lies in the packet of the P, and something empty where the second was.
    """
    spec = ClipSpec(size=(64, 48), frames=25, codec="mpeg4", options={"bf": "2", "g": "99"})
    whole = write_clip(path.with_suffix(".m4v"), spec)
    with av.open(str(whole)) as source:
        coded = [bytes(packet) for packet in source.demux(video=0) if packet.size]
        head, vop, rest = coded[0].partition(b"\0\0\1\xb6")
        chunks = [head + b"\0\0\1\xb2DivX503b1393p" + vop + rest]  # user data: p for packed
        for p, b, c in zip(coded[1::3], coded[2::3], coded[3::3], strict=True):
            chunks += [p + b, c, placeholder(p)]
        with av.open(str(path), "w") as output:
            video = output.add_stream_from_template(source.streams.video[0])
            for number, chunk in enumerate(chunks):
                packet = av.Packet(chunk)
                packet.pts = packet.dts = number
                packet.time_base, packet.stream = Fraction(1, 25), video
                packet.is_keyframe = number == 0
                output.mux(packet)
    return path


def test_packed_mpeg4_in_avi_has_even_times(tmp_path: Path) -> None:
    path = write_packed(tmp_path / "x.avi")
    with av.open(str(path)) as container:  # what FFmpeg makes up is wrong
        times = [frame.pts for frame in container.decode(video=0)]
    assert times != sorted(times)
    frames, reader, notes = read(path)
    whole, _, _ = read(path.with_suffix(".m4v"))
    assert (notes, reader.damaged) == ([], False)
    tick = frames[0].pts
    assert [frame.pts for frame in frames] == [tick * number for number in range(1, 26)]
    for frame, wanted in zip(frames, whole, strict=True):
        np.testing.assert_array_equal(frame.planes[0], wanted.planes[0])


def decoding_times(folder: Path, name: str, codec: str, *, frames: int) -> Path:
    """As an AVI that is copied into another container has them; beside it, `whole.mkv`."""
    options = {"x265-params": "bframes=2:log-level=none"} if codec == "libx265" else {"bf": "2"}
    options["g"] = "25"
    spec = ClipSpec(size=(64, 48), frames=frames, codec=codec, options=options)
    whole, path = write_clip(folder / "whole.mkv", spec), folder / name
    with av.open(str(whole)) as source, av.open(str(path), "w") as output:
        video = output.add_stream_from_template(source.streams.video[0])
        for number, packet in enumerate(p for p in source.demux(video=0) if p.size):
            packet.pts = packet.dts = number
            packet.time_base, packet.stream = Fraction(1, 25), video
            output.mux(packet)
    return path


@pytest.mark.parametrize("name", ["a.mp4", "a.ts"])
@pytest.mark.parametrize("codec", ["libx264", "libx265"])
def test_times_of_decoding_in_place_of_those_of_showing(
    tmp_path: Path, name: str, codec: str
) -> None:
    path = decoding_times(tmp_path, name, codec, frames=25)
    whole = tmp_path / "whole.mkv"
    frames, reader, notes = read(path)
    assert (notes, reader.damaged) == ([], False)
    tick = Fraction(1, 25) / frames[0].time_base
    assert [frame.pts - frames[0].pts for frame in frames] == [tick * n for n in range(25)]
    for frame, wanted in zip(frames, read(whole)[0], strict=True):
        np.testing.assert_array_equal(frame.planes[0], wanted.planes[0])


@pytest.mark.parametrize("name", ["a.mp4", "a.mov"])
def test_a_part_of_a_file_that_has_times_of_decoding(tmp_path: Path, name: str) -> None:
    path = decoding_times(tmp_path, name, "libx264", frames=100)
    whole, _, _ = read(path)
    notes: list[str] = []
    with Reader(path, start=Fraction(2), note=notes.append) as reader:
        part = list(reader)
    assert (notes, reader.damaged) == ([], False)
    assert [frame.pts for frame in part] == [frame.pts for frame in whole[50:]]
    for frame, wanted in zip(part, whole[50:], strict=True):
        np.testing.assert_array_equal(frame.planes[0], wanted.planes[0])


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("name", ["a.mp4", "a.avi"])
def test_a_picture_lost_where_none_changes_place_is_replaced_in_its_own(
    tmp_path: Path, name: str, threads: int
) -> None:
    """Pictures that might have changed places, by what the stream says of itself."""
    path, count, lost = tmp_path / name, 20, 8
    pixels, written = np.random.default_rng(0), 0
    with av.open(str(path), "w") as output:
        video = output.add_stream("libx264", rate=25, options={"bf": "2", "g": "99"})
        video.width, video.height, video.pix_fmt = 64, 48, "yuv420p"
        for number in range(count + 1):
            picture = None
            if number < count:
                picture = av.VideoFrame.from_ndarray(pixels.integers(0, 256, (48, 64, 3), np.uint8))
                picture.pts, picture.time_base = number, Fraction(1, 25)
                picture.pict_type = PictureType.P if number else PictureType.I
            for packet in video.encode(picture):
                packet.pts = packet.dts = written
                packet.time_base = Fraction(1, 25)
                written += 1
                output.mux(packet)
    whole, _, notes = read(path)
    assert (len(whole), notes) == (count, [])
    with av.open(str(path)) as container:
        packets = [bytes(packet) for packet in container.demux(video=0)]
        assert container.streams.video[0].codec_context.has_b_frames
    data, noise = path.read_bytes(), np.random.default_rng(1).bytes(len(packets[lost]))
    assert data.count(packets[lost]) == 1
    path.write_bytes(data.replace(packets[lost], noise))
    frames, reader, _ = read(path, threads=threads)
    assert [frame.pts for frame in frames] == [frame.pts for frame in whole]
    assert reader.concealed == 1
    same = [
        number
        for number, (before, after) in enumerate(pairwise(frames), 1)
        if np.array_equal(before.planes[0], after.planes[0])
    ]
    assert same == [lost]
    frames, reader, _ = read(path, threads=threads, on_error="skip")
    assert [f.pts for f in frames] == [f.pts for n, f in enumerate(whole) if n != lost]


@pytest.mark.parametrize(
    ("pattern", "names"),
    [
        ("f%d.png", ["f1.png", "f2.png", "f10.png"]),
        ("f%02d.png", ["f01.png", "f02.png", "f10.png"]),
        ("f%1d.png", ["f1.png", "f2.png", "f10.png"]),
    ],
)
def test_a_number_is_that_of_the_name_the_pattern_makes(
    tmp_path: Path, pattern: str, names: list[str]
) -> None:
    for name in ("f02.png", "f1.png", "f002.png", "f2.png", "f001.png", "f01.png", "f10.png"):
        (tmp_path / name).touch()
    source = find_source(tmp_path / pattern)
    assert [picture.name for picture in source.pictures] == names
    assert source.numbers == (1, 2, 10)


def test_a_folder_called_as_a_pattern_is_no_pattern(tmp_path: Path) -> None:
    for folder, level in (("take%03d", 200), ("take001", 50)):
        (tmp_path / folder).mkdir()
        Image.new("L", (16, 16), level).save(tmp_path / folder / "p.png")
    (frame,), _, _ = read(tmp_path / "take%03d" / "p.png")
    assert int(frame.planes[0][0, 0]) == 200


@pytest.mark.parametrize("name", ["a.m3u8", "a%20b.m3u8"])
def test_what_a_playlist_names_is_not_fetched(tmp_path: Path, name: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        url = "http://{}:{}/x.ts".format(*server.getsockname())
        lines = ("#EXTM3U", "#EXT-X-TARGETDURATION:1", "#EXTINF:1,", url, "#EXT-X-ENDLIST")
        (tmp_path / name).write_text("\n".join(lines))
        with ThreadPoolExecutor() as pool:
            met = pool.submit(lambda: server.accept()[0].close())
            with pytest.raises(InputError, match="is not a video"):
                probe(tmp_path / name)
            came = met.done()
            server.shutdown(socket.SHUT_RDWR)  # else it would wait for ever
    assert not came


def test_a_playlist_without_an_end_is_read_whole(tmp_path: Path) -> None:
    path = tmp_path / "a.m3u8"
    options = {"hls_time": "1", "hls_list_size": "0"}
    with av.open(str(path), "w", format="hls", options=options) as container:
        stream = container.add_stream("mpeg2video", rate=25, width=32, height=32)
        stream.gop_size = 25
        for number in range(125):
            frame = av.VideoFrame(32, 32, "yuv420p")
            frame.pts, frame.time_base = number, Fraction(1, 25)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    path.write_text(path.read_text().replace("#EXT-X-ENDLIST", ""))
    assert len(list(tmp_path.glob("*.ts"))) == 5
    frames, _, _ = read(path)
    assert len(frames) == 125
