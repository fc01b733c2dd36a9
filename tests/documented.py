"""What docs/json.md says there is."""

from __future__ import annotations

import re
from pathlib import Path


def keys(heading: str) -> set[str]:
    """Keys in the table under HEADING in docs/json.md."""
    text = (Path(__file__).parents[1] / "docs" / "json.md").read_text(encoding="utf-8")
    table = text.split(f"## {heading}\n")[1].split("\n## ")[0]
    rows = [line.split("|")[1] for line in table.splitlines() if line.startswith("| `")]
    assert rows, heading
    return set(re.findall(r"`(\w+)`", " ".join(rows)))
