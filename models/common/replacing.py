"""Files that are whole under their names, or as they were before."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A name beside PATH to write to, whose file takes the place of PATH at the end of the block.

    Left by an exception it is removed, and what was there stays.
    """
    made = path.with_name(f".{path.name}.tmp")
    try:
        yield made
        made.replace(path)
    except OSError as error:
        if error.filename is None:  # writing fails without saying where
            error.filename = str(path)
        raise
    finally:
        made.unlink(missing_ok=True)
