import pytest

from vsrcli.media.timeline import Timed, settle


def settled(
    pts: list[int | None], durations: list[int] | None = None, nominal: int = 40
) -> tuple[list[tuple[int, int]], int]:
    repairs = []
    declared = durations or [0] * len(pts)
    items = [Timed(i, p, d) for i, (p, d) in enumerate(zip(pts, declared, strict=True))]
    shown = list(settle(items, nominal, lambda: repairs.append(1)))
    assert [s.payload for s in shown] == list(range(len(pts)))
    return [(s.pts, s.duration) for s in shown], len(repairs)


def test_good_times_are_kept_and_durations_follow_from_them() -> None:
    assert settled([-20, 0, 100, 130]) == ([(-20, 20), (0, 100), (100, 30), (130, 30)], 0)


@pytest.mark.parametrize(
    ("declared", "last"),
    [
        ([100, 30, 7], 7),
        ([99, 31, 7], 7),
        ([100, 32, 7], 30),
        ([1, 1, 1], 30),
        ([100, 30, 0], 30),
    ],
)
def test_the_last_duration_is_believed_if_the_others_are_true(
    declared: list[int], last: int
) -> None:
    assert settled([0, 100, 130], declared)[0] == [(0, 100), (100, 30), (130, last)]


@pytest.mark.parametrize("count", [4, 5])
def test_durations_that_are_made_up_are_never_believed(count: int) -> None:
    """As FFmpeg has them for AVI, of one tick."""
    shown, _ = settled([24 * n for n in range(count)], [1] * count)
    assert [duration for _, duration in shown] == [24] * count


def test_one_frame_takes_its_own_duration_or_the_nominal_one() -> None:
    assert settled([5], [11]) == ([(5, 11)], 0)
    assert settled([5]) == ([(5, 40)], 0)
    assert settled([]) == ([], 0)


def test_missing_times_follow_from_durations() -> None:
    assert settled([None] * 3, [50, 60, 70]) == ([(0, 50), (50, 60), (110, 70)], 0)
    assert settled([None] * 3) == ([(0, 40), (40, 40), (80, 40)], 0)
    assert settled([10, None, 90]) == ([(10, 40), (50, 40), (90, 40)], 0)


@pytest.mark.parametrize(
    ("pts", "expected", "repairs"),
    [
        ([0, 40, 40, 80, 120], [0, 40, 60, 80, 120], 1),
        ([0, 40, 80, 70, 160], [0, 40, 80, 120, 160], 1),
        ([0, 40, 39, 42, 80], [0, 40, 41, 42, 80], 1),
        ([0, 40, 40, 41, 80], [0, 40, 41, 60, 80], 2),
        ([0, 0, 0], [0, 40, 80], 2),
        ([0, 40, -1000, -960], [0, 40, 80, 120], 2),
    ],
)
def test_times_that_do_not_increase_are_moved(
    pts: list[int | None], expected: list[int], repairs: int
) -> None:
    shown, count = settled(pts)
    assert [p for p, _ in shown] == expected
    assert count == repairs


@pytest.mark.parametrize("nominal", [40, 43, 30])
def test_pictures_behind_a_short_way_back_are_soon_in_time_again(nominal: int) -> None:
    """As after a cut in a recording; one that lags for good is out of sync with its sound."""
    back = [*range(0, 2000, 40), *range(1800, 6000, 40)]
    shown, _ = settled(list(back), nominal=nominal)
    assert [p for p, _ in shown[62:]] == back[62:]
    assert [p for p, _ in shown[:50]] == back[:50]
