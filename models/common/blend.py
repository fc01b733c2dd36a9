"""The mean of trained weights: what two states of one training do badly, their mean often does not.

    python -m models.common.blend OUT.pt A.pt:0.76 B.pt:0.24

A state is a file of weights, or a checkpoint, of which the averaged weights are taken; the shares
are divided by their sum. Only states of one training belong together: one begun from another, or
both from a third.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from torch import Tensor

from models.common.command import above_zero, check_target, told
from models.common.weights import save, weights_in
from vsrcli.errors import InputError


def part(text: str) -> tuple[dict[str, Tensor], float]:
    """The weights and the share that FILE:SHARE names."""
    path, _, share = text.rpartition(":")
    try:
        counted = above_zero(share) if path else 0.0
    except (ValueError, argparse.ArgumentTypeError):
        counted = 0.0
    if not counted:
        raise argparse.ArgumentTypeError(f"{text!r} is not FILE.pt:SHARE, a share above 0")
    return weights_in(Path(path)), counted


def blend(parts: list[tuple[dict[str, Tensor], float]]) -> dict[str, Tensor]:
    """The mean of PARTS, weights and their share; InputError if they are of different networks."""
    first, total = parts[0][0], sum(share for _, share in parts)
    shapes = {name: value.shape for name, value in first.items()}
    if any({n: v.shape for n, v in weights.items()} != shapes for weights, _ in parts):
        raise InputError("these are weights of different networks")
    # In double precision, so that equal weights stay what they are.
    summed = {
        name: sum(weights[name].double() * (share / total) for weights, share in parts)
        for name in first
    }
    return {name: value.to(first[name].dtype).contiguous() for name, value in summed.items()}


@told
def main() -> None:
    """Write the mean."""
    parser = argparse.ArgumentParser(
        prog="python -m models.common.blend",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("out", type=Path, metavar="OUT.pt")
    parser.add_argument("parts", nargs="+", type=part, metavar="FILE.pt:SHARE")
    given = parser.parse_args()
    check_target(given.out)
    save(blend(given.parts), given.out)


if __name__ == "__main__":
    main()
