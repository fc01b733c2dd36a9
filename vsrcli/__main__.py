"""`python -m vsrcli` and the `vsr` console script."""

from vsrcli.cli import app


def main() -> None:
    """Run the command line."""
    app(prog_name="vsr")


if __name__ == "__main__":
    main()
