"""`python -m vsrcli` and the `vsr` console script."""

import signal

from vsrcli.cli import app


def main() -> None:
    """Run the command line."""
    # What stops a job from outside ends it as Ctrl-C does: cleanly, to be continued.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    app(prog_name="vsr")


if __name__ == "__main__":
    main()
