"""Measure the network beside what it must beat, on people it has not seen.

    python -m models.crn.evaluate --portraits DIR --cache DIR [--json FILE]

Sets: "people" (edits as in training, on held-out people), "app" and "phone" (one setting of one
filter for all), "family" (a filter family no network was trained on), "untouched" (photos as they
are).
Methods: the input itself; one curve for each channel, fitted on training pairs; that curve and
unsharp masking; the same network trained with one plain squared error; the component regression
network, as it is and as `vsr unmakeup` uses it, which leaves alone what looks unedited and treats
in part what may be. For "app" and "phone" the curve is fitted on other people's pairs of this very
setting, so it is told what the networks must guess. "oracle" is the best curve for each single
pair: no curve can do more.
"""

from __future__ import annotations

import argparse
import json
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from models.common.command import check_target, one_of, positive, told
from models.crn import edits, filters, measures
from models.crn.canvas import CANVAS, FACE_HEIGHT, Portrait, canvas, portraits
from models.crn.components import Components
from models.crn.data import Faces
from models.crn.detector import figures
from models.crn.export import DETECTOR, HERE, load, read_detector
from models.crn.network import Crn
from vsrcli.errors import InputError
from vsrcli.portraits.traces import edited, trust

SETTINGS = {
    "app": edits.Edit(
        smoothing=edits.Smoothing("variance", radius=0.016, amount=0.5, variant=0.2),
        finish=edits.Finish(tone="light log", amount=0.744, quality=92),
    ),
    "phone": edits.Edit(
        smoothing=edits.Smoothing("variance", radius=0.034, amount=0.5, variant=0.2),
        finish=edits.Finish(tone="app table", amount=1.0, quality=92),
    ),
}
"""One edit for all. "app": family "variance" with amount 0.5, then a log curve with base 3 weighted
by luma. "phone": what is known of one app's pictures, its tone as a table, which is not trained on,
and a smoothing chosen by the texture that app leaves."""
SETS = ("people", "app", "phone", "family", "untouched")
UNSHARP = (2.0, 0.3)
COMPONENTS = Components.load()


@dataclass
class Curve:
    """Mean truth for every edited level of every channel, smoothed: the best global curve."""

    sums: NDArray[np.float64] = field(default_factory=lambda: np.zeros((3, 256)))
    counts: NDArray[np.float64] = field(default_factory=lambda: np.zeros((3, 256)))

    def add(self, edited: filters.Picture, truth: filters.Picture, sign: int = 1) -> None:
        """Count one pair in, or out again."""
        levels = edits.quantise(edited)
        for channel in range(3):
            flat = levels[..., channel].ravel()
            self.counts[channel] += sign * np.bincount(flat, minlength=256)
            weights = truth[..., channel].ravel()
            self.sums[channel] += sign * np.bincount(flat, weights, minlength=256)

    def __call__(self, picture: filters.Picture) -> filters.Picture:
        """PICTURE through the curve."""
        levels, result = edits.quantise(picture), np.empty_like(picture)
        for channel in range(3):
            seen = self.counts[channel] > 0.5
            values = self.sums[channel][seen] / self.counts[channel][seen]
            table = np.interp(np.arange(256), np.flatnonzero(seen), values)
            result[..., channel] = table[levels[..., channel]]
        return result


def unsharp(picture: filters.Picture) -> filters.Picture:
    """More of what a blur takes away."""
    sigma, amount = UNSHARP
    return np.clip(picture + amount * (picture - filters.blur(picture, sigma)), 0, 1)


class Reverter:
    """A network as a method; with a detector it also judges whether the picture was edited."""

    def __init__(self, network: Crn, detector: dict[str, list[float]] | None = None) -> None:
        self.network, self.detector = network, detector
        self.trusted: list[float] = []

    def __call__(self, picture: filters.Picture) -> filters.Picture:
        """The picture the network makes, in 8 bits as a file would have it."""
        given = torch.from_numpy(np.ascontiguousarray(picture.transpose(2, 0, 1)))[None]
        with torch.no_grad():
            parts, evidence = self.network(given)
        found = parts[0]
        if self.detector is not None:
            chance = edited(
                figures(picture, found, float(evidence)), tuple(self.detector["weights"])
            )
            bounds = (self.detector[name] for name in ("edited_above", "edited_surely"))
            self.trusted.append(trust(chance, *bounds))
        change = found.sum(0).numpy().transpose(1, 2, 0)
        return edits.quantise(picture + change).astype(np.float32) / 255


@dataclass
class Score:
    """What one method did on one set."""

    psnr: list[float] = field(default_factory=list)
    ssim: list[float] = field(default_factory=list)
    textures: list[list[tuple[float, float]]] = field(default_factory=list)
    before: NDArray[np.float64] = field(default_factory=lambda: np.zeros(measures.TRACKED))
    after: NDArray[np.float64] = field(default_factory=lambda: np.zeros(measures.TRACKED))
    tones: dict[str, list[tuple[float, float]]] = field(default_factory=dict)

    def add(self, found: filters.Picture, pair: Pair, skin: measures.Skin, group: str) -> None:
        """Count one picture of a person of skin tone GROUP."""
        value = min(measures.psnr(found, pair.truth), 99.0)
        self.psnr.append(value)
        self.ssim.append(skin.ssim(found))
        self.textures.append(skin.textures(found))
        self.before += pair.before
        self.after += measures.energies(COMPONENTS, pair.truth - found)
        self.tones.setdefault(group, []).append((value, skin.shift(found)))

    def report(self) -> dict[str, object]:
        """Means; d is (before - after) / before of every component."""
        bands = np.mean(self.textures, axis=0)
        with np.errstate(divide="ignore", invalid="ignore"):
            gains = np.nan_to_num(1 - self.after / self.before, posinf=0, neginf=0)
        return {
            "psnr": round(float(np.mean(self.psnr)), 2),
            "ssim": round(float(np.mean(self.ssim)), 4),
            "ratio": [round(float(ratio), 3) for ratio, _ in bands],
            "correlation": [round(float(value), 3) for _, value in bands],
            "d": [round(float(gain), 3) for gain in gains],
            "tones": {
                name: {
                    "photos": len(values),
                    "psnr": round(float(np.mean([value for value, _ in values])), 2),
                    "shift": round(float(np.mean([shift for _, shift in values])), 2),
                }
                for name, values in sorted(self.tones.items())
            },
        }


@dataclass(frozen=True)
class Pair:
    """An edited picture and the truth."""

    edited: filters.Picture
    truth: filters.Picture

    @cached_property
    def before(self) -> NDArray[np.float64]:
        """Energy of every component that the edit took away."""
        return measures.energies(COMPONENTS, self.truth - self.edited)


def pairs(name: str, face: Portrait, count: int) -> Iterator[Pair]:
    """The pairs of one set that one person gives, the same in every run."""
    truth = face.truth.astype(np.float32) / 255
    skin = face.skin.astype(np.float32) / 255
    random = np.random.default_rng(zlib.crc32(f"{name} {face.name}".encode()))
    if name == "untouched":
        yield Pair(truth, truth)
    elif name in SETTINGS:
        yield Pair(SETTINGS[name](truth, FACE_HEIGHT, skin), truth)
    else:
        families = (edits.HELD_OUT,) if name == "family" else edits.TRAINED
        for _ in range(count):
            edit = edits.Edit(
                smoothing=edits.draw_smoothing(random, families),
                blend=float(random.uniform(0.5, 1.0)),
                finish=edits.draw_finish(random),
                skin_only=random.random() < 0.5,
            )
            yield Pair(edit(truth, FACE_HEIGHT, skin), truth)


def fitted(faces: Faces, count: int = 300) -> Curve:
    """The best global curve over COUNT training pairs.

    Of whole canvases, as it is measured on: on crops, mostly of skin, it would not learn what stays
    as it was where the skin alone was edited.
    """
    curve, random = Curve(), np.random.default_rng(5)
    for _ in range(count):
        truth, seen = faces.cut(faces.draw(random), *(slice(extent) for extent in CANVAS))
        curve.add(seen, truth)
    return curve


def oracle(pair: Pair) -> filters.Picture:
    """The best curve for this very pair."""
    curve = Curve()
    curve.add(pair.edited, pair.truth)
    return curve(pair.edited)


def evaluate(
    name: str, people: list[Portrait], methods: dict[str, Reverter], curve: Curve, count: int
) -> dict[str, object]:
    """One set: the report of every method."""
    scores: dict[str, Score] = {}
    others = Curve()
    if name in SETTINGS:
        for face in people:
            for pair in pairs(name, face, count):
                others.add(pair.edited, pair.truth)
    for face in people:
        plane = face.skin.astype(np.float32) / 255
        truth = face.truth.astype(np.float32) / 255
        skin, group = measures.Skin.of(truth, plane), measures.tone_group(truth, plane)
        for pair in pairs(name, face, count):
            known = others if name in SETTINGS else curve
            if name in SETTINGS:
                others.add(pair.edited, pair.truth, -1)
            bent = known(pair.edited)
            found = {"input": pair.edited, "curve": bent, "curve + unsharp": unsharp(bent)}
            found["oracle curve"] = oracle(pair)
            found |= {method: run(pair.edited) for method, run in methods.items()}
            judge = methods.get("CRN")
            if judge is not None and judge.trusted:
                share = np.float32(judge.trusted[-1])
                found["vsr unmakeup"] = filters.mix(pair.edited, found["CRN"], share)
            for method, picture in found.items():
                scores.setdefault(method, Score()).add(picture, pair, skin, group)
            if name in SETTINGS:
                others.add(pair.edited, pair.truth)
    return {method: score.report() for method, score in scores.items()}


def table(name: str, report: dict[str, dict[str, object]]) -> str:
    """The report of one set, for people."""
    lines = [
        f"{name}\n{'':16} PSNR    SSIM    amplitude ratio, correlation in bands 0-1 1-2 2-4 4-8"
        "     d of components 1, 2-3, 4-7, 8-20, 21-40"
    ]
    for method, values in report.items():
        d = np.array(values["d"])
        parts = [d[0], d[1:3].mean(), d[3:7].mean(), d[7:20].mean(), d[20:40].mean()]
        lines.append(
            f"{method:16} {values['psnr']:5.2f}  {values['ssim']:.4f}  "
            + " ".join(f"{value:.2f}" for value in values["ratio"])
            + "  "
            + " ".join(f"{value:.3f}" for value in values["correlation"])
            + "  "
            + " ".join(f"{part:6.3f}" for part in parts)
        )
    for method in ("input", "CRN"):
        groups = report.get(method, {}).get("tones", {})
        for group, values in groups.items():
            lines.append(
                f"  {method:6} {group:13} {values['photos']:3} photos {values['psnr']:6.2f} dB, "
                f"skin {values['shift']:+.2f} levels"
            )
    return "\n".join(lines)


def tested(folder: Path, most: int) -> list[Portrait]:
    """The first MOST of the people of split "test" whose face is found. InputError if none is."""
    rows = list(portraits(folder, "test"))[:most]
    people = [face for row in rows if (face := canvas(folder, row)) is not None]
    if not people:
        raise InputError(f'{folder}: in none of {len(rows)} portraits of split "test" is a face')
    return people


@told
def main() -> None:
    """Evaluate every set."""
    parser = argparse.ArgumentParser(prog="python -m models.crn.evaluate", description=__doc__)
    parser.add_argument("--portraits", type=Path, required=True)
    parser.add_argument("--cache", type=Path, required=True, help="training faces, for the curve")
    parser.add_argument("--weights", type=Path, default=HERE / "weights.pt")
    parser.add_argument("--plain", type=Path, default=HERE / "plain.pt")
    parser.add_argument("--sets", type=one_of(SETS), default=list(SETS))
    parser.add_argument("--edits", type=positive, default=2, help="of each person")
    parser.add_argument("--people", type=positive, default=100, help="at most so many")
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    torch.set_num_threads(1)
    if given.json is not None:
        check_target(given.json)
    methods = {}
    for name, option in (("plain L2", "plain"), ("CRN", "weights")):
        path = getattr(given, option)
        # Only what nobody asked for may be missing.
        if path.is_file() or path != parser.get_default(option):
            judge = read_detector() if name == "CRN" and DETECTOR.is_file() else None
            methods[name] = Reverter(load(path), judge)
    people = tested(given.portraits, given.people)
    if len(people) < 2 and not SETTINGS.keys().isdisjoint(given.sets):
        raise InputError(f"{' and '.join(SETTINGS)} need two people: curves are fitted on others")
    # Of edits drawn as those of "people" are, so that the curve knows that set's mean edit.
    curve = fitted(Faces(given.cache, 128, every=4, kinds={"both": 1.0}))
    reports = {}
    for name in given.sets:
        for method in methods.values():
            method.trusted.clear()
        reports[name] = evaluate(name, people, methods, curve, given.edits)
        shares = methods["CRN"].trusted if "CRN" in methods else []
        alone, doubted = shares.count(0.0), sum(0 < share < 1 for share in shares)
        title = f"{name}: {len(people)} people, of {len(shares)} pictures {alone} left alone as "
        title += f"unedited, {doubted} treated in part"
        print(table(title, reports[name]), flush=True)
    if given.json is not None:
        given.json.write_text(json.dumps(reports, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
