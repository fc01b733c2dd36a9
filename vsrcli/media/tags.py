"""Metadata: what of the source's tags still holds in the output."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from math import lcm
from typing import Any

from vsrcli.media.containers import QUICKTIME

_REWRITTEN = frozenset({"encoder", "duration"})
"""Tags every muxer writes anew."""
_OF_THE_OLD = frozenset(
    {
        *("software", "isvbr", "wmfsdkneeded", "wmfsdkversion", "deviceconformancetemplate"),
        *("operational_pattern_ul", "uid", "generation_uid", "material_package_umid"),
        *("company_name", "product_name", "product_uid", "product_version"),
        *("product_version_num", "toolkit_version_num", "application_platform"),
    }
)
"""What AVI, ASF and MXF say of themselves and of the program that wrote them: true of them alone,
so that nobody misses it."""
_STATISTICS = ("bps", "number_of_", "_statistics_")
"""mkvmerge's counts of a track, with or without a language suffix."""
_ALPHA = "alpha_mode"
"""Says that alpha lies beside these very packets."""
_BRANDS = frozenset({"major_brand", "minor_version", "compatible_brands"})
_DEFAULT_HANDLERS = frozenset({"VideoHandler", "SoundHandler", "SubtitleHandler", "DataHandler"})
_ITUNES = frozenset(
    {
        *("title", "artist", "album_artist", "composer", "album", "date", "comment", "genre"),
        *("copyright", "grouping", "lyrics", "description", "synopsis", "show", "episode_id"),
        *("network", "keywords", "episode_sort", "season_number", "media_type", "hd_video"),
        *("gapless_playback", "compilation", "track", "disc", "creation_time", "encoder"),
        *("timecode", "author", "performer", "make", "model", "location", "rating"),
    }
)
"""Tags MP4 stores in the form that other players read too."""
_RIFF = {"product": "IPRD", "subject": "ISBJ", "software": "ISFT"}
"""Tags that FFmpeg reads from AVI under names by which it does not write them there."""
_QUICKTIME_LANGUAGES = {
    **{"sqi": "alb", "hye": "arm", "eus": "baq", "mya": "bur", "zho": "chi", "cze": "ces"},
    **{"nld": "dut", "fre": "fra", "kat": "geo", "deu": "ger", "ell": "gre", "isl": "ice"},
    **{"mkd": "mac", "msa": "may", "fas": "per", "rum": "ron", "slo": "slk", "bod": "tib"},
    **{"cym": "wel"},
}
"""Languages (ISO 639-2) of which FFmpeg knows QuickTime's number by another name alone."""
_QUICKTIME_ALONE = {"swe": "sve", "hrv": "hr ", "srp": "sr ", "fao": "fo "}
"""The same, by names that are none of ISO 639-2, and say nothing elsewhere."""
_LARGEST_TIMESCALE = 10_000_000


def container_tags(tags: Mapping[str, str]) -> dict[str, str]:
    """Return the tags of the file without the ones that describe the old container."""
    # A Matroska made of an MP4 may still have its brands, in capitals.
    return {k: v for k, v in tags.items() if k.lower() not in _REWRITTEN | _BRANDS}


def named_for(muxer: str, tags: Mapping[str, str]) -> dict[str, str]:
    """Return the tags of a file under the names by which FFmpeg writes them into a container."""
    if muxer != "avi":
        return dict(tags)
    return {_RIFF.get(key.lower(), key): value for key, value in tags.items()}


def lost_tags(tags: Mapping[str, str], kept: Mapping[str, str], name: str) -> str | None:
    """Return a line on the tags of a file that are not among those `kept` by the container `name`.

    One that goes by another name there, as the album does in AVI, is kept.
    """
    keys, values = {key.lower() for key in kept}, set(kept.values())
    keys |= _OF_THE_OLD  # which a Matroska made of another may still have
    wanted = container_tags(tags).items()
    lost = [key for key, value in wanted if key.lower() not in keys and value not in values]
    return f"{name} cannot keep the tags {', '.join(lost)}" if lost else None


def stream_title(tags: Mapping[str, str]) -> str | None:
    """Return the title of a stream. FFmpeg writes it into MP4 as a name and reads it as that."""
    return tags.get("title") or tags.get("name")


def language_in(muxer: str, language: str) -> str:
    """Return the name by which FFmpeg writes a language into a container, and reads it there."""
    if muxer == "mov":
        return (_QUICKTIME_LANGUAGES | _QUICKTIME_ALONE).get(language, language)
    return next((name for name, own in _QUICKTIME_ALONE.items() if own == language), language)


def stream_tags(tags: Mapping[str, str], muxer: str, *, fresh: bool) -> dict[str, str]:
    """Return the tags of a stream; `fresh` says that its packets are not those of the source."""
    kept = {}
    for key, value in tags.items():
        name = key.lower()
        if name in _REWRITTEN or (fresh and name.startswith((*_STATISTICS, _ALPHA))):
            continue
        if name == "vendor_id" and (fresh or muxer not in QUICKTIME):
            continue
        if name == "handler_name" and muxer not in QUICKTIME and value in _DEFAULT_HANDLERS:
            continue
        if name == "language":
            value = language_in(muxer, value)
        kept["title" if key == "name" and "title" not in tags else key] = value
    return kept


def quicktime_options(
    tags: Mapping[str, str], time_base: Fraction, chapters: list[dict[str, Any]], *, cover: bool
) -> dict[str, str]:
    """Return the muxer options that keep unusual tags and exact times in MP4 and QuickTime.

    Start offsets and chapters are counted in the movie's time scale, 1/1000 s by default. FFmpeg
    stores unusual tags in a form that has no place for a `cover`.
    """
    scale = 1
    for unit in (time_base, Fraction(1, 1000), *(Fraction(c["time_base"]) for c in chapters)):
        if lcm(scale, unit.denominator) <= _LARGEST_TIMESCALE:
            scale = lcm(scale, unit.denominator)
    options = {"movie_timescale": str(scale)}
    if unusual_tags(tags) and not cover:
        options["movflags"] = "use_metadata_tags"
    return options


def unusual_tags(tags: Mapping[str, str]) -> list[str]:
    """Return the names of tags MP4 does not store in its usual form."""
    return [key for key in container_tags(tags) if key.lower() not in _ITUNES]
