"""Where weights come from, as the ONNX files made of them say it."""

from __future__ import annotations

import argparse
import hashlib
from dataclasses import dataclass
from pathlib import Path

from vsrcli.errors import UsageError

NOT_STATED = "not stated"


@dataclass(frozen=True)
class Provenance:
    """Of one training."""

    weights_sha256: str
    """Of the file of weights. Its path would not do: whoever trains puts his in the same place."""
    version: str
    training_data: str
    """What was trained on, with its licences."""
    licence: str
    """Of the weights."""


def sha256(path: Path) -> str:
    """The hash of the file PATH."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def add_options(parser: argparse.ArgumentParser) -> None:
    """Let the command line say what is known of weights that are not the shipped ones."""
    parser.add_argument(
        "--training-data",
        metavar="TEXT",
        help="what other weights than the shipped ones were trained on, for the files to say",
    )
    parser.add_argument("--licence", metavar="TEXT", help="of such weights, likewise")


def provenance(given: argparse.Namespace, shipped: Provenance) -> Provenance:
    """Of GIVEN.weights: that of the SHIPPED ones if they are these, else as GIVEN says.

    Raises UsageError if GIVEN says something of the shipped ones.
    """
    found = sha256(given.weights)
    stated = given.training_data, given.licence
    if found != shipped.weights_sha256:
        return Provenance(found, found[:12], *(text or NOT_STATED for text in stated))
    if any(stated):
        raise UsageError(
            f"{given.weights} holds the shipped weights, whose training data and licence are known"
        )
    return shipped
