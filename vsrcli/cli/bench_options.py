"""What `vsr bench` can be told, as the command line shows it."""

from pathlib import Path
from typing import Annotated

import typer

ROWS = "Which rows"

Full = Annotated[
    bool,
    typer.Option(
        "--full",
        help="All standard sizes (180x144, 480x270, 640x360, 1280x720), x2 and x4, windows of "
        "3 and 5 frames.",
        rich_help_panel=ROWS,
    ),
]
Size = Annotated[
    list[str] | None,
    typer.Option(metavar="WxH", help="Size of the input. Repeatable.", rich_help_panel=ROWS),
]
Scale = Annotated[
    list[float] | None,
    typer.Option(help="Above 1, up to 8; else 4. Repeatable.", rich_help_panel=ROWS),
]
Frames = Annotated[
    list[int] | None,
    typer.Option(help="Frames in a window; else 5. Repeatable.", rich_help_panel=ROWS),
]
Precision = Annotated[
    list[str] | None,
    typer.Option(
        help="fp32, fp16 or int8; else all the model has that suit the device. Repeatable.",
        rich_help_panel=ROWS,
    ),
]
Device = Annotated[
    str | None,
    typer.Option(help="auto, cpu, cuda or cuda:N; else every one.", rich_help_panel=ROWS),
]
Model = Annotated[
    str | None,
    typer.Option(
        help="A shipped model's name, or the path of a model's files.", rich_help_panel=ROWS
    ),
]
Seconds = Annotated[
    float,
    typer.Option(
        help="Time for each row: half for the network alone, half for a whole job. A few frames "
        "are made even if that takes longer."
    ),
]
Compare = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="Compare with what an earlier --json printed."),
]
