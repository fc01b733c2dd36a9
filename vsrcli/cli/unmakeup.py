"""`vsr unmakeup`: options in, one library call, what came of it out."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from vsrcli.cli import unmakeup_options as option
from vsrcli.cli.options import (
    JsonOption,
    OverwriteOption,
    QuietOption,
    TracebackOption,
)
from vsrcli.console import note, print_json, print_result, progress_bar, tell_failures
from vsrcli.errors import CheckError, UsageError, VsrError
from vsrcli.notes import counted

if TYPE_CHECKING:
    from vsrcli.portraits.options import UnmakeupOptions
    from vsrcli.portraits.plan import UnmakeupPlan
    from vsrcli.unmakeup import UnmakeupResult


def unmakeup_command(
    source: option.Source,
    output: option.Output = None,
    strength: option.Strength = 1.0,
    tone: option.Tone = 1.0,
    texture: option.Texture = 1.0,
    force: option.Force = False,
    pair: option.Pair = None,
    box: option.Box = None,
    whole: option.Whole = False,
    compare: option.Compare = None,
    components: option.Components = None,
    device: option.Device = "auto",
    threads: option.Threads = 0,
    model: option.Model = None,
    overwrite: OverwriteOption = False,
    dry_run: option.DryRun = False,
    json: JsonOption = False,
    quiet: QuietOption = False,
    traceback: TracebackOption = False,
) -> None:
    """Undo moderate skin whitening and smoothing; beyond that the result is an estimate.

    Removed blemishes, reshaped features and what real cosmetics cover do not
    come back, and no grain is invented in their place. The result is no evidence
    of how a person looks. EXIF, XMP, colour profile, resolution, transparency and
    depth are kept; JPEG is written at quality 95, 4:4:4, what was HEIC as PNG.
    """
    from vsrcli.portraits.options import UnmakeupOptions

    options = UnmakeupOptions(
        strength=strength,
        tone=tone,
        texture=texture,
        box=None if box is None else _parse_box(box),
        whole=whole,
        force=force,
        pair=pair,
        overwrite=overwrite,
        device=device,
        threads=threads,
        **({} if model is None else {"model": model}),
    )
    if dry_run and pair is not None:
        from vsrcli.portraits.known import learn_tone

        learn_tone(*pair)  # as the run itself would, once for all pictures
    if source.is_dir():
        if compare or components or box:
            raise UsageError("--compare, --components and --box are for one picture, not a folder")
        _run_folder(source, output, options, dry_run=dry_run, json=json)
    else:
        _run_one(source, output, options, (compare, components), dry_run=dry_run, json=json)


def _run_one(
    source: Path,
    output: Path | None,
    options: UnmakeupOptions,
    shows: tuple[Path | None, Path | None],
    *,
    dry_run: bool,
    json: bool,
) -> None:
    from vsrcli.portraits.plan import plan
    from vsrcli.unmakeup import unmakeup

    compare, components = shows
    if dry_run:
        planned = plan(source, output, options, compare=compare, components=components)
        print_json(asdict(planned)) if json else print_result(_plan_text(planned))
        return
    result = unmakeup(source, output, options, compare=compare, components=components, note=note)
    print_json(asdict(result)) if json else note(_result_text(result))


def _run_folder(
    source: Path, output: Path | None, options: UnmakeupOptions, *, dry_run: bool, json: bool
) -> None:
    from vsrcli.portraits.batch import left_out, pictures_in, unmakeup_folder
    from vsrcli.portraits.outputs import default_output, in_folder
    from vsrcli.portraits.plan import plan

    target = default_output(source) if output is None else output
    if dry_run:
        pictures, plans, failed = pictures_in(source), [], []
        if others := left_out(source):
            note(others)
        for path in pictures:
            try:
                plans.append(plan(path, in_folder(path, target), options))
            except VsrError as failure:  # as the run itself would: the others go on
                failed.append(str(failure))
                note(failed[-1])
        if json:
            print_json([asdict(planned) for planned in plans])
        for planned in [] if json else plans:
            print_result(_plan_text(planned))
        if failed:
            tell_failures(failed)
            raise CheckError(f"{len(failed)} of {len(pictures)} pictures would fail: see above")
        return
    with progress_bar(source.name) as progress:
        result = unmakeup_folder(source, target, options, progress=progress, note=note)
    if json:
        print_json(asdict(result))
    else:
        note(f"{result.output}: {len(result.done)} of {result.total} pictures")
    if result.failed:
        tell_failures(why for _, why in result.failed)
        raise CheckError(f"{len(result.failed)} of {result.total} pictures failed: see above")


def _plan_text(plan: UnmakeupPlan) -> str:
    boxes = " ".join(",".join(map(str, face)) for face in plan.faces)
    where = "the whole picture" if plan.whole else f"faces {boxes}"
    lines = [
        f"{plan.source} -> {plan.output}",
        f"{plan.size[0]}x{plan.size[1]}, {where}, {plan.model}",
        *plan.notes,
    ]
    return "\n  ".join(lines)


def _result_text(result: UnmakeupResult) -> str:
    count = len(result.faces)
    faces = counted(count, "face") if count else "the whole picture"
    done = (
        "left as it is"
        if result.unedited or not result.components
        else (f"{faces}, {result.added:.1f} levels changed: an estimate, no evidence")
    )
    return f"{result.output}: {done} ({result.seconds:.1f} s)"


def _parse_box(text: str) -> tuple[int, int, int, int]:
    try:
        left, top, width, height = (int(part) for part in text.split(","))
    except ValueError:
        raise UsageError(
            f"--box {text}: write it as x,y,w,h in pixels, such as 300,120,400,500"
        ) from None
    return left, top, width, height
