"""What `vsr unmakeup` can be told, as the command line shows it."""

from pathlib import Path
from typing import Annotated

import typer

HOW_MUCH, WHERE, SHOW, NETWORK = "How much", "Where", "Showing", "Network"

Source = Annotated[
    Path,
    typer.Argument(
        metavar="IN",
        help="A portrait (JPEG, PNG, WebP, TIFF; HEIC with pillow-heif), or a folder of them.",
    ),
]
Output = Annotated[
    Path | None,
    typer.Argument(
        metavar="[OUT]",
        help="A picture, or a folder for a folder; else face.unmakeup.jpg for face.jpg.",
    ),
]
Strength = Annotated[
    float,
    typer.Option(
        help="0 leaves every pixel as it is, 1 adds all that is predicted.",
        rich_help_panel=HOW_MUCH,
    ),
]
Tone = Annotated[
    float,
    typer.Option(help="Share of tone and colour, 0 to 1.", rich_help_panel=HOW_MUCH),
]
Texture = Annotated[
    float,
    typer.Option(help="Share of the skin's texture, 0 to 1.", rich_help_panel=HOW_MUCH),
]
Force = Annotated[
    bool,
    typer.Option(
        "--force",
        help="Treat every photo in full. Otherwise one that looks unedited is left alone, and one "
        "that may be is treated in part.",
        rich_help_panel=HOW_MUCH,
    ),
]
Pair = Annotated[
    tuple[Path, Path] | None,
    typer.Option(
        metavar="BEFORE AFTER",
        help="A photo of yours, and what the same app made of it: tone is undone as they say, not "
        "as the network guesses, and no photo is left alone.",
        rich_help_panel=HOW_MUCH,
    ),
]
Box = Annotated[
    str | None,
    typer.Option(
        metavar="x,y,w,h",
        help="The one face to treat, chin to hairline, in pixels of the upright picture; else all "
        "that are found.",
        rich_help_panel=WHERE,
    ),
]
Whole = Annotated[
    bool,
    typer.Option(
        "--whole",
        help="Treat the whole picture, not only around faces: if the edit changed it all.",
        rich_help_panel=WHERE,
    ),
]
Compare = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE.png",
        help="Also draw input, output and difference side by side.",
        rich_help_panel=SHOW,
    ),
]
Components = Annotated[
    Path | None,
    typer.Option(
        metavar="DIR",
        help="Also draw what each component of the reversal adds.",
        rich_help_panel=SHOW,
    ),
]
Device = Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:N.", rich_help_panel=NETWORK)]
Threads = Annotated[
    int, typer.Option(help="CPU threads; 0: one per core.", rich_help_panel=NETWORK)
]
Model = Annotated[
    str | None,
    typer.Option(help="A model's name or path; else crn.", rich_help_panel=NETWORK),
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Print what would be done and stop.")]
