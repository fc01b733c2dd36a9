"""Results -> one tar."""

from __future__ import annotations

import tarfile
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from vsrcli.errors import UsageError
from vsrcli.media.safely import check_free, made_beside
from vsrcli.notes import ignore


def write_tar(
    files: Sequence[Path],
    output: Path,
    publishing: Callable[[Path], None] = ignore,
    *,
    overwrite: bool = False,
) -> None:
    """Pack `files` under their plain names, in their order; the same files give the same bytes.

    The tar appears under its name when complete; `publishing` is told of it just before. Raises
    UsageError if two files have one name, OutputError if it exists already (unless `overwrite`) or
    cannot be written.
    """
    counts = Counter(path.name for path in files)
    if twice := next((name for name, count in counts.items() if count > 1), None):
        raise UsageError(f"{output}: two files are called {twice}; rename one")
    check_free(output, overwrite=overwrite)
    with (
        made_beside(output, publishing, overwrite=overwrite) as partial,
        partial.open("wb") as stream,
    ):
        _pack(files, stream)


def _pack(files: Iterable[Path], stream: Any) -> None:
    with tarfile.open(fileobj=stream, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for path in files:
            entry = tarfile.TarInfo(path.name)  # owner, time and mode are those of no one
            entry.size, entry.mode = path.stat().st_size, 0o644
            with path.open("rb") as content:
                tar.addfile(entry, content)
