"""Tables of figures as plain lines, which stay lines where they are piped to."""

from __future__ import annotations

from collections.abc import Sequence


def shown(value: float | None, digits: int) -> str:
    """A figure with so many DIGITS behind the point; a dash if there is none."""
    return "–" if value is None else f"{value:.{digits}f}"


def aligned(rows: Sequence[Sequence[str]], headers: int = 1, gap: int = 1) -> str:
    """ROWS as lines of columns GAP apart, the first to the left and figures to the right.

    A rule stands below the first HEADERS of them.
    """
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = []
    for name, *figures in rows:
        cells = [name.ljust(widths[0])]
        cells += [figure.rjust(width) for figure, width in zip(figures, widths[1:], strict=True)]
        lines.append((" " * gap).join(cells).rstrip())
    lines.insert(headers, "-" * max(map(len, lines)))
    return "\n".join(lines)
