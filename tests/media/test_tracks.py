"""What is carried beside the video: where it is cut, and what becomes of sound and captions."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from tests.clips import make_frame
from tests.conftest import MakeClip
from tests.segments import packets, remake, settings
from vsrcli.errors import OutputError
from vsrcli.media.planes import to_video_frame
from vsrcli.media.probe import probe
from vsrcli.media.tracks import Cut, Heard, SoundTrack, TextTrack

BASE = Fraction(1, 1000)
CHANNELS = {"mono": 1, "stereo": 2, "5.1": 6}


def packet(pts: int | None, duration: int = 20, kind: str = "audio", base: Fraction = BASE) -> Any:
    """A packet as far as a cut looks at it."""
    stream = SimpleNamespace(type=kind)
    return SimpleNamespace(pts=pts, dts=pts, duration=duration, time_base=base, stream=stream)


def placed(cut: Cut, made: Any) -> tuple[int, int, int] | None:
    """PTS, DTS and duration after the cut; None if the packet lies outside."""
    return (made.pts, made.dts, made.duration) if cut.place(made) else None


def test_packets_from_the_begin_up_to_the_end_are_kept() -> None:
    cut = Cut(Fraction(1), Fraction(2), -Fraction(1))
    found = {start: placed(cut, packet(start)) for start in (990, 999, 1000, 1980, 1999, 2000)}
    assert found == {
        990: None,
        999: None,
        1000: (0, 0, 20),
        1980: (980, 980, 20),
        1999: (999, 999, 20),
        2000: None,
    }
    assert Cut(Fraction(1), Fraction(2)).place(packet(None))  # of which nobody knows better


def test_a_caption_is_kept_from_the_begin_on() -> None:
    cut = Cut(Fraction(1), None, -Fraction(1))
    assert placed(cut, packet(700, 300, "subtitle")) is None  # it has just gone
    assert placed(cut, packet(700, 301, "subtitle")) == (0, 0, 1)
    assert placed(cut, packet(700, 900, "subtitle")) == (0, 0, 600)
    assert placed(cut, packet(1000, 900, "subtitle")) == (0, 0, 900)


@pytest.mark.parametrize(
    ("hides", "begins"),
    [
        (True, [-80, -60, -40, -20, 0, 20, 40, 200, 220, 240]),
        (False, [-40, -20, 0, 20, 40, 200, 220, 240]),
    ],
)
def test_what_an_edit_list_hides_is_not_heard(hides: bool, begins: list[int]) -> None:
    """Sound from 0 to 60 and from 240 to 260, and what decoders need before it."""
    made = [packet(start) for start in range(-80, 280, 20)]
    for each in made:
        each.is_discard = not (0 <= each.pts < 60 or each.pts == 240)
    heard = Heard(hides=hides)
    assert [passed.pts for each in made for passed in heard.of(each)] == begins


def test_what_is_hidden_between_edits_does_not_delay_what_follows() -> None:
    """Two edits that meet at 60, and before the second one packets of the time of the first."""
    heard, made = Heard(hides=True), []
    for start in (0, 20, 40, 20, 40, 60):
        made.append(packet(start))
        made[-1].is_discard = len(made) in (4, 5)
    assert [passed.pts for each in made for passed in heard.of(each)] == [0, 20, 40, 60]


def test_hidden_sound_does_not_come_before_the_pictures(
    make_clip: MakeClip, tmp_path: Path
) -> None:
    clip = make_clip(frames=25, audio=("aac",))
    data = bytearray(clip.read_bytes())
    entry = data.rindex(b"elst") + 16  # of the sound: where it begins in its track, in samples
    data[entry : entry + 4] = (1024 + 24000).to_bytes(4, "big")
    clip.write_bytes(data)
    output = remake(probe(clip), tmp_path / "out.mkv", settings("libx264"))
    (sound, *_), (picture, *_) = packets(output, "audio"), packets(output, "video")
    assert sound[0] is not None and picture[0] is not None
    assert 0 <= picture[0] - sound[0] <= 70  # ms: a decoder's lead and a packet, of 21


@pytest.mark.parametrize(("shift", "pts"), [("0.0333", 1033), ("0.0337", 1034), ("-0.0337", 966)])
def test_packets_are_moved_to_the_nearest_tick(shift: str, pts: int) -> None:
    assert placed(Cut(shift=Fraction(shift)), packet(1000)) == (pts, pts, 20)


def with_sound(
    path: Path, rate: int, layout: str, samples: int, frames: int = 25, codec: str = "flac"
) -> Path:
    """A clip with tones: 300 Hz in the first channel, 100 Hz more in every further one."""
    times = np.arange(samples) / rate
    channels = av.AudioLayout(layout).nb_channels
    tones = [np.sin(2 * np.pi * (300 + 100 * c) * times) for c in range(channels)]
    values = np.rint(8000 * np.stack(tones, axis=1)).astype(np.int16).reshape(1, -1)
    with av.open(str(path), "w") as output:
        video = output.add_stream("libx264", rate=25, width=64, height=48, pix_fmt="yuv420p")
        audio = output.add_stream(codec, rate=rate, layout=layout)
        for index in range(frames):
            output.mux(video.encode(to_video_frame(make_frame("yuv420p", 64, 48, pts=index))))
        output.mux(video.encode(None))
        whole = av.AudioFrame.from_ndarray(values, format="s16", layout=layout)
        whole.sample_rate, whole.pts, whole.time_base = rate, 0, Fraction(1, rate)
        resampler = av.AudioResampler(audio.format.name, layout, rate, frame_size=1024)
        for frame in [*resampler.resample(whole), *resampler.resample(None)]:
            output.mux(audio.encode(frame))
        output.mux(audio.encode(None))
    return path


def decoded(path: Path) -> tuple[int, str, NDArray[np.float32]]:
    """Rate, layout and samples [channels, n] of the sound."""
    with av.open(str(path)) as container:
        stream = container.streams.audio[0]
        samples = np.concatenate([frame.to_ndarray() for frame in container.decode(stream)], axis=1)
        return int(stream.rate or 0), stream.codec_context.layout.name, samples


@pytest.mark.parametrize("layout", CHANNELS)
@pytest.mark.parametrize("rate", [22050, 44100, 48000, 96000])
def test_converted_sound_keeps_its_channels_its_pitch_and_its_length(
    tmp_path: Path, rate: int, layout: str
) -> None:
    source = with_sound(tmp_path / "in.mkv", rate, layout, samples=rate * 1013 // 1000)
    output = remake(probe(source), tmp_path / "o.webm", settings("libvpx-vp9"))
    made, channels, samples = decoded(output)
    assert (made, channels) == (48000, layout)
    assert samples.shape[1] == pytest.approx(1.013 * 48000, abs=5)  # to the last of them
    spectra = np.abs(np.fft.rfft(samples[:, 4800:43200]))
    pitches = [int(spectrum.argmax()) * 48000 / 38400 for spectrum in spectra]
    assert pitches == pytest.approx([300 + 100 * c for c in range(CHANNELS[layout])], abs=2)
    size = sum(len(content) for _, _, content in packets(output, "audio"))
    assert 8 * size / 1.013 > 60_000 * CHANNELS[layout]  # of the 64 kbit/s for each


@pytest.mark.parametrize(
    ("layout", "made", "places"),
    [
        ("5.1(side)", "5.1", [0, 1, 2, 3, 4, 5]),
        ("quad(side)", "quad", [0, 1, 2, 3]),
        ("2.1", "5.1", [0, 1, 3]),
    ],
)
def test_loudspeakers_that_opus_does_not_know_have_a_place_in_its_layouts(
    tmp_path: Path, layout: str, made: str, places: list[int]
) -> None:
    """As AC-3 and DTS have them."""
    source = with_sound(tmp_path / "in.mkv", 48000, layout, samples=48000)
    output = remake(probe(source), tmp_path / "o.webm", settings("libvpx-vp9"))
    _, channels, samples = decoded(output)
    assert channels == made
    spectra = np.abs(np.fft.rfft(samples[:, 4800:43200]))
    own = [int(spectra[place].argmax()) * 48000 / 38400 for place in places]
    assert own == pytest.approx([300 + 100 * number for number in range(len(places))], abs=2)
    silent = np.delete(samples, places, axis=0)
    assert not silent.size or np.abs(silent).max() < 0.01


@pytest.mark.parametrize(
    ("first", "then"),
    [((48000, "stereo"), (48000, "5.1(side)")), ((48000, "5.1"), (44100, "mono"))],
)
def test_sound_that_changes_its_channels_or_rate_is_converted_to_the_end(
    tmp_path: Path, first: tuple[int, str], then: tuple[int, str]
) -> None:
    """As of a broadcast: the film has six channels, what comes before it two."""
    source = with_sound(tmp_path / "in.ts", *first, samples=first[0], codec="ac3")
    further = with_sound(tmp_path / "then.ts", *then, samples=then[0], codec="ac3")
    source.write_bytes(source.read_bytes() + further.read_bytes())
    notes: list[str] = []
    output = remake(probe(source), tmp_path / "o.webm", settings("libvpx-vp9"), note=notes.append)
    assert [note for note in notes if "changes on the way" in note] == [
        "audio stream 1 changes on the way; all of it is as its beginning"
    ]
    _, channels, samples = decoded(output)
    assert channels == first[1]
    assert samples.shape[1] == pytest.approx(2 * 48000, abs=3000)
    spectrum = np.abs(np.fft.rfft(samples[:, 52800:91200].sum(axis=0)))
    assert spectrum[300 * 38400 // 48000] > spectrum.max() / 4


def test_sound_that_changes_its_rate_need_not_have_times(tmp_path: Path) -> None:
    path = with_sound(tmp_path / "in.ts", 48000, "stereo", samples=48000, codec="ac3")
    further = with_sound(tmp_path / "then.ts", 44100, "mono", samples=44100, codec="ac3")
    path.write_bytes(path.read_bytes() + further.read_bytes())
    made: list[Any] = []
    with av.open(str(path)) as source, av.open(str(tmp_path / "o.webm"), "w") as output:
        track = SoundTrack(output, source.streams.audio[0], "libopus")
        for each in source.demux(audio=0):
            if each.size:
                each.pts = each.dts = None
                made += track.send(each)
        made += track.finish()
        assert track.changes
        assert sum(each.duration * each.time_base for each in made) == pytest.approx(2, abs=0.1)


def test_damaged_sound_is_converted_as_far_as_it_goes(tmp_path: Path) -> None:
    source = with_sound(tmp_path / "in.mkv", 48000, "mono", 48000)
    damaged = packets(source, "audio")[5][2]
    source.write_bytes(source.read_bytes().replace(damaged, bytes(len(damaged))))
    output = remake(probe(source), tmp_path / "o.webm", settings("libvpx-vp9"))
    _, _, samples = decoded(output)
    spectrum = np.abs(np.fft.rfft(samples[0, 28800:43200]))
    assert int(spectrum.argmax()) * 48000 / 14400 == pytest.approx(300, abs=4)


def test_a_damaged_caption_is_left_out_of_the_converted_ones(
    make_clip: MakeClip, tmp_path: Path
) -> None:
    with (
        av.open(str(make_clip("in.mp4", frames=12, subtitles=("Hello",)))) as source,
        av.open(str(tmp_path / "o.mkv"), "w") as output,
    ):
        stream = source.streams.subtitles[0]
        track = TextTrack(output, stream, "subrip")
        found = []
        for content in (b"\0\5Hello", b"\0", b"\0\0", b"\0\3you"):
            caption = av.Packet(content)
            caption.stream, caption.pts, caption.duration = stream, 100, 200
            caption.time_base = BASE
            found += [(bytes(p), p.pts, p.duration, p.time_base) for p in track.send(caption)]
    assert found == [(b"Hello", 100, 200, BASE), (b"you", 100, 200, BASE)]


def test_sound_of_a_damaged_header_is_refused_in_one_sentence(tmp_path: Path) -> None:
    context = SimpleNamespace(
        sample_rate=-1, name="pcm_s16le", layout=SimpleNamespace(name="no such", nb_channels=2)
    )
    source: Any = SimpleNamespace(codec_context=context, index=3)
    with (
        av.open(str(tmp_path / "o.mkv"), "w") as output,
        pytest.raises(OutputError, match=r"audio stream 3 \(pcm_s16le\) cannot be converted"),
    ):
        SoundTrack(output, source, "flac")
