"""A network of one's own in two commands: trained on folders of videos and photos, and exported.

    python -m models.spmc.pipeline train --videos VIDEOS --photos PHOTOS --work WORK
    python -m models.spmc.pipeline export --work WORK --out OUT --name own

The programs of this folder, one after the other, as README.md has them: clips, motion, fusion; then
float32, eight bits and float16. WORK keeps what they make. Started again, `train` passes over what
is done and goes on with the fusion from its checkpoint.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
from pathlib import Path

from models.common.command import above_zero, positive, say, told
from vsrcli.errors import InputError

RECIPE = Path(__file__).parent / "config" / "from_nothing.toml"


def train(given: argparse.Namespace) -> None:
    """Make clips of GIVEN.videos and GIVEN.photos and learn from them, in GIVEN.work.

    Raises InputError if one of these folders, or the recipe, is not there.
    """
    for path in (given.videos, given.photos, given.config):
        if path is not None and not path.exists():
            raise InputError(f"{path} is missing")
    work: Path = given.work
    work.mkdir(parents=True, exist_ok=True)
    cache, drawn, motion, better = (
        work / name for name in ("cache", "drawn", "motion.pt", "better.pt")
    )
    videos = ["--videos", given.videos] if given.videos else []
    hours = ["--hours", given.motion_hours, "--threads", given.threads]
    learn = ["train_motion", "--photos", given.photos, "--out"]
    steps = {
        "clips": ["data", *videos, "--photos", given.photos, "--cache", cache],
        "drawings": ["drawing", "--out", drawn],
        "clips of drawings": ["data", "--photos", drawn, "--cache", cache, "--per-photo", 4],
        "motion": [*learn, motion, *hours],
        "motion of real clips": [*learn, better, "--weights", motion, "--cache", cache, *hours],
    }
    for name, command in steps.items():
        done = work / f"{name}.done"
        if done.exists():
            say(f"{name}: done before; delete {done} to have it done again")
        else:
            say(f"{name}:")
            run(command)
            done.touch()
    recipe = work / "own.toml"
    if not recipe.exists():
        shutil.copyfile(given.config, recipe)
    elif recipe.read_bytes() != given.config.read_bytes():
        say(f"{recipe} is gone on with, not {given.config}")
    say("fusion:")
    limits = ["--hours", given.hours, "--threads", given.threads]
    run(["train", recipe, "--cache", cache, "--motion", better, *limits])


def export(given: argparse.Namespace) -> None:
    """Write what was trained in GIVEN.work as GIVEN.out/NAME.*.onnx, in all precisions."""
    said = {"--training-data": given.training_data, "--licence": given.licence}
    about = [part for option, text in said.items() if text for part in (option, text)]
    weights, place = given.work / "own.pt", ["--models", given.out, "--name", given.name]
    run(["export", "--weights", weights, "--out", given.out, "--name", given.name, *about])
    run(["quantise", "--clips", given.work / "cache", *place])
    run(["halve", *place])


def run(command: list[object]) -> None:
    """Run one of the programs; one that fails has said why, and ends this one alike."""
    program, *arguments = map(str, command)
    process = subprocess.Popen([sys.executable, "-m", f"models.spmc.{program}", *arguments])
    try:
        status = process.wait()
    except KeyboardInterrupt:
        process.terminate()  # if Ctrl-C has not done so already: it clears up
        process.wait()
        raise
    if status:
        raise SystemExit(status)


@told
def main() -> None:
    """Train or export."""
    parser = argparse.ArgumentParser(prog="python -m models.spmc.pipeline", description=__doc__)
    commands = parser.add_subparsers(required=True)
    one = commands.add_parser("train", help="clips, motion, fusion")
    one.add_argument("--videos", type=Path, help="a folder; without it photos alone, moved about")
    one.add_argument("--photos", type=Path, required=True, help="a folder of large ones")
    one.add_argument("--work", type=Path, required=True, help="a folder for all that is made")
    one.add_argument("--config", type=Path, default=RECIPE, help="of the fusion")
    one.add_argument("--motion-hours", type=above_zero, default=0.3, help="each of two times")
    one.add_argument("--hours", type=above_zero, default=24.0, help="of fusion, this time")
    one.add_argument("--threads", type=positive, default=2)
    one.set_defaults(do=train)
    two = commands.add_parser("export", help="the ONNX files")
    two.add_argument("--work", type=Path, required=True, help="that of train")
    two.add_argument("--out", type=Path, required=True, help="a folder for the files")
    two.add_argument("--name", required=True)
    two.add_argument("--training-data", help="what the files say of it")
    two.add_argument("--licence", help="what the files say of it")
    two.set_defaults(do=export)
    given = parser.parse_args()
    given.do(given)


if __name__ == "__main__":
    main()
