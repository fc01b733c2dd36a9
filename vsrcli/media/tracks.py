"""What is carried beside the video: packets copied, or decoded and encoded for the container."""

from __future__ import annotations

import io
from collections import Counter, deque
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Protocol

import av

from vsrcli.errors import OutputError
from vsrcli.media.bitstream import InBandHeaders, needs_start_codes
from vsrcli.media.containers import EBML, QUICKTIME
from vsrcli.media.tags import stream_tags

_MILLISECOND = Fraction(1, 1000)
_LAYOUTS = {1: "mono", 2: "stereo", 3: "2.1", 4: "4.0", 5: "5.0", 6: "5.1", 7: "6.1", 8: "7.1"}
_OPUS_LAYOUTS = ("mono", "stereo", "3.0", "quad", "5.0", "5.1", "6.1", "7.1")
"""What Opus has loudspeakers for (RFC 7845, 5.1.1.2)."""
_BEHIND = {"SL": "BL", "SR": "BR"}
_EMPTY_CAPTION = b"\0\0"
_LEAD = Fraction(50, 1000)
"""Seconds of sound that a decoder is given before what is to be heard."""
_OF_ANY_SIZE = frozenset({"mp2", "mp3", "ac3"})
"""Sound whose packets differ in size, of which AVI says a size of blocks all the same; AAC too."""
_SILENCE = b"\x00\xc8\x00\x80\x23\x80"
"""A packet of AAC, by which it is known how many samples each has; that of others is known."""
_BITS_PER_CHANNEL = {"libopus": 64_000, "aac": 96_000}


@dataclass(frozen=True, slots=True)
class Cut:
    """The part of the source that is kept, in its time (seconds), and how far it is moved."""

    begin: Fraction | None = None
    end: Fraction | None = None
    shift: Fraction = Fraction(0)
    """Added to all times; minus the begin when the output starts at 0."""

    def place(self, packet: Any) -> bool:
        """Move a packet to its place in the output; False if it lies outside."""
        if packet.pts is None and packet.dts is None:
            return True
        base = Fraction(packet.time_base)
        start = (packet.pts if packet.pts is not None else packet.dts) * base
        stop = start + (packet.duration or 0) * base
        if self.end is not None and start >= self.end:
            return False
        if self.begin is not None and start < self.begin:
            if packet.stream.type != "subtitle" or stop <= self.begin or packet.pts is None:
                return False
            late = -((start - self.begin) // base)  # a caption already on screen at the cut
            packet.pts, packet.duration = packet.pts + late, packet.duration - late
            packet.dts = packet.pts
        if self.shift:
            move = round(self.shift / base)
            packet.pts = None if packet.pts is None else packet.pts + move
            packet.dts = None if packet.dts is None else packet.dts + move
        return True


class Track(Protocol):
    """One stream of the source on its way into the output."""

    stream: Any
    """The output stream."""

    def send(self, packet: Any) -> Iterator[Any]:
        """Give the packets for the output that a placed packet of the source leads to."""

    def finish(self) -> Iterator[Any]:
        """Give what is still held back at the end."""


class Heard:
    """Leaves out the packets of sound that an edit list hides: in other places they would be heard.

    Those just before what is heard stay, as decoders begin with them.
    """

    def __init__(self, *, hides: bool) -> None:
        """`hides`: whether the output's own edit list hides what lies before 0."""
        self._hides = hides
        self._lead: deque[tuple[Fraction, Any]] = deque()
        self._end: Fraction | None = None  # of what was heard so far

    def of(self, packet: Any) -> Iterator[Any]:
        """Give what a packet, in decoding order, lets through."""
        time = packet.dts if packet.dts is not None else packet.pts
        if time is None:
            yield packet
            return
        base = Fraction(packet.time_base)
        begin, end = time * base, (time + (packet.duration or 0)) * base
        while self._lead and self._lead[0][0] < begin - _LEAD:
            self._lead.popleft()
        if packet.is_discard:
            if self._hides and end <= 0:
                yield packet
            elif self._end is None or begin >= self._end:
                self._lead.append((begin, packet))
            return
        yield from (before for _, before in self._lead)
        self._lead.clear()
        self._end = end
        yield packet


def _added(output: Any, source: Any) -> Any:
    """Add a stream for the packets of another as they are."""
    codec = source.codec_context and source.codec_context.codec.canonical_name
    blocks = codec in _OF_ANY_SIZE or (codec == "aac" and source.container.format.name == "avi")
    if output.format.name != "avi" or not blocks:
        return output.add_stream_from_template(source, opaque=True)
    # FFmpeg's muxer would count such blocks instead of packets, and players find no sound where
    # they seek: the template is taken from a kind of file that knows of none.
    file = io.BytesIO()
    with av.open(file, "w", format="nut") as plain:
        packet = av.Packet(_SILENCE)
        packet.stream = plain.add_stream_from_template(source, opaque=True)
        packet.pts = packet.dts = 0
        plain.mux(packet)
    file.seek(0)
    with av.open(file) as plain:
        stream = output.add_stream_from_template(plain.streams[0], opaque=True)
    stream.codec_context.bit_rate = source.codec_context.bit_rate or 0
    return stream


class CopiedTrack:
    """Packets as they are."""

    def __init__(self, output: Any, source: Any) -> None:
        self.stream = _added(output, source)
        audio, muxer = source.type == "audio", output.format.name
        self._headers = InBandHeaders(source, muxer) if source.type == "video" else None
        if needs_start_codes(source.name, muxer):
            self.stream.codec_context.extradata = None  # it is in the packets, in the other form
        if audio and output.format.name in QUICKTIME:
            self.stream.codec_context.layout = _layout(source.codec_context)
        self._heard = Heard(hides=output.format.name in QUICKTIME) if audio else None
        # The muxer fills the gaps between captions anew.
        self._gaps = source.type == "subtitle" and source.codec_context.name == "mov_text"

    def send(self, packet: Any) -> Iterator[Any]:
        """Give the packet itself, unless it is not to be heard or seen."""
        if self._heard is not None:
            yield from self._heard.of(packet)
        elif self._headers is not None:
            base = packet.time_base  # the filter empties it
            made = self._headers(packet)
            made.time_base = base
            yield made
        elif not self._gaps or bytes(packet) != _EMPTY_CAPTION:
            yield packet

    def finish(self) -> Iterator[Any]:
        """Hold nothing back."""
        return iter(())


class TextTrack:
    """Text subtitles in the coding of the output's container."""

    def __init__(self, output: Any, source: Any, encoder: str) -> None:
        self._decoder = source.codec_context
        self._decoder.open(strict=False)  # makes the header with the default style
        self.stream = output.add_stream(encoder)
        self.stream.time_base = _MILLISECOND
        self._encoder = self.stream.codec_context
        self._encoder.time_base = _MILLISECOND
        self._encoder.subtitle_header = self._decoder.subtitle_header or b""
        self._encoder.open()

    def send(self, packet: Any) -> Iterator[Any]:
        """Give the caption in the new coding, at the same time."""
        try:
            captions = self._decoder.decode2(packet)
        except av.FFmpegError:  # damaged
            return
        if not captions or not len(captions):  # MP4 fills gaps with empty ones
            return
        made = self._encoder.encode_subtitle(captions)
        made.pts = made.dts = packet.pts
        made.duration, made.time_base = packet.duration, packet.time_base
        yield made

    def finish(self) -> Iterator[Any]:
        """Hold nothing back."""
        return iter(())


class SoundTrack:
    """Sound encoded anew, because the container cannot hold the source's coding."""

    def __init__(self, output: Any, source: Any, encoder: str) -> None:
        self._decoder = source.codec_context
        rate = self._decoder.sample_rate
        offered = av.Codec(encoder, "w").audio_rates
        if offered and rate not in offered:
            rate = min((r for r in offered if r > rate), default=max(offered))
        try:
            layout = _layout(self._decoder)
            layout = _for_opus(layout) if encoder == "libopus" else layout
            self.stream = output.add_stream(encoder, rate=rate, layout=layout)
        except (av.FFmpegError, ValueError):  # of a damaged header
            number, codec = source.index, self._decoder.name
            raise OutputError(
                f"audio stream {number} ({codec}) cannot be converted; use .mkv or --no-audio"
            ) from None
        channels = self._decoder.layout.nb_channels
        self.stream.bit_rate = _BITS_PER_CHANNEL.get(encoder, 96_000) * channels
        self.regrouped = encoder.startswith("pcm_")
        """Whether its samples are read in other packets than they were written in."""
        self.changes = False
        """Whether the source's samples have changed their form on the way."""
        self.sent = 0
        """Packets of the source."""
        self._first: tuple[str, str, int] | None = None
        self._last: tuple[str, str, int] | None = None
        self._resampler: Any = None
        if encoder == "flac":
            self.stream.codec_context.format = "s32" if self._decoder.format.bytes > 2 else "s16"

    def send(self, packet: Any) -> Iterator[Any]:
        """Give the packets that are full by now."""
        self.sent += 1
        for frame in self._decoded(packet):
            yield from self._encoded(frame)

    def _encoded(self, frame: Any) -> Iterator[Any]:
        for same in self._as_the_first(frame):
            yield from self.stream.encode(same)

    def _as_the_first(self, frame: Any) -> Iterator[Any]:
        """The samples of a frame as those of the first one, which the encoder goes by."""
        form = (frame.format.name, frame.layout.name, frame.sample_rate)
        self._first = self._first or form
        if form != self._last:
            self._last, self._resampler = form, None
            if form != self._first:
                self.changes = True
                self._resampler = av.AudioResampler(*self._first)
        if self._resampler is None:
            yield frame
            return
        for same in self._resampler.resample(frame):
            if same.pts is not None:
                same.pts = _rescaled(same.pts, Fraction(same.time_base) / Fraction(frame.time_base))
            same.time_base = frame.time_base
            yield same

    def _decoded(self, packet: Any) -> list[Any]:
        try:
            return list(self._decoder.decode(packet))
        except av.FFmpegError:  # damaged: the encoder goes on with what comes after it
            return []

    def finish(self) -> Iterator[Any]:
        """Give the rest of the encoder."""
        for frame in self._decoded(None):
            yield from self._encoded(frame)
        yield from self.stream.encode(None)


def _layout(context: Any) -> str:
    """Return the channel layout, FFmpeg's default for the number if the source names none."""
    name = str(context.layout.name)
    return _LAYOUTS.get(context.layout.nb_channels, name) if name.endswith(" channels") else name


def _for_opus(layout: str) -> str:
    """Return the smallest layout of Opus that has a place for every loudspeaker of another.

    Those at the side may be called those at the back, as of AC-3 and DTS.
    """
    own = {each.name for each in av.AudioLayout(layout).channels}
    behind = {_BEHIND.get(name, name) for name in own} if own.isdisjoint(_BEHIND.values()) else own
    for name in _OPUS_LAYOUTS:
        held = {each.name for each in av.AudioLayout(name).channels}
        if own <= held or behind <= held:
            return name
    return _OPUS_LAYOUTS[-1]


def describe(stream: Any, source: Any, muxer: str, *, fresh: bool) -> None:
    """Give an output stream the tags and dispositions of its source."""
    stream.metadata.update(stream_tags(source.metadata, muxer, fresh=fresh))
    stream.disposition = source.disposition


class Ordered:
    """Muxes packets with the decoding times each stream's muxer insists on."""

    def __init__(self, output: Any, muxer: str, lead: Fraction) -> None:
        """Sound that begins before 0, by no more than `lead` (seconds), begins there.

        Else the muxer moves everything, in AVI by a whole frame.
        """
        self._output = output
        self._muxer, self._lead = muxer, lead
        self._last: dict[int, int] = {}
        self.counts: Counter[int] = Counter()
        """Packets by the index of the output stream."""
        self.left_out: Counter[int] = Counter()
        """Packets that `copy` had to leave out, by the same."""
        self.begins: dict[int, Fraction] = {}
        """Decoding time of the first, in seconds, by the same."""

    def copy(self, packet: Any, stream: Any) -> None:
        """Write a packet of the source, or leave it out if the muxer finds that it is damaged."""
        try:
            self.mux(packet, stream)
        except (av.error.InvalidDataError, av.error.PatchWelcomeError):
            self.counts[stream.index] -= 1
            self.left_out[stream.index] += 1

    def mux(self, packet: Any, stream: Any) -> None:
        """Write a packet; times that run backwards in the source are moved just after the last."""
        base, old = Fraction(stream.time_base), Fraction(packet.time_base or stream.time_base)
        dts = packet.dts if packet.dts is not None else packet.pts
        pts = packet.pts if packet.pts is not None else dts
        if dts is not None and pts is not None:
            dts, pts = _rescaled(dts, old / base), _rescaled(pts, old / base)
            floor = self._last.get(stream.index)
            if floor is not None:
                dts = max(dts, floor + self._least(stream))
            elif stream.type == "audio" and -self._lead - base / 2 <= dts * base < 0:
                dts = 0  # times of packets that are but counted were rounded, by up to half of one
            packet.pts, packet.dts = max(pts, dts), dts
            packet.duration = _rescaled(packet.duration or 0, old / base)
            untold = not packet.duration and stream.type == "audio"
            if untold and self._muxer in QUICKTIME:
                # Else the last would lie behind the end, and be lost. Not a first one of sound, but
                # of one tick it would be taken for a raw sample.
                first = int(stream.type == "data")
                packet.duration = first if floor is None else dts - floor
            packet.time_base = base
            self._last[stream.index] = dts
            self.begins.setdefault(stream.index, dts * base)
        packet.stream = stream
        self.counts[stream.index] += bool(packet.size)  # FLAC ends in one that is but a header
        self._output.mux(packet)

    def _least(self, stream: Any) -> int:
        """Ticks that the decoding times of two packets are apart, at the least."""
        if self._muxer in (*EBML, "flv"):
            return 0
        # The pictures of a caption come in several packets of one time.
        return int(self._muxer != "mpegts" or stream.type in ("audio", "video"))


def _rescaled(value: int, factor: Fraction) -> int:
    """Return `value` times `factor`, rounded half up as FFmpeg does for times from 0 on."""
    above, below = factor.numerator, factor.denominator
    return value if factor == 1 else (2 * value * above + below) // (2 * below)
