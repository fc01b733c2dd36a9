"""What a container did not keep of the words that go with a file and its streams."""

from __future__ import annotations

from collections.abc import Iterator

from vsrcli.media.containers import NAMES
from vsrcli.media.probe import MediaInfo, StreamInfo
from vsrcli.media.streams import StreamPlan, beside_cover, lost_of
from vsrcli.media.tags import language_in, lost_tags

_SAID_BY = {"descriptions": "visual_impaired", "captions": "hearing_impaired"}
"""Flags that FFmpeg reads from MP4 and MPEG-TS along with others, which say the same of sound."""


def lost_labels(info: MediaInfo, made: MediaInfo, plan: StreamPlan, muxer: str) -> Iterator[str]:
    """Give a line on the tags, and one on each stream whose title, language or flags are lost.

    `made` is what is read of the file that `muxer` made of `info`. What `plan` tells is not told
    again.
    """
    name, told = NAMES[muxer], beside_cover(muxer, info, plan.kept)
    kept = dict(made.metadata) | dict.fromkeys(told, "")
    line = lost_tags(info.metadata, kept, name)
    if line and line not in plan.lost:
        yield line
    for before, after in _pairs(info, made, plan):
        lost = []
        if before.title and after.title != before.title:
            lost.append("title")
        if not _is_kept(before.language, after.language, muxer):
            lost += [] if lost_of(before, ["language"], name) in plan.lost else ["language"]
        if flags := [flag.replace("_", " ") for flag in _lost_flags(before, after)]:
            lost.append(f"flag{'s' * (len(flags) > 1)} {', '.join(flags)}")
        if lost:
            yield lost_of(before, lost, name)


def _is_kept(language: str | None, made: str | None, muxer: str) -> bool:
    return language in (None, "und", made) or language_in(muxer, str(language)) == made


def _lost_flags(before: StreamInfo, after: StreamInfo) -> Iterator[str]:
    for flag in before.flags:
        other = _SAID_BY.get(flag) if before.type == "audio" else None
        if not {flag, other} & {*after.flags}:
            yield flag


def _pairs(
    info: MediaInfo, made: MediaInfo, plan: StreamPlan
) -> Iterator[tuple[StreamInfo, StreamInfo]]:
    """Give the streams of the source with those made of them, as far as none is missing."""
    converted = (stream for stream, _ in plan.converted)
    going = {info.video_index, *(stream.index for stream in (*plan.kept, *converted))}
    for kind in ("video", "audio", "subtitle"):
        old, new = (
            [stream for stream in streams if stream.type == kind and not stream.attached_picture]
            for streams in ([s for s in info.streams if s.index in going], made.streams)
        )
        if len(old) == len(new):
            yield from zip(old, new, strict=True)
