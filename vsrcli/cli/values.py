"""Option values as typed: choices, sizes, times, rates, pairs."""

from __future__ import annotations

from enum import StrEnum
from fractions import Fraction

from vsrcli.errors import UsageError

_FINEST, _FASTEST = 100_000, 10_000


class OnErrorChoice(StrEnum):
    """What `--on-error` takes."""

    STOP = "stop"
    SKIP = "skip"
    CONCEAL = "conceal"


def parse_size(text: str) -> tuple[int, int]:
    """(width, height) of WxH. Raises UsageError."""
    width, cross, height = text.lower().partition("x")
    if not (cross and width.isdecimal() and height.isdecimal()):
        raise UsageError(f"--size {text}: write it as WIDTHxHEIGHT, such as 1920x1080")
    return int(width), int(height)


def parse_time(option: str, text: str | None) -> Fraction | None:
    """Seconds of seconds or H:MM:SS. Raises UsageError."""
    if text is None:
        return None
    seconds = Fraction(0)
    try:
        for part in text.split(":"):
            seconds = seconds * 60 + Fraction(part)
    except (ValueError, ZeroDivisionError):
        raise UsageError(f"{option} {text}: write seconds or H:MM:SS, such as 1:02.5") from None
    return seconds


def parse_rate(text: str | None) -> Fraction | None:
    """Frames a second. Raises UsageError."""
    if text is None:
        return None
    try:
        # 29.97002997002997 is meant as 30000/1001, and FFmpeg has no room for what it says.
        rate = Fraction(text).limit_denominator(_FINEST)
    except (ValueError, ZeroDivisionError):
        rate = Fraction(0)
    if not 0 < rate <= _FASTEST:
        raise UsageError(
            f"--rate {text}: write frames a second, such as 25 or 30000/1001, up to {_FASTEST}"
        )
    return rate


def parse_options(pairs: list[str]) -> dict[str, str]:
    """KEY=VALUE pairs as a dictionary. Raises UsageError."""
    options = {}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not (key and equals):
            raise UsageError(f"-e {pair}: write it as KEY=VALUE, such as -e tune=film")
        options[key] = value
    return options
