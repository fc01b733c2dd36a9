"""Ways in which a file can be damaged; every one is decided by a random generator alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from random import Random

Mutation = Callable[[bytearray, Random, Sequence[bytes]], None]

_HEADER = 600
"""Bytes at either end in which containers say what they hold."""
_EXTREMES = (0, 1, 0x7F, 0x80, 0xFF, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)


def flip_bits(data: bytearray, chance: Random, others: Sequence[bytes]) -> None:
    """Turn a few bits over, anywhere."""
    for _ in range(chance.choice((1, 2, 5, 20, 100))):
        data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)


def truncate(data: bytearray, chance: Random, others: Sequence[bytes]) -> None:
    """Cut the end off."""
    if len(data) > 1:
        del data[chance.randrange(1, len(data)) :]


def behead(data: bytearray, chance: Random, others: Sequence[bytes]) -> None:
    """Cut the beginning off."""
    if len(data) > 1:
        del data[: chance.randrange(1, len(data))]


def splice(data: bytearray, chance: Random, others: Sequence[bytes]) -> None:
    """Put a piece of another file in, over what is there or between."""
    other = chance.choice(others)
    begin, at = chance.randrange(len(other)), chance.randrange(len(data))
    piece = other[begin : begin + chance.choice((8, 64, 188, 1024, 4096))]
    data[at : at + chance.choice((0, len(piece)))] = piece


def repeat(data: bytearray, chance: Random, others: Sequence[bytes]) -> None:
    """Put a piece of the file in once more, somewhere else."""
    begin = chance.randrange(len(data))
    at = chance.randrange(len(data))
    data[at:at] = data[begin : begin + chance.choice((16, 188, 1000, 5000))]


def drop(data: bytearray, chance: Random, others: Sequence[bytes]) -> None:
    """Leave a piece out."""
    begin = chance.randrange(len(data))
    del data[begin : begin + chance.choice((1, 4, 188, 1000))]
    data[:] = data or b"\0"


def blank(data: bytearray, chance: Random, others: Sequence[bytes]) -> None:
    """Overwrite a piece with zeros or noise, as a bad sector does."""
    begin = chance.randrange(len(data))
    size = min(len(data) - begin, chance.choice((16, 512, 4096)))
    data[begin : begin + size] = bytes(size) if chance.random() < 0.5 else chance.randbytes(size)


def edit_header(data: bytearray, chance: Random, others: Sequence[bytes]) -> None:
    """Replace numbers near the beginning or the end by extreme ones."""
    for _ in range(chance.choice((1, 1, 2, 4))):
        size = chance.choice((1, 2, 4, 8))
        low = max(0, min(_HEADER, len(data)) - size)
        at = chance.randrange(low + 1)
        if chance.random() < 0.3:
            at = max(0, len(data) - size - at)
        value = chance.choice(_EXTREMES) & ((1 << 8 * size) - 1)
        data[at : at + size] = value.to_bytes(size, chance.choice(("big", "little")))


MUTATIONS: tuple[Mutation, ...] = (
    flip_bits,
    truncate,
    behead,
    splice,
    repeat,
    drop,
    blank,
    edit_header,
    edit_header,
)


def mutate(seeds: Sequence[bytes], which: int, chance: Random) -> tuple[bytes, str]:
    """Damage seed number WHICH in one to three ways; also how, for people."""
    data, names = bytearray(seeds[which]), []
    for _ in range(chance.choice((1, 1, 1, 2, 3))):
        mutation = chance.choice(MUTATIONS)
        mutation(data, chance, seeds)
        names.append(mutation.__name__)
        if not data:
            break
    return bytes(data), "+".join(names)
