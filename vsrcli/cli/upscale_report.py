"""What `vsr upscale` says: the plan before, the result after."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vsrcli.console import clock
from vsrcli.notes import counted

if TYPE_CHECKING:
    from vsrcli.job import UpscalePlan
    from vsrcli.upscale import UpscaleResult


def plan_text(plan: UpscalePlan) -> str:
    """What is going to be done, a line for each part of it."""
    frames = "an unknown number" if plan.frames is None else f"about {plan.frames}"
    encoder = " ".join(f"{key}={value}" for key, value in plan.encoder_options.items())
    lines = [
        f"{plan.source} -> {plan.output}",
        f"  size     {sizes(plan)}",
        f"  frames   {frames}, each from a window of {plan.window}",
        f"  network  {plan.model} {plan.precision} on {plan.device}, tile {plan.tile}",
        f"  encoder  {plan.codec} {plan.pix_fmt} {encoder}".rstrip(),
    ]
    lines += [f"  keep     {stream}" for stream in plan.kept]
    lines += [f"  convert  {stream} to {codec}" for stream, codec in plan.converted]
    lines += [f"  drop     {why}" for _, why in plan.dropped]
    return "\n".join(lines)


def sizes(plan: UpscalePlan) -> str:
    """Size in and out, and how it is shown if that is otherwise."""
    (width, height), (wider, higher) = plan.size_in, plan.size_out
    text = f"{width}x{height} -> {wider}x{higher}"
    return text if plan.rotation % 180 == 0 else f"{text}, shown turned: {higher}x{wider}"


def result_text(result: UpscaleResult) -> str:
    """What was done, in one line."""
    width, height = result.size
    frames = counted(result.frames, "frame")
    if result.resumed:
        frames += f", {result.resumed} of them made before,"
    text = (
        f"{result.output}: {width}x{height}, {frames} in {clock(result.seconds)}, "
        f"{result.frames_per_second:.2f} fps"
    )
    if result.concealed:
        text += f", {counted(result.concealed, 'damaged frame')} concealed"
    if result.left_out:
        text += f", {counted(result.left_out, 'damaged frame')} left out"
    if result.mended:
        text += f", {counted(result.mended, 'damaged frame')} mended"
    if result.packets_left_out:
        text += f", {counted(result.packets_left_out, 'packet')} of damaged sound or text left out"
    return text + (", the source is not complete" if result.truncated else "")
