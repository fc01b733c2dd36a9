"""Recipes of trainings: whether their values are of the kinds they should be, and what changed."""

from __future__ import annotations

import math
from dataclasses import asdict
from typing import Any, get_origin, get_type_hints

from vsrcli.errors import UsageError

WORDS = {
    int: "a whole number",
    float: "a number",
    str: "text",
    dict: "a table",
    list: "a list",
    tuple: "a list of whole numbers",
}


def check_kind(name: str, value: object, kind: type) -> None:
    """Check that VALUE, which goes by NAME, is of KIND, one of WORDS. Raises UsageError if not."""
    if kind is tuple:
        right = isinstance(value, list | tuple) and all(type(each) is int for each in value)
    elif kind is float:
        right = type(value) in (int, float) and math.isfinite(value)
    else:
        right = type(value) is kind
    if not right:
        raise UsageError(f"{name} must be {WORDS[kind]}, not {value!r}")


def check_kinds(made: Any) -> None:
    """Check that every field of the dataclass MADE is of its kind. Raises UsageError if not."""
    for name, kind in get_type_hints(type(made)).items():
        check_kind(name, getattr(made, name), get_origin(kind) or kind)


def changed(recipe: Any, before: dict[str, Any]) -> str:
    """What RECIPE says otherwise than it did BEFORE, for a note; "" for nothing.

    Of a checkpoint that kept no recipe nothing is known.
    """
    now = asdict(recipe)
    names = [name for name in now if name in before and now[name] != before[name]]
    said = [f"{name} is {now[name]} now, was {before[name]}" for name in names]
    return f"; its recipe has changed since: {'; '.join(said)}" if said else ""
