"""A few of the fuzzer's cases, the same every time; `python -m tests.fuzz.run` has the rest."""

from __future__ import annotations

import os
import random
import subprocess
import sys

import pytest

from tests.fuzz.mutations import MUTATIONS, mutate
from tests.jobs import ROOT

CASES = 300
"""Every seed made on the spot about ten times; a minute of the suite's time."""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_damaged_files_end_well() -> None:
    command = [sys.executable, "-m", "tests.fuzz.run", "--cases", str(CASES), "--seed", "7"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "0 bad" in done.stdout and f"{CASES} cases" in done.stdout
    assert "x 0" in done.stdout and "x 3" in done.stdout and "x 7" in done.stdout


def test_the_same_number_is_the_same_damage() -> None:
    seeds = [bytes(range(256)) * 8, b"other" * 100]
    for case in range(50):
        first, how = mutate(seeds, case % 2, random.Random(f"1/{case}"))
        assert (first, how) == mutate(seeds, case % 2, random.Random(f"1/{case}"))
    assert len({mutate(seeds, 0, random.Random(n))[0] for n in range(50)}) > 40


@pytest.mark.parametrize("mutation", MUTATIONS)
def test_every_mutation_takes_the_smallest_file(mutation: object) -> None:
    for number in range(50):
        for content in (b"ab", b"abcdefgh" * 4):
            data = bytearray(content)
            mutation(data, random.Random(number), [b"x", b"other"])  # type: ignore[operator]
            assert len(data) < 20_000
