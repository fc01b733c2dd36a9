"""What can go wrong, and the exit status each failure ends in."""

from __future__ import annotations

from enum import IntEnum, unique


@unique
class ExitStatus(IntEnum):
    """Exit statuses of `vsr`; the table in README.md lists them."""

    SUCCESS = 0
    FAILURE = 1
    """A check the user asked for failed (`--min-psnr`, `--strict`), or some of a batch failed."""
    USAGE = 2
    """The command line is wrong: unknown option, impossible combination or value."""
    INPUT = 3
    """An input is missing, is not what it should be, or is damaged."""
    OUTPUT = 4
    """The output cannot be written, or cannot hold what was asked for."""
    DEVICE = 5
    """The device asked for is not usable, or it ran out of memory."""
    MODEL = 6
    """A model file is missing, damaged or not a vsr model."""
    DAMAGED = 7
    """Finished, but the input is damaged: frames were concealed or mended, something was left out,
    or it is not complete."""
    INTERRUPTED = 130
    """Ctrl-C, SIGTERM, or the terminal was closed."""


class VsrError(Exception):
    """An error with one clear sentence for the user: names the file and says what to do."""

    exit_status = ExitStatus.FAILURE


class Interrupted(VsrError):
    """Somebody wanted the work to end."""

    exit_status = ExitStatus.INTERRUPTED


class CheckError(VsrError):
    """A check the user asked for failed."""


class UsageError(VsrError):
    """Options that exclude each other or a value out of range."""

    exit_status = ExitStatus.USAGE


class InputError(VsrError):
    """An input file or folder that cannot be used."""

    exit_status = ExitStatus.INPUT


class OutputError(VsrError):
    """An output that cannot be written."""

    exit_status = ExitStatus.OUTPUT


class DeviceError(VsrError):
    """A device that cannot be used."""

    exit_status = ExitStatus.DEVICE


class OutOfMemoryError(DeviceError):
    """The device had too little memory for the size asked for; a smaller tile may fit."""


class ModelError(VsrError):
    """A model file that cannot be used."""

    exit_status = ExitStatus.MODEL
