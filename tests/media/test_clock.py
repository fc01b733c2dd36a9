"""Where the clock of a file jumps, its streams stay in sync."""

from __future__ import annotations

import io
import re
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import av
import pytest
from av.format import ContainerFormat

from tests.conftest import MakeClip
from tests.jobs import do, job_of
from tests.segments import later, packets
from vsrcli.media.clock import Clock
from vsrcli.media.decoding import OnError
from vsrcli.media.folder import JobFolder
from vsrcli.media.reader import Reader
from vsrcli.upscale import run

FRAME, SOUND = 3600, 1920
"""Ticks of 1/90000 s that a packet of either lasts."""


@dataclass
class Packet:
    """As much of a packet as tells the time."""

    stream_index: int
    dts: int
    pts: int
    duration: int
    type: str
    time_base: Fraction = Fraction(1, 90000)

    @property
    def stream(self) -> Any:
        return SimpleNamespace(type=self.type)


def picture(dts: int) -> Packet:
    return Packet(0, dts, dts + FRAME, FRAME, "video")


def sound(dts: int) -> Packet:
    return Packet(1, dts, dts, SOUND, "audio")


def both(begin: int, seconds: int = 1) -> list[Packet]:
    """A part of a file with its packets in the order of their times."""
    pictures = [picture(begin + FRAME * number) for number in range(25 * seconds)]
    sounds = [sound(begin + SOUND * number) for number in range(90000 * seconds // SOUND)]
    return sorted([*pictures, *sounds], key=lambda packet: packet.dts)


def joined(given: list[Packet], form: str = "mpegts") -> tuple[list[int], list[int], Clock]:
    """Decoding times of pictures and sound on the one clock."""
    container: Any = SimpleNamespace(format=ContainerFormat(form, "r"))
    clock = Clock(container, 0)
    found: list[Any] = list(clock.joined(given))  # type: ignore[arg-type]
    assert len(found) == len(given)
    assert all(packet.pts - packet.dts in (0, FRAME) for packet in found)
    times = [[p.dts for p in found if p.stream_index == index] for index in (0, 1)]
    return times[0], times[1], clock


def evenly(begin: int, step: int, count: int) -> list[int]:
    return [begin + step * number for number in range(count)]


@pytest.mark.parametrize("begin", [0, 90_000, 5_000_000, 1 << 32])
@pytest.mark.parametrize("lead", [0, 5, -5])
def test_all_streams_are_moved_by_one_amount(begin: int, lead: int) -> None:
    """Whichever stream comes first behind the jump."""
    before, after = both(900_000), both(begin)
    held = before[len(before) - abs(lead) :] if lead else []
    kind = 0 if lead > 0 else 1
    late = [packet for packet in held if packet.stream_index == kind]
    early = [packet for packet in before if packet not in late]
    first = next(n for n, packet in enumerate(after) if packet.stream_index == kind)
    mixed = [*early, *after[:first], *late, *after[first:]]
    pictures, sounds, clock = joined(mixed)
    assert pictures == evenly(900_000, FRAME, 50)
    assert sounds == evenly(900_000, SOUND, 92)[:46] + evenly(990_000, SOUND, 46)
    assert clock.jumps == [pytest.approx((11, (begin - 990_000) / 90_000))]


def test_sound_that_jumps_by_more_keeps_its_place_beside_the_pictures() -> None:
    """It ends 40 ms later than they do, and is not moved to follow itself."""
    before = [*both(900_000), sound(900_000 + 46 * SOUND), sound(900_000 + 47 * SOUND)]
    after = both(0)
    after.sort(key=lambda packet: packet.stream_index, reverse=True)  # all the sound first
    pictures, sounds, _ = joined([*before, *after])
    assert pictures == evenly(900_000, FRAME, 50)
    assert sounds[48:] == evenly(990_000, SOUND, 46)


@pytest.mark.parametrize("index", [0, 1])
def test_one_stream_may_pause_while_another_goes_on(index: int) -> None:
    given = [
        packet
        for packet in both(0, 40)
        if packet.stream_index != index or not 900_000 <= packet.dts < 2_700_000
    ]
    wanted = [[packet.dts for packet in given if packet.stream_index == i] for i in (0, 1)]
    pictures, sounds, clock = joined(given)
    assert [pictures, sounds] == wanted and not clock.jumps


@pytest.mark.parametrize("heard", [0, 1])
def test_pictures_that_are_alone_may_be_shown_for_long(heard: int) -> None:
    """Without sound, and with sound that ended long before."""
    times = [*evenly(0, FRAME, 250), *evenly(60 * 90_000, FRAME, 25)]
    given = [*(each for each in both(0) if each.stream_index == 1 and heard), *map(picture, times)]
    pictures, sounds, clock = joined(given)
    assert pictures == times and len(sounds) == 46 * heard and not clock.jumps


def test_a_gap_that_is_no_jump_stays() -> None:
    pictures, sounds, clock = joined([*both(0), *both(9 * 90_000)])
    assert pictures == evenly(0, FRAME, 25) + evenly(9 * 90_000, FRAME, 25)
    assert sounds == evenly(0, SOUND, 46) + evenly(9 * 90_000, SOUND, 46)
    assert not clock.jumps


@pytest.mark.parametrize("wrong", [-300_000, 8_000_000])
@pytest.mark.parametrize("index", [0, 1])
def test_a_single_wrong_time_moves_nothing_else(wrong: int, index: int) -> None:
    given = both(900_000, 4)
    stray = [packet for packet in given if packet.stream_index == index][30]
    stray.dts, stray.pts = stray.dts + wrong, stray.pts + wrong
    pictures, sounds, clock = joined(given)
    assert pictures == evenly(900_000, FRAME, 100)
    assert sounds == evenly(900_000, SOUND, 187)
    assert not clock.jumps


@pytest.mark.parametrize("wrong", [-400_000, 1 << 32])
@pytest.mark.parametrize("name", ["pts", "dts"])
def test_of_two_times_that_disagree_the_worse_is_left_out(name: str, wrong: int) -> None:
    given = both(900_000)
    setattr(given[21], name, getattr(given[21], name) + wrong)
    container: Any = SimpleNamespace(format=ContainerFormat("mpegts", "r"))
    moved: list[Any] = list(Clock(container, 0).joined(given))  # type: ignore[arg-type]
    wanted: list[Any] = both(900_000)
    assert wanted[21].stream_index == 0
    setattr(wanted[21], name, None)
    assert moved == wanted


def test_a_picture_with_a_wrong_time_is_shown_in_its_place(make_clip: MakeClip) -> None:
    clip = make_clip("in.ts", frames=25, options={"bf": "2"})
    data = bytearray(clip.read_bytes())
    starts = [found.start() for found in re.finditer(b"\0\0\1\xe0", data)]
    both_times = [start for start in starts if data[start + 7] & 0x40]
    data[both_times[5] + 9] ^= 2  # a bit of its PTS that stands for three hours
    with Reader(clip) as frames:
        wanted = [frame.pts for frame in frames]
    clip.write_bytes(data)
    with Reader(clip) as frames:
        assert [frame.pts for frame in frames] == wanted


def test_sound_alone_that_jumps_goes_on() -> None:
    """Nothing tells where else it belongs."""
    given = [*both(900_000), *(picture(990_000 + FRAME * number) for number in range(250))]
    given += [sound(SOUND * number) for number in range(460)]
    given.sort(key=lambda packet: packet.dts + (990_000 if packet.dts < 900_000 else 0))
    pictures, sounds, clock = joined(given)
    assert pictures == evenly(900_000, FRAME, 275) and not clock.jumps
    assert sounds == evenly(900_000, SOUND, 46) + evenly(900_000 + 46 * SOUND, SOUND, 460)


def test_captions_follow_the_video() -> None:
    def caption(dts: int) -> Packet:
        return Packet(2, dts, dts, 0, "subtitle")

    given = [*both(900_000, 2), caption(1_080_000), *both(0, 30), caption(2_700_000)]
    container: Any = SimpleNamespace(format=ContainerFormat("mpegts", "r"))
    clock = Clock(container, 0)
    moved: list[Any] = list(clock.joined(given))  # type: ignore[arg-type]
    assert [p.dts for p in moved if p.stream_index == 2] == [1_080_000, 3_780_000]
    assert len(clock.jumps) == 1


def test_formats_whose_clock_may_not_jump_stay_as_they_are() -> None:
    pictures, _, clock = joined([*both(900_000), *both(0)], "matroska")
    assert pictures == evenly(900_000, FRAME, 25) + evenly(0, FRAME, 25) and not clock.jumps


@pytest.fixture
def recording(make_clip: MakeClip, tmp_path: Path) -> Path:
    """Three recordings joined: the clock begins anew twice, then the third is far ahead."""
    one = make_clip("one.ts", frames=25, audio=("aac",))
    ahead = later(one, tmp_path / "ahead.ts", 100)
    path = tmp_path / "recording.ts"
    path.write_bytes(one.read_bytes() * 2 + ahead.read_bytes())
    return path


def seconds(path: Path, kind: str) -> list[float]:
    """Times of all packets of a kind, in the order of presentation."""
    with av.open(str(path)) as container:
        base = getattr(container.streams, kind)[0].time_base
    return sorted(float(pts * base) for pts, *_ in packets(path, kind))


@pytest.mark.parametrize("suffix", [".mkv", ".mp4", ".ts"])
def test_a_joined_recording_comes_out_in_sync(recording: Path, tmp_path: Path, suffix: str) -> None:
    output, notes = tmp_path / f"out{suffix}", []
    result = do(recording, output, note=notes.append)
    assert result.frames == 75 and not result.damaged
    assert [note for note in notes if "its clock jumps 2 times, first by -1 s at" in note]
    pictures, sounds = seconds(output, "video"), seconds(output, "audio")
    assert pictures == pytest.approx([pictures[0] + 0.04 * n for n in range(75)], abs=0.002)
    one = recording.parent / "one.ts"
    first, own = seconds(one, "video")[0], seconds(one, "audio")
    assert len(sounds) == 3 * len(own)
    ahead = len(own)
    for part in range(3):
        # Of two packets that the end of the part before covers, the times are not their own.
        apart = [at - first for at in own[3:]]
        found = [at - pictures[25 * part] for at in sounds[ahead * part + 3 : ahead * (part + 1)]]
        assert found == pytest.approx(apart, abs=0.002)


@pytest.mark.parametrize("policy", ["stop", "skip", "conceal"])
def test_a_jump_is_no_damage(recording: Path, policy: OnError) -> None:
    with Reader(recording, on_error=policy) as frames:
        assert len(list(frames)) == 75
        assert (frames.concealed, frames.left_out, frames.truncated) == (0, 0, False)


def test_resumed_and_shared_it_is_the_same(recording: Path, tmp_path: Path) -> None:
    whole, parts, shared = (tmp_path / name for name in ("whole.mkv", "parts.mkv", "shared.mkv"))
    do(recording, whole)

    class Stopped(Exception):
        pass

    def stop(done: int, total: int | None) -> None:
        if done == 40:
            raise Stopped

    with pytest.raises(Stopped):
        do(recording, parts, progress=stop)
    assert JobFolder(parts).finished()
    do(recording, parts)
    assert parts.read_bytes() == whole.read_bytes()
    notes: list[str] = []
    run(job_of(recording, shared, workers=2), progress=lambda *_: None, note=notes.append)
    assert shared.read_bytes() == whole.read_bytes()
    assert len([note for note in notes if "its clock jumps" in note]) == 1


def test_a_part_behind_the_jump_is_in_sync(recording: Path, tmp_path: Path) -> None:
    output = tmp_path / "part.mkv"
    do(recording, output, start=Fraction(3, 2))
    pictures, sounds = seconds(output, "video"), seconds(output, "audio")
    assert len(pictures) == 75 - 38 and pictures[0] == 0
    assert pictures[-1] == pytest.approx(36 * 0.04, abs=0.002)
    assert sounds[0] < 0.03 and abs(sounds[-1] - pictures[-1]) < 0.1


def test_the_reader_tells_of_the_first_jump(recording: Path) -> None:
    notes: list[str] = []
    with Reader(recording, note=notes.append) as frames:
        times = [frame.pts for frame in frames]
    assert times == [times[0] + FRAME * number for number in range(75)]
    told = "its clock jumps 2 times, first by -1 s at 1.021 s; what follows goes on from there, in"
    assert notes == [f"recording.ts: {told} sync"]


@pytest.mark.parametrize("first", [8, 10, 12, 15])
def test_a_clock_set_back_among_pictures_that_change_places_is_no_damage(
    make_clip: MakeClip, first: int
) -> None:
    """From packet FIRST on, by 0.2 s: what was decoded just before is shown amid what follows."""
    ordered = {"bf": "3", "b-adapt": "0", "sc_threshold": "0"}
    path = make_clip("c.ts", frames=30, options=ordered)
    parts = [io.BytesIO(), io.BytesIO()]
    with av.open(str(path)) as source:
        outputs = [av.open(part, "w", format="mpegts") for part in parts]
        video = source.streams.video[0]
        streams: Any = [output.add_stream_from_template(video) for output in outputs]
        for number, packet in enumerate(packet for packet in source.demux() if packet.size):
            part, back = (1, 18_000) if number >= first else (0, 0)
            assert packet.pts is not None and packet.dts is not None
            packet.pts, packet.dts = packet.pts - back, packet.dts - back
            packet.stream = streams[part]
            outputs[part].mux(packet)
        for output in outputs:
            output.close()
    path.write_bytes(b"".join(part.getvalue() for part in parts))
    with Reader(path) as reader:
        frames = list(reader)
    assert len(frames) == 30 and not reader.damaged
    assert all(after.pts > before.pts for before, after in pairwise(frames))
