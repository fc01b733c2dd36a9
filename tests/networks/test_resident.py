"""What lies in the device's memory, here the main memory: put in, joined, parted, read back."""

from __future__ import annotations

import gc

import numpy as np
import pytest

from vsrcli.networks.resident import Memory
from vsrcli.networks.session import CPU, array_of


@pytest.fixture(scope="module")
def memory() -> Memory:
    return Memory(CPU)


def test_bytes_become_fractions(memory: Memory) -> None:
    plane = np.arange(256, dtype=np.uint8).reshape(1, 1, 8, 32)
    found = array_of(memory.picture(plane))
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, plane.astype(np.float32) * np.float32(1 / 255))


def test_fractions_stay_what_they_are_and_alive(memory: Memory) -> None:
    found = memory.picture(np.random.default_rng(0).random((1, 1, 300, 500), np.float32))
    gc.collect()
    expected = np.random.default_rng(0).random((1, 1, 300, 500), np.float32)
    np.testing.assert_array_equal(array_of(found), expected)


@pytest.mark.parametrize("count", [1, 2, 5])
def test_parts_lie_one_behind_the_other(memory: Memory, count: int) -> None:
    generator = np.random.default_rng(count)
    parts = [generator.random((1 + i % 2, 2, 3, 4), np.float32) for i in range(count)]
    found = memory.joined([memory.array(part) for part in parts])
    np.testing.assert_array_equal(array_of(found), np.concatenate(parts))


def test_halves_are_what_was_joined(memory: Memory) -> None:
    parts = [np.full((1, 2, 3, 4), value, np.float32) for value in (0.25, 0.5)]
    found = memory.halves(memory.joined([memory.array(part) for part in parts]))
    for half, part in zip(found, parts, strict=True):
        np.testing.assert_array_equal(array_of(half), part)


def test_zeros_are_zeros(memory: Memory) -> None:
    found = array_of(memory.zeros(1, 2, 3, 4))
    assert found.shape == (1, 2, 3, 4) and not found.any()
