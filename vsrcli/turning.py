"""Pictures turned by quarters and mirrored, without loss."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

_ONE = 1 << 16


@dataclass(frozen=True, slots=True)
class Turning:
    """A way to turn a plane [H, W] or a picture [H, W, C]: first transposed, then flipped."""

    transposed: bool = False
    """Rows become columns."""
    upside_down: bool = False
    mirrored: bool = False

    def of(self, plane: NDArray[Any]) -> NDArray[Any]:
        """PLANE, turned; a view of the same memory."""
        return self._flipped(plane.swapaxes(0, 1) if self.transposed else plane)

    def back(self, plane: NDArray[Any]) -> NDArray[Any]:
        """What becomes PLANE when it is turned."""
        return self.inverse.of(plane)

    @property
    def inverse(self) -> Turning:
        """The way to turn back."""
        if not self.transposed:
            return self
        return Turning(True, upside_down=self.mirrored, mirrored=self.upside_down)

    def size(self, size: tuple[int, int]) -> tuple[int, int]:
        """(width, height) of what was of this SIZE, and the reverse."""
        return size[::-1] if self.transposed else size

    def _flipped(self, plane: NDArray[Any]) -> NDArray[Any]:
        return plane[:: -1 if self.upside_down else 1, :: -1 if self.mirrored else 1]


def turning_of(matrix: tuple[int, ...] | None) -> Turning | None:
    """How players turn a picture with FFmpeg's display MATRIX (a b u, c d v, x y w).

    A pixel (x, y) goes to (a x + c y, b x + d y), in 1/65536. None where that is not by quarters.
    """
    if matrix is None:
        return Turning()
    a, b, c, d = matrix[0], matrix[1], matrix[3], matrix[4]
    if (abs(a), b, c, abs(d)) == (_ONE, 0, 0, _ONE):
        return Turning(upside_down=d < 0, mirrored=a < 0)
    if (a, abs(b), abs(c), d) == (0, _ONE, _ONE, 0):
        return Turning(transposed=True, upside_down=b < 0, mirrored=c < 0)
    return None
