"""The command line: options -> plain values -> one library call -> rendering."""

from __future__ import annotations

import errno
from pathlib import Path
from typing import Annotated, Any

import typer

from vsrcli import __version__
from vsrcli.cli.bench import bench_command
from vsrcli.cli.degrade import degrade_command
from vsrcli.cli.doctor import doctor_command
from vsrcli.cli.options import wants_traceback
from vsrcli.cli.psnr import psnr_command
from vsrcli.cli.unmakeup import unmakeup_command
from vsrcli.cli.upscale import upscale_command
from vsrcli.console import error
from vsrcli.errors import ExitStatus, InputError, OutputError, UsageError, VsrError


class _Commands(typer.core.TyperGroup):
    """The single funnel through which every failure becomes one sentence and an exit status."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            error("interrupted")
            raise typer.Exit(ExitStatus.INTERRUPTED) from None
        except BrokenPipeError:
            raise typer.Exit(ExitStatus.OUTPUT) from None
        except VsrError as failure:
            if wants_traceback():
                raise
            error(str(failure))
            raise typer.Exit(failure.exit_status) from None
        except MemoryError as failure:
            if wants_traceback():
                raise
            error(f"too little memory ({failure}); end other programs, or make the input smaller")
            raise typer.Exit(ExitStatus.DEVICE) from None
        except Exception as failure:
            if wants_traceback() or type(failure).__module__.startswith("typer"):
                raise  # typer's own: usage errors, Exit and Abort
            kind = type(failure).__name__
            error(f"unexpected {kind}: {failure}; run again with --traceback and report it")
            raise typer.Exit(ExitStatus.FAILURE) from None


_PATHS: dict[str, type[VsrError]] = {
    **dict.fromkeys(("source", "reference", "outputs", "baseline", "pair"), InputError),
    **dict.fromkeys(("output", "csv", "plot", "components"), OutputError),
}
"""Parameters that are paths, and what to raise if it cannot be told whether anything is there."""


class _Command(typer.core.TyperCommand):
    """A command that takes no empty value: as a path, it would be the current folder.

    Nor a path in a folder that may not be looked into.
    """

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        for parameter in self.params:
            # What may not be read is no wrong command line, and an output need not be readable.
            for kind in getattr(parameter.type, "types", (parameter.type,)):
                if hasattr(kind, "readable"):
                    kind.readable = False

    def invoke(self, ctx: Any) -> Any:
        for parameter in self.params:
            value = ctx.params.get(str(parameter.name))
            _check_given(parameter, value)
            if raised := _PATHS.get(str(parameter.name)):
                _check_reachable(value, raised)
        return super().invoke(ctx)


def _check_reachable(value: object, raised: type[VsrError]) -> None:
    """Raise RAISED if a folder on the way to the path VALUE, or to one of several, is closed.

    Or if no file can be called so.
    """
    for path in value if isinstance(value, list | tuple) else (value,):
        try:
            if path is not None:
                Path(path).stat()
        except PermissionError as failure:
            raise raised(
                f"{path}: a folder above it may not be looked into ({failure.strerror}); choose "
                "another, or change its permissions"
            ) from None
        except OSError as failure:
            if failure.errno == errno.ENAMETOOLONG:
                raise raised(f"{path}: {failure.strerror}; choose a shorter one") from None
        except ValueError:  # no name at all, of which the command will say so
            continue


def _check_given(parameter: Any, value: object) -> None:
    """Raise UsageError if VALUE, or one of several, is empty text."""
    if "" in (value if isinstance(value, list | tuple) else (value,)):
        argument = parameter.param_type_name == "argument"
        name = parameter.human_readable_name if argument else max(parameter.opts, key=len)
        leave = "" if parameter.required else " or leave it out"
        raise UsageError(
            f"{name.strip('[].')} is empty, as an unset variable is; give it a value{leave}"
        )


app = typer.Typer(
    cls=_Commands,
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Video super-resolution: detail that is in the neighbouring frames, put where it belongs.",
)
app.command("upscale", cls=_Command)(upscale_command)
app.command("degrade", cls=_Command)(degrade_command)
app.command("psnr", cls=_Command)(psnr_command)
app.command("unmakeup", cls=_Command)(unmakeup_command)
app.command("bench", cls=_Command)(bench_command)
app.command("doctor", cls=_Command)(doctor_command)


def _print_version(value: bool) -> None:
    if value:
        typer.echo(f"vsr {__version__}")
        raise typer.Exit


@app.callback()
def _main(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Print the version."
        ),
    ] = False,
) -> None:
    pass
