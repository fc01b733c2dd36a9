"""What a cache holds, in a word: so that nothing made of another one is taken for this one's."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path
from zipfile import BadZipFile, ZipFile

from vsrcli.errors import InputError


def contents(paths: Iterable[Path]) -> str:
    """Twelve digits for the .npz files PATHS: their names, and the checksums of what they hold.

    Raises InputError if one is damaged.
    """
    digest = hashlib.sha256()
    for path in paths:
        try:
            with ZipFile(path) as file:
                sums = [(each.filename, each.CRC) for each in file.infolist()]
        except BadZipFile:
            raise InputError(f"{path} is damaged; delete it and have it made again") from None
        digest.update(repr((path.name, sums)).encode())
    return digest.hexdigest()[:12]
