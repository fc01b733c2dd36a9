"""Whether options have values of the types that their dataclass declares, and paths are given.

The command line gives no others. From Python, text for a switch is "on", and a word that is none of
those to choose from is taken for one of them, without a word: another result than was asked for.
"""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from inspect import formatannotation
from numbers import Integral, Real
from pathlib import Path
from types import UnionType
from typing import Any, Literal, get_args, get_origin, get_type_hints

from vsrcli.errors import UsageError

_NUMBERS: dict[Any, type] = {int: Integral, float: Real, Fraction: Real}
"""What else does for a type of numbers: numpy's own, and whole ones for others."""

_MAX_THREADS = 1024
"""More than the cores of any machine; opening a network with thousands takes minutes and gigabytes,
in which nothing interrupts it."""


def given(name: str, path: str | Path) -> Path:
    """The path that NAME is. Raises UsageError for empty text: it would be the current folder."""
    if path == "":
        raise UsageError(f"{name} is empty, as an unset variable is; give it a value")
    return Path(path)


def check_threads(threads: int) -> None:
    """Raise UsageError for a number of threads that makes no sense."""
    if not 0 <= threads <= _MAX_THREADS:
        raise UsageError(f"--threads {threads}: must be from 0 to {_MAX_THREADS}")


def check_types(options: Any) -> None:
    """Raise UsageError for the first field of a dataclass that is not of its type."""
    for name, declared in get_type_hints(type(options)).items():
        value = getattr(options, name)
        if not _fits(value, declared):
            what = f"{type(options).__name__}: {name}={value!r}"
            raise UsageError(f"{what} is not of the type {formatannotation(declared)}")


def _fits(value: Any, declared: Any) -> bool:
    kind, parts = get_origin(declared), get_args(declared)
    if kind is UnionType:
        return any(_fits(value, part) for part in parts)
    if kind is Literal:
        return value in parts
    if kind is tuple:
        fitting = isinstance(value, tuple) and len(value) == len(parts)
        return fitting and all(map(_fits, value, parts))
    if kind is Mapping:
        words = [*value, *value.values()] if isinstance(value, Mapping) else [None]
        return all(isinstance(word, str) for word in words)
    return isinstance(value, _NUMBERS.get(declared, declared))
