"""Which clip of a folder or an archive belongs to which reference."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path

from vsrcli.collection import Clip
from vsrcli.errors import InputError

_Key = tuple[str, ...]


def pair_clips(
    references: Sequence[Clip], outputs: Sequence[Clip], where: Path
) -> tuple[list[tuple[Clip, Clip]], list[str]]:
    """Pair every reference with the output of its name, and say which outputs are left over, why.

    `where` is the folder or archive of the outputs, for messages. An output may carry a suffix, and
    be called so by a folder it lies in: "08_x4", "08.mp4_down4x" and "08/frames" belong to "08".
    Raises InputError if a reference has no output, or several that are called so equally well, or
    if two references have one name.
    """
    if len(references) == len(outputs) == 1:
        return [(references[0], outputs[0])], []
    _check_names(references)
    found: dict[_Key, list[tuple[tuple[int, bool], Clip]]] = {clip.key: [] for clip in references}
    left = []
    for output in outputs:
        if match := _match(output, list(found)):
            key, rank = match
            found[key].append((rank, output))
        else:
            left.append(f"no reference is called so: {output.name}")
    pairs = []
    for reference in references:
        candidates = found[reference.key]
        best = min((rank for rank, _ in candidates), default=None)
        chosen = [clip for rank, clip in candidates if rank == best]
        if len(chosen) != 1:
            raise InputError(_unpaired(reference, where, chosen))
        left += [
            f"{reference.name} is compared with {chosen[0].name}: {clip.name}"
            for _, clip in candidates
            if clip is not chosen[0]
        ]
        pairs.append((reference, chosen[0]))
    return pairs, left


def unlike_names(
    references: Sequence[Path], outputs: Sequence[Path], most: int | None = None
) -> tuple[Path, Path] | None:
    """The first two pictures, of the first `most` that are paired in order, whose names tell that
    they are not of one frame: neither does the output's hold the reference's, nor do they count
    alike.
    """
    pairs = list(zip(references, outputs, strict=False))[:most]
    names = list(zip(_without_end(references), _without_end(outputs), strict=False))[:most]
    unlike = [own not in other for own, other in names]
    steps = [_difference(*pair) for pair in names]
    if not any(unlike) or (None not in steps and len(set(steps)) == 1):
        return None
    if None in steps:
        return pairs[unlike.index(True)]
    return next(pair for pair, step in zip(pairs, steps, strict=True) if step != steps[0])


def _without_end(pictures: Sequence[Path]) -> list[str]:
    """Their names without what ends all of them, from a mark on, such as "_HR" or "_x4"."""
    stems = [path.stem for path in pictures]
    end = os.path.commonprefix([stem[::-1] for stem in stems])[::-1] if len(stems) > 1 else ""
    mark = re.search(r"[^0-9A-Za-z]", end)
    return [stem[: mark.start() - len(end)] if mark else stem for stem in stems]


def _difference(reference: str, output: str) -> int | None:
    """By how much the last numbers of two names differ."""
    found = [re.findall(r"[0-9]+", name) for name in (reference, output)]
    return int(found[1][-1]) - int(found[0][-1]) if all(found) else None


def _match(output: Clip, keys: Sequence[_Key]) -> tuple[_Key, tuple[int, bool]] | None:
    """The longest of `keys` that the output is called by, and a rank of how well: low is better.

    Its own name comes before those of its folders, and an inner folder before an outer one; exactly
    comes before with a suffix.
    """
    for up in range(len(output.place)):
        place = output.place[: len(output.place) - up]
        owners = [key for key in keys if _ends_in(place, key)]
        if owners:
            key = max(owners, key=lambda owner: len("/".join(owner)))
            return key, (up, place[-len(key) :] != key)
    return None


def _ends_in(place: _Key, key: _Key) -> bool:
    end = place[-len(key) :]
    return len(end) == len(key) and all(map(_belongs, end, key))


def _belongs(output: str, reference: str) -> bool:
    rest = output.removeprefix(reference)
    return output.startswith(reference) and not rest[:1].isalnum()


def _unpaired(reference: Clip, where: Path, candidates: Sequence[Clip]) -> str:
    if not candidates:
        return f"{where} holds no clip named {reference.name} or {reference.name}_…"
    names = ", ".join(clip.name for clip in candidates)
    return f"{where} holds several clips for {reference.name} ({names}): keep one"


def _check_names(references: Sequence[Clip]) -> None:
    seen: dict[str, Clip] = {}
    for clip in references:
        if (other := seen.setdefault(clip.name, clip)) is not clip:
            raise InputError(
                f"{other.label} and {clip.label} have one name, by which outputs are found: "
                "rename one of them"
            )
