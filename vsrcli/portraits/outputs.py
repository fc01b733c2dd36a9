"""Where the results of a portrait go, and what is found out about that before the work."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from vsrcli.errors import OutputError, UsageError
from vsrcli.media.safely import check_free, is_one_of
from vsrcli.portraits.holding import format_of
from vsrcli.portraits.options import UnmakeupOptions
from vsrcli.portraits.pictures import FORMATS


def default_output(source: Path) -> Path:
    """Beside SOURCE: face.jpg becomes face.unmakeup.jpg, a folder shots becomes shots.unmakeup.

    As PNG where a picture's own format is not written. Raises UsageError for a folder that nothing
    lies beside.
    """
    if source.is_dir():
        folder = source.resolve()
        if not folder.name:
            raise UsageError(f"{source}: nothing lies beside it; name an output")
        # As it was typed, but for "." and "..", which name nothing.
        beside = source if source.name not in ("", "..") else folder
        return beside.with_name(f"{folder.name}.unmakeup")
    suffix = source.suffix if source.suffix.lower() in FORMATS else ".png"
    return source.with_name(f"{source.stem}.unmakeup{suffix}")


def in_folder(source: Path, folder: Path) -> Path:
    """Where the result of one picture of many goes: under its name, or as x.heic.png."""
    written = source.suffix.lower() in FORMATS
    return folder / (source.name if written else f"{source.name}.png")


def check_outputs(
    source: Path,
    output: Path,
    options: UnmakeupOptions,
    compare: Path | None = None,
    components: Path | None = None,
) -> None:
    """Find out before the work what cannot be written after it."""
    if not _is_folder(output):
        format_of(output)
    if is_one_of(output, [source]):
        raise UsageError(f"{output}: is the input itself; the original is what you will want back")
    read = (source, *map(Path, options.pair or ()))
    for path in (output, compare):
        if path is None:
            continue
        if is_one_of(path, read):
            raise UsageError(f"{path}: is read for this; choose another name")
        if _is_folder(path):
            raise OutputError(f"{path}: is a folder; name a file in it, such as face.png")
        check_free(path, overwrite=options.overwrite)
        _check_folder(path)
    if compare is not None and compare.suffix.lower() != ".png":
        raise UsageError(f"--compare {compare}: write it to a .png")
    if compare is not None and os.path.realpath(compare) == os.path.realpath(output):
        raise UsageError(f"--compare {compare}: is the output; choose another name")
    if components is not None:
        _check_folder(components)
    if components is not None and components.exists():
        _check_components(components, read, overwrite=options.overwrite)


def _is_folder(path: Path) -> bool:
    return os.path.isdir(path)  # noqa: PTH112 - Path's fails at names that are too long


def _check_folder(path: Path) -> None:
    """Raise OutputError unless the folder of PATH is there, or can be made, and written to."""
    folder = path.absolute().parent
    there = next(each for each in (folder, *folder.parents) if each.exists())
    if not there.is_dir():
        raise OutputError(f"{path}: {there} is a file; name a folder")
    if not os.access(there, os.W_OK):
        raise OutputError(f"{path}: the folder {there} cannot be written; choose another")


def _check_components(folder: Path, read: Sequence[Path], *, overwrite: bool) -> None:
    if not folder.is_dir():
        raise OutputError(f"--components {folder}: is a file; name a folder")
    there = sorted(folder.glob("face-*.png"))
    for path in there:
        if is_one_of(path, read):
            raise UsageError(f"{path}: is read for this; choose another folder")
    if there and not overwrite:
        raise OutputError(f"{there[0]}: exists already; use --overwrite or another folder")
