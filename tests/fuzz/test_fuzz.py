"""A few of the fuzzer's cases, the same every time; `python -m tests.fuzz.run` has the rest."""

from __future__ import annotations

import os
import random
import subprocess
import sys

import pytest

from tests.fuzz.mutations import MUTATIONS, mutate
from tests.jobs import ROOT

CASES = 150
"""Of each of two runs, side by side; every seed made on the spot about ten times in all."""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_damaged_files_end_well() -> None:
    command = [sys.executable, "-m", "tests.fuzz.run", "--cases", str(CASES), "--seed"]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    runs = [subprocess.Popen([*command, seed], cwd=ROOT, **pipes) for seed in ("7", "8")]
    told = [run.communicate(timeout=600)[0] for run in runs]
    for run, lines in zip(runs, told, strict=True):
        assert run.returncode == 0, lines
        assert "0 bad" in lines and f"{CASES} cases" in lines
        assert "x 0" in lines and "x 3" in lines and "x 7" in lines


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
