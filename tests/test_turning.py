"""Pictures turned as a display matrix says."""

from __future__ import annotations

import numpy as np
import pytest

from vsrcli.turning import Turning, turning_of

ONE = 1 << 16
PICTURE = np.arange(24).reshape(4, 6)


@pytest.mark.parametrize(
    ("a", "b", "c", "d", "expected"),
    [
        (1, 0, 0, 1, PICTURE),
        (0, 1, -1, 0, np.rot90(PICTURE, -1)),
        (-1, 0, 0, -1, np.rot90(PICTURE, 2)),
        (0, -1, 1, 0, np.rot90(PICTURE, 1)),
        (-1, 0, 0, 1, PICTURE[:, ::-1]),
        (1, 0, 0, -1, PICTURE[::-1]),
        (0, 1, 1, 0, PICTURE.T),
        (0, -1, -1, 0, PICTURE[::-1, ::-1].T),
    ],
)
def test_a_display_matrix(a: int, b: int, c: int, d: int, expected: np.ndarray) -> None:
    matrix = (a * ONE, b * ONE, 0, c * ONE, d * ONE, 0, 0, 0, 1 << 30)
    turning = turning_of(matrix)
    assert turning is not None
    np.testing.assert_array_equal(turning.of(PICTURE), expected)
    np.testing.assert_array_equal(turning.back(turning.of(PICTURE)), PICTURE)
    assert turning.size((6, 4)) == expected.shape[::-1]
    colours = np.stack([PICTURE, PICTURE + 100], axis=2)
    np.testing.assert_array_equal(turning.of(colours)[..., 1], expected + 100)


def test_other_matrices_are_no_quarter_turns() -> None:
    assert turning_of(None) == Turning()
    aslant = (46341, 46341, 0, -46341, 46341, 0, 0, 0, 1 << 30)
    larger = (2 * ONE, 0, 0, 0, 2 * ONE, 0, 0, 0, 1 << 30)
    assert turning_of(aslant) is None and turning_of(larger) is None
