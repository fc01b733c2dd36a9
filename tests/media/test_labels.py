"""Tags, titles, languages and flags that a container does not keep are told."""

from __future__ import annotations

from pathlib import Path

import av
import pytest
from av.stream import Disposition

from tests.clips import ClipSpec, write_clip
from tests.conftest import MakeClip
from tests.segments import remake, settings
from vsrcli.media.probe import probe
from vsrcli.media.streams import plan_streams


@pytest.fixture
def labelled(make_clip: MakeClip, tmp_path: Path) -> Path:
    """Matroska with words for everything: a language that is none of ISO 639-2, and two flags."""
    words = {
        "video": {"title": "Film"},
        "audio": {"title": "Ton", "language": "fr-CA"},
        "subtitle": {"language": "deu"},
    }
    flags = {"audio": Disposition.comment, "subtitle": Disposition.forced}
    clip = make_clip("plain.mkv", frames=5, audio=("aac",), subtitles=("Hello",))
    output = tmp_path / "in.mkv"
    with av.open(str(clip)) as source, av.open(str(output), "w") as made:
        made.metadata.update({"title": "T", "album": "A", "mykey": "v"})
        for stream in source.streams:
            copy = made.add_stream_from_template(stream, opaque=True)
            copy.metadata.update(words[stream.type])
            copy.disposition = flags.get(stream.type, Disposition.default)
        for packet in source.demux():
            if packet.size:
                packet.stream = made.streams[packet.stream_index]
                made.mux(packet)
    return output


@pytest.mark.parametrize(
    ("suffix", "lines"),
    [
        ("mkv", []),
        ("mp4", ['language of audio stream 1 (aac, fr-CA, "Ton")']),
        (
            "mov",
            [
                'language, flag comment of audio stream 1 (aac, fr-CA, "Ton")',
                "flag forced of subtitle stream 2 (subrip, deu)",
            ],
        ),
        (
            "ts",
            [
                "tags title, MYKEY, ALBUM",
                'title of video stream 0 (h264, "Film")',
                'title, language, flag comment of audio stream 1 (aac, fr-CA, "Ton")',
            ],
        ),
        (
            "avi",  # it calls the album a product
            ["tags MYKEY", 'language, flag comment of audio stream 1 (aac, fr-CA, "Ton")'],
        ),
    ],
)
def test_words_that_are_lost_are_told(
    labelled: Path, tmp_path: Path, suffix: str, lines: list[str]
) -> None:
    notes: list[str] = []
    remake(probe(labelled), tmp_path / f"out.{suffix}", settings("libx264"), note=notes.append)
    found = [note.split("cannot keep the ")[1] for note in notes if "cannot keep the " in note]
    assert found == lines


@pytest.mark.parametrize(("language", "own"), [("deu", "ger"), ("swe", "sve"), ("hrv", "hr ")])
def test_languages_stay_in_quicktime_and_come_back(
    make_clip: MakeClip, tmp_path: Path, language: str, own: str
) -> None:
    """It has a number for each, which FFmpeg knows by one name alone."""
    clip, source = make_clip("plain.mkv", frames=3, audio=("aac",)), tmp_path / "in.mkv"
    with av.open(str(clip)) as plain, av.open(str(source), "w") as made:
        for stream in plain.streams:
            made.add_stream_from_template(stream, opaque=True)
        made.streams.audio[0].metadata["language"] = language
        for packet in plain.demux():
            if packet.size:
                packet.stream = made.streams[packet.stream_index]
                made.mux(packet)
    notes: list[str] = []
    movie = remake(probe(source), tmp_path / "out.mov", settings("libx264"), note=notes.append)
    assert probe(movie).streams[1].language == own
    back = remake(probe(movie), tmp_path / "back.mkv", settings("libx264"), note=notes.append)
    assert probe(back).streams[1].language in (language, "ger")
    assert not [note for note in notes if "language" in note]


def test_a_language_that_mp4_has_no_room_for_is_known_before(labelled: Path) -> None:
    line = 'MP4 cannot keep the language of audio stream 1 (aac, fr-CA, "Ton")'
    assert line in plan_streams(probe(labelled), Path("out.mp4")).notes


@pytest.mark.parametrize(
    ("name", "tag"), [("in.avi", "software"), ("in.mxf", "operational_pattern_ul")]
)
@pytest.mark.parametrize("suffix", ["avi", "ts"])
def test_what_a_container_says_of_itself_is_not_missed(
    tmp_path: Path, name: str, tag: str, suffix: str
) -> None:
    clip = ClipSpec(size=(64, 48), frames=5, codec="mpeg2video")
    info = probe(write_clip(tmp_path / name, clip))
    assert tag in info.metadata
    notes: list[str] = []
    remake(info, tmp_path / f"out.{suffix}", settings("libx264"), note=notes.append)
    told = [*notes, *plan_streams(info, Path(f"out.{suffix}")).notes]
    assert not [note for note in told if "uid" in note or tag in note]


def test_tags_of_avi_stay_in_avi(make_clip: MakeClip, tmp_path: Path) -> None:
    """Those too that FFmpeg calls otherwise where it reads them; most files have the last one."""
    clip, source = make_clip("plain.avi", frames=3, codec="mpeg4"), tmp_path / "in.avi"
    tags = {"INAM": "Name", "IPRD": "Album", "ISBJ": "Subject", "ISFT": "VirtualDub"}
    with av.open(str(clip)) as plain, av.open(str(source), "w") as made:
        made.metadata.update(tags)
        copy = made.add_stream_from_template(plain.streams.video[0], opaque=True)
        for packet in plain.demux(video=0):
            if packet.size:
                packet.stream = copy
                made.mux(packet)
    notes: list[str] = []
    output = remake(probe(source), tmp_path / "out.avi", settings("mpeg4"), note=notes.append)
    assert not [note for note in notes if "cannot keep" in note]
    assert sorted(probe(output).metadata.values()) == sorted(tags.values())


def test_tags_that_cover_art_leaves_no_room_for_are_told_once(
    make_clip: MakeClip, tmp_path: Path
) -> None:
    """Without the brands of the MP4 that a Matroska was made of, which are nobody's loss."""
    words = {"title": "T", "mykey": "v", "MAJOR_BRAND": "isom", "COMPATIBLE_BRANDS": "isomiso2"}
    clip = make_clip("in.mkv", frames=3, cover=True, metadata=words)
    notes: list[str] = []
    remake(probe(clip), tmp_path / "out.mp4", settings("libx264"), note=notes.append)
    found = [note for note in notes if "the tags" in note]
    assert found == ["the tags MYKEY: dropped, MP4 cannot hold them beside cover art"]


@pytest.mark.parametrize("flag", [Disposition.visual_impaired, Disposition.hearing_impaired])
def test_one_flag_that_is_read_as_two_is_not_told(
    make_clip: MakeClip, tmp_path: Path, flag: Disposition
) -> None:
    """As of films with audio description, which Matroska has one flag for."""
    clip, source = make_clip("plain.mp4", frames=3, audio=("aac",)), tmp_path / "in.mp4"
    with av.open(str(clip)) as plain, av.open(str(source), "w") as made:
        for stream in plain.streams:
            made.add_stream_from_template(stream, opaque=True)
        made.streams.audio[0].disposition = flag
        for packet in plain.demux():
            if packet.size:
                packet.stream = made.streams[packet.stream_index]
                made.mux(packet)
    info, notes = probe(source), list[str]()
    assert len(info.streams[1].flags) == 2
    output = remake(info, tmp_path / "out.mkv", settings("libx264"), note=notes.append)
    assert not [note for note in notes if "flag" in note]
    assert probe(output).streams[1].flags == (flag.name,)


@pytest.mark.parametrize("suffix", ["mkv", "mp4"])
def test_regions_of_languages_are_told_to_be_lost(labelled: Path, suffix: str) -> None:
    """Matroska has them in an element of its own, which FFmpeg passes over."""
    old, new = b"\x22\xb5\x9c\x85fr-CA", b"\x22\xb5\x9d\x85fr-CA"
    content = labelled.read_bytes()
    assert content.count(old) == 1
    labelled.write_bytes(content.replace(old, new))
    notes = plan_streams(probe(labelled), labelled.with_name(f"out.{suffix}")).notes
    told = 'audio stream 1 (aac, eng, "Ton"): its language fr-CA becomes eng'
    assert [note for note in notes if "becomes" in note] == [told]
