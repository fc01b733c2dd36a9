"""What `vsr upscale` can be told, as the command line shows it."""

from pathlib import Path
from typing import Annotated

import typer

from vsrcli.cli.values import OnErrorChoice

SIZE, WHICH, ENCODE, NETWORK, SAFETY = (
    "Size",
    "Which frames",
    "Encoding",
    "Network",
    "Safety and output",
)

Source = Annotated[
    Path,
    typer.Argument(
        metavar="IN",
        help="A video, a picture, an image sequence ('frames/%04d.png' or a folder of "
        "pictures), a folder of videos, or - for standard input.",
    ),
]
Output = Annotated[
    Path,
    typer.Argument(
        metavar="OUT",
        help="A video, an animated .gif or .apng, a picture, an image sequence, or - for y4m on "
        "standard output; for pictures also a folder, for a folder of videos a folder or a .tar.",
    ),
]
Scale = Annotated[
    float | None,
    typer.Option(help="Any factor above 1, up to 8; 4 if no size is given.", rich_help_panel=SIZE),
]
Size = Annotated[str | None, typer.Option(metavar="WxH", help="Exact size.", rich_help_panel=SIZE)]
Width = Annotated[int | None, typer.Option(help="Width; the height follows.", rich_help_panel=SIZE)]
Height = Annotated[
    int | None, typer.Option(help="Height; the width follows.", rich_help_panel=SIZE)
]
Frames = Annotated[
    int,
    typer.Option(
        help="Consecutive frames each output frame is made from, 1 to 31.",
        rich_help_panel=NETWORK,
    ),
]
Tta = Annotated[
    int,
    typer.Option(
        metavar="1|2|4|8",
        help="Average over this many mirrored and turned views: a little better, as many times "
        "slower, and more memory.",
        rich_help_panel=NETWORK,
    ),
]
Start = Annotated[
    str | None,
    typer.Option(metavar="TIME", help="Begin here, in seconds or H:MM:SS.", rich_help_panel=WHICH),
]
End = Annotated[
    str | None,
    typer.Option(metavar="TIME", help="End before this time.", rich_help_panel=WHICH),
]
MaxFrames = Annotated[
    int | None, typer.Option(help="At most this many frames of the output.", rich_help_panel=WHICH)
]
Rate = Annotated[
    str | None,
    typer.Option(
        metavar="FPS",
        help="Frame rate of an image sequence, such as 24000/1001; else 25.",
        rich_help_panel=WHICH,
    ),
]
Codec = Annotated[
    str | None,
    typer.Option(
        help="Video encoder, by FFmpeg's name; else libx264, or what OUT's container takes.",
        rich_help_panel=ENCODE,
    ),
]
Crf = Annotated[
    float | None,
    typer.Option(
        help="Constant rate factor; else 17 for libx264, 20 for libx265, 24 for libsvtav1 and "
        "libvpx-vp9.",
        rich_help_panel=ENCODE,
    ),
]
Preset = Annotated[
    str | None, typer.Option(help="Speed preset of the encoder.", rich_help_panel=ENCODE)
]
EncoderOption = Annotated[
    list[str] | None,
    typer.Option(
        "--encoder-option",
        "-e",
        metavar="KEY=VALUE",
        help="Any other option of the encoder; may be repeated.",
        rich_help_panel=ENCODE,
    ),
]
PixFmt = Annotated[
    str | None,
    typer.Option(
        help="Pixel format; else the source's depth and chroma subsampling.",
        rich_help_panel=ENCODE,
    ),
]
NoAudio = Annotated[
    bool, typer.Option("--no-audio", help="Leave the sound out.", rich_help_panel=ENCODE)
]
KeepInterlaced = Annotated[
    bool,
    typer.Option(
        "--keep-interlaced",
        help="Refuse interlaced input rather than deinterlace it.",
        rich_help_panel=SAFETY,
    ),
]
DoubleRate = Annotated[
    bool,
    typer.Option(
        "--double-rate",
        help="One picture per field of interlaced input: twice the frames, all of the motion.",
        rich_help_panel=WHICH,
    ),
]
InverseTelecine = Annotated[
    bool,
    typer.Option(
        "--inverse-telecine",
        help="Film in interlaced NTSC (3:2 pulldown): its 23.976 frames again, four of every five.",
        rich_help_panel=WHICH,
    ),
]
Device = Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:N.", rich_help_panel=NETWORK)]
Threads = Annotated[
    int,
    typer.Option(
        help="CPU threads; 0: one per core for the network, a few for the encoder.",
        rich_help_panel=NETWORK,
    ),
]
Tile = Annotated[
    str,
    typer.Option(
        help="auto, off, or the side of a tile in input pixels: less memory.",
        rich_help_panel=NETWORK,
    ),
]
Precision = Annotated[
    str,
    typer.Option(
        help="auto, fp32, fp16 or int8, as far as the model has it. auto is int8 on a CPU with "
        "AVX2 or dot products of bytes, fp16 on CUDA, else fp32.",
        rich_help_panel=NETWORK,
    ),
]
Model = Annotated[
    str | None,
    typer.Option(help="A model's name or path; else spmc_x4.", rich_help_panel=NETWORK),
]
Compare = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE.png",
        help="Also draw bicubic beside vsr, with zoomed details.",
        rich_help_panel=SAFETY,
    ),
]
OnError = Annotated[
    OnErrorChoice,
    typer.Option(
        help="Frames lost to damage: conceal them by the frame before, skip them, or stop.",
        rich_help_panel=SAFETY,
    ),
]
Workers = Annotated[
    int,
    typer.Option(help="Processes that share the work.", rich_help_panel=NETWORK),
]
Cluster = Annotated[
    str | None,
    typer.Option(
        metavar="ADDRESS",
        help="A Dask scheduler whose workers share the work; they must see the same folders.",
        rich_help_panel=NETWORK,
    ),
]
Restart = Annotated[
    bool,
    typer.Option(
        "--restart",
        help="Forget the finished part of an interrupted job.",
        rich_help_panel=SAFETY,
    ),
]
Strict = Annotated[
    bool,
    typer.Option(
        "--strict",
        help="Fail if anything of the source would be dropped or converted.",
        rich_help_panel=SAFETY,
    ),
]
DryRun = Annotated[
    bool,
    typer.Option("--dry-run", help="Print the plan and stop.", rich_help_panel=SAFETY),
]
