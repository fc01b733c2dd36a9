"""What would be done to a portrait, found out without the network."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from vsrcli.networks.crn import find_crn
from vsrcli.portraits.holding import check_holds, words_lost
from vsrcli.portraits.options import UnmakeupOptions
from vsrcli.portraits.outputs import check_outputs, default_output
from vsrcli.portraits.pictures import read_still
from vsrcli.portraits.treated import box_of, faces_of


@dataclass(frozen=True, slots=True)
class UnmakeupPlan:
    """What would be done to one picture."""

    source: str
    output: str
    size: tuple[int, int]
    faces: tuple[tuple[int, int, int, int], ...]
    whole: bool
    model: str
    notes: tuple[str, ...]
    """What is lost or changed besides, if the photo is treated and so written anew."""


def plan(
    source: Path,
    output: Path | None,
    options: UnmakeupOptions,
    *,
    compare: Path | None = None,
    components: Path | None = None,
) -> UnmakeupPlan:
    """What `unmakeup` would do, without the network. Raises as it does."""
    target = default_output(source) if output is None else output
    check_outputs(source, target, options, compare, components)
    still = read_still(source)
    check_holds(still, target)
    return UnmakeupPlan(
        source=str(source),
        output=str(target),
        size=(still.pixels.shape[1], still.pixels.shape[0]),
        faces=tuple(box_of(face, still.extent) for face in faces_of(source, still, options)),
        whole=options.whole,
        model=find_crn(options.model).name,
        notes=tuple(words_lost(still, target)),
    )
