"""What `vsr unmakeup` is asked to do."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from vsrcli.declared import check_threads, check_types
from vsrcli.errors import UsageError
from vsrcli.networks.crn import DEFAULT_MODEL


@dataclass(frozen=True, slots=True)
class UnmakeupOptions:
    """What to do. Raises UsageError for values out of range."""

    strength: float = 1.0
    """0 leaves every pixel as it is, 1 adds all that is predicted."""
    tone: float = 1.0
    """Share of the components of tone and colour."""
    texture: float = 1.0
    """Share of the components of texture."""
    box: tuple[int, int, int, int] | None = None
    """Left, top, width and height of the one face to treat, chin to hairline; None to look."""
    whole: bool = False
    """Treat the whole picture, faces or none."""
    force: bool = False
    """Treat what looks unedited too."""
    pair: tuple[str | Path, str | Path] | None = None
    """A photo before and after the same app: its tone is known then, and every picture treated."""
    overwrite: bool = False
    model: str | Path = DEFAULT_MODEL
    device: str = "auto"
    threads: int = 0

    def __post_init__(self) -> None:
        check_types(self)
        for name in ("strength", "tone", "texture"):
            value = getattr(self, name)
            if not 0 <= value <= 1:
                raise UsageError(f"--{name} {value:g}: give a number from 0 to 1")
        check_threads(self.threads)
        if self.box is not None and min(self.box[2:]) < 16:
            raise UsageError("--box: a face is at least 16 pixels wide and high")

    @property
    def idle(self) -> bool:
        """Whether nothing is asked for."""
        return self.strength == 0 or self.tone == self.texture == 0
