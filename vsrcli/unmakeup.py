"""Undo a portrait edit: whitening and skin smoothing, as far as the picture still tells.

The network runs on every face at the size it was trained at. What it predicts the edit took away is
resampled to the photo and added, feathered at the edge; the photo itself is not resampled. The
result is an estimate: it does not bring back removed blemishes, reshaped features or what real
cosmetics cover, and proves nothing.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from vsrcli.errors import InputError, OutputError, UsageError
from vsrcli.media.safely import check_free, is_one_of, save_safely
from vsrcli.networks.crn import CrnReverter, find_crn
from vsrcli.networks.session import ignore, resolve_device
from vsrcli.portraits.faces import Face, find_faces
from vsrcli.portraits.known import learn_tone
from vsrcli.portraits.options import UnmakeupOptions
from vsrcli.portraits.pages import draw_comparison, draw_components
from vsrcli.portraits.pictures import (
    FORMATS,
    Still,
    check_holds,
    format_of,
    read_still,
    with_pixels,
    words_lost,
    write_still,
)
from vsrcli.portraits.reversal import (
    Prediction,
    Weights,
    apply,
    around_faces,
    over_all,
    predict,
    reaches_all,
)
from vsrcli.portraits.traces import trust
from vsrcli.portraits.window import Window

Note = Callable[[str], None]
MARK = "vsr unmakeup: an estimate, not evidence"
"""Written as EXIF's ProcessingSoftware."""
_SMALL_FACE = 128


@dataclass(frozen=True, slots=True)
class UnmakeupResult:
    """What was done to one picture."""

    source: str
    output: str
    size: tuple[int, int]
    """Width and height, upright."""
    faces: tuple[tuple[int, int, int, int], ...]
    """Left, top, width and height of the faces treated."""
    unedited: bool
    """Whether the photo looks unedited and was left alone."""
    edited: float
    """Probability that it was edited, by the traces an edit leaves; a judgement on pixels."""
    trusted: float
    """Share of what was predicted that was added for it, 0..1; `strength` counts besides."""
    change: float
    """Root mean square of what was predicted on the faces, in levels of 255."""
    components: dict[str, float]
    """The same by component; of the face where it is most."""
    seconds: float


def default_output(source: Path) -> Path:
    """Beside SOURCE: face.jpg becomes face.unmakeup.jpg, a folder shots becomes shots.unmakeup.

    As PNG where a picture's own format is not written. Raises UsageError for a folder that nothing
    lies beside.
    """
    if source.is_dir():
        folder = source.resolve()
        if not folder.name:
            raise UsageError(f"{source}: nothing lies beside it; name an output")
        # As it was typed, but for "." and "..", which name nothing.
        beside = source if source.name not in ("", "..") else folder
        return beside.with_name(f"{folder.name}.unmakeup")
    suffix = source.suffix if source.suffix.lower() in FORMATS else ".png"
    return source.with_name(f"{source.stem}.unmakeup{suffix}")


class Unmaker:
    """Opens the network once, for any number of pictures."""

    def __init__(self, options: UnmakeupOptions, note: Note = ignore) -> None:
        """Raises ModelError or DeviceError, and InputError for a pair that is none."""
        device = resolve_device(options.device, note)
        self.options, self._note = options, note
        self._known = None if options.pair is None else learn_tone(*options.pair)
        self._reverter = CrnReverter(find_crn(options.model), device, options.threads)

    def __call__(
        self, source: Path, output: Path, *, compare: Path | None, components: Path | None
    ) -> UnmakeupResult:
        """Undo the edit of one picture; see `unmakeup`."""
        started, options = time.monotonic(), self.options
        _check_outputs(source, output, options, compare, components)
        still = read_still(source)
        check_holds(still, output)
        faces = faces_of(source, still, options)
        self._warn(source, faces)
        card = self._reverter.card
        predictions = [] if options.idle else self._predict(source, still, faces)
        edited = max((prediction.edited for prediction in predictions), default=0.0)
        sure = options.force or self._known is not None
        trusted = 1.0 if sure else trust(edited, card.edited_above, card.edited_surely)
        unedited = bool(predictions) and not trusted
        if predictions:
            self._say_doubt(source, trusted)
        if predictions and not unedited:
            beyond = self._reaches_beyond(still, faces)
            rest = self._rest(source, still, faces) if beyond else None
            pixels = apply(still, predictions, self._weights(trusted), beyond=beyond, rest=rest)
            self._write(source, with_pixels(still, pixels), output)
        else:
            pixels = still.pixels
            self._keep(source, still, output)
        if compare is not None:
            draw_comparison(still.pixels, pixels, compare, overwrite=options.overwrite)
        if components is not None:
            draw_components(predictions, card.components, components, options.overwrite)
        return UnmakeupResult(
            source=str(source),
            output=str(output),
            size=(still.pixels.shape[1], still.pixels.shape[0]),
            faces=tuple(_box(face) for face in faces),
            unedited=unedited,
            edited=round(edited, 3),
            trusted=round(trusted, 3) if predictions else 0.0,
            change=_levels(max((prediction.change for prediction in predictions), default=0.0)),
            components={
                name: _levels(max(prediction.components[index] for prediction in predictions))
                for index, name in enumerate(card.components if predictions else ())
            },
            seconds=round(time.monotonic() - started, 2),
        )

    def _write(self, source: Path, still: Still, output: Path) -> None:
        for text in (*still.notes, *words_lost(still, output)):
            self._note(f"{source.name}: {text}")
        write_still(still, output, overwrite=self.options.overwrite, mark=MARK)

    def _keep(self, source: Path, still: Still, output: Path) -> None:
        """The picture as it is: byte by byte if the format stays the same."""
        if format_of(output) == still.format:
            copy, overwrite = partial(shutil.copyfile, source), self.options.overwrite
            save_safely(output, copy, overwrite=overwrite)
        else:
            self._write(source, still, output)

    def _predict(self, source: Path, still: Still, faces: list[Face]) -> list[Prediction]:
        """Of every face, or of the whole picture if there is none."""
        if faces:
            windows = around_faces(self._reverter.card, faces)
            return [self._say(still, window, [face]) for window, face in windows]
        window, reduced = over_all(self._reverter.card, _extent(still), faces)
        if reduced:
            self._note(
                f"{source.name}: large for a portrait: texture finer than the network sees is left "
                "alone"
            )
        return [self._say(still, window, faces)]

    def _say(self, still: Still, window: Window, faces: list[Face]) -> Prediction:
        return predict(self._reverter, still, window, faces, self._known)

    def _reaches_beyond(self, still: Still, faces: list[Face]) -> bool:
        """Whether what is asked for is more than the windows around FACES."""
        windows = around_faces(self._reverter.card, faces)
        reached = any(reaches_all(window, _extent(still)) for window, _ in windows)
        return self.options.whole and bool(faces) and not reached

    def _rest(self, source: Path, still: Still, faces: list[Face]) -> Prediction | None:
        """What is said of a whole picture; None if it is too large for its faces."""
        window, reduced = over_all(self._reverter.card, _extent(still), faces)
        if reduced:
            self._note(f"{source.name}: large for its faces: away from them, texture is left alone")
            return None
        return self._say(still, window, faces)

    def _weights(self, trusted: float) -> Weights:
        """Share of every group of components, of a prediction TRUSTED so far."""
        options, card = self.options, self._reverter.card
        is_tone, share = np.arange(len(card.components)) < card.tone, options.strength * trusted
        return Weights(
            tone=np.where(is_tone, np.float32(options.tone * share), np.float32(0)),
            texture=np.where(is_tone, np.float32(0), np.float32(options.texture * share)),
        )

    def _say_doubt(self, source: Path, trusted: float) -> None:
        """Why less than all that is predicted is added, if it is."""
        if not trusted:
            self._note(
                f"{source.name}: looks unedited, left alone (--force to treat it all the same)"
            )
        elif trusted < 1:
            self._note(
                f"{source.name}: may be unedited, so {trusted:.0%} of what is predicted is added "
                "(--force for all of it)"
            )

    def _warn(self, source: Path, faces: list[Face]) -> None:
        for face in faces:
            if face.height < _SMALL_FACE:
                self._note(
                    f"{source.name}: a face of {face.height:.0f} pixels is too small to tell its "
                    "skin's texture; expect its tone to change, no more"
                )


def unmakeup(
    source: Path | str,
    output: Path | str | None = None,
    options: UnmakeupOptions | None = None,
    *,
    compare: Path | None = None,
    components: Path | None = None,
    note: Note = ignore,
) -> UnmakeupResult:
    """Undo the edit of the portrait `source`, into `output` or beside it.

    `compare` is a PNG to draw input, output and difference to; `components` a folder for a picture
    of what each component adds. Raises InputError if the picture cannot be used or no face is found
    in it, OutputError if something cannot be written, ModelError, DeviceError.
    """
    source = Path(source)
    target = default_output(source) if output is None else Path(output)
    unmake = Unmaker(options or UnmakeupOptions(), note)
    return unmake(source, target, compare=compare, components=components)


@dataclass(frozen=True, slots=True)
class UnmakeupPlan:
    """What would be done to one picture."""

    source: str
    output: str
    size: tuple[int, int]
    faces: tuple[tuple[int, int, int, int], ...]
    whole: bool
    model: str


def plan(
    source: Path,
    output: Path | None,
    options: UnmakeupOptions,
    *,
    compare: Path | None = None,
    components: Path | None = None,
) -> UnmakeupPlan:
    """What `unmakeup` would do, without the network. Raises as it does."""
    target = default_output(source) if output is None else output
    _check_outputs(source, target, options, compare, components)
    still = read_still(source)
    check_holds(still, target)
    return UnmakeupPlan(
        source=str(source),
        output=str(target),
        size=(still.pixels.shape[1], still.pixels.shape[0]),
        faces=tuple(_box(face) for face in faces_of(source, still, options)),
        whole=options.whole,
        model=find_crn(options.model).name,
    )


def faces_of(source: Path, still: Still, options: UnmakeupOptions) -> list[Face]:
    """The faces to treat: the box, or those found. Raises InputError if there are none to find."""
    height, width = still.pixels.shape[:2]
    if options.box is not None:
        left, top, wide, high = options.box
        if left < 0 or top < 0 or left + wide > width or top + high > height:
            raise UsageError(f"--box: does not lie within {source.name}, {width}x{height} pixels")
        return [Face.in_box(*options.box)]
    samples = still.pixels if still.pixels.dtype == np.uint8 else (still.pixels >> 8)
    samples = np.repeat(samples, 3, axis=2) if samples.shape[2] == 1 else samples
    faces = find_faces(samples.astype(np.uint8, copy=False))
    if not faces and not options.whole:
        raise InputError(
            f"{source}: no face found; say where it is with --box x,y,w,h, or treat the whole "
            "picture with --whole"
        )
    return faces


def _extent(still: Still) -> tuple[int, int]:
    """Height and width."""
    return still.pixels.shape[0], still.pixels.shape[1]


def _levels(value: float) -> float:
    return round(255 * value, 3)


def _box(face: Face) -> tuple[int, int, int, int]:
    width = 0.8 * face.height
    return (
        round(face.x - width / 2),
        round(face.y - face.height / 2),
        round(width),
        round(face.height),
    )


def _check_outputs(
    source: Path,
    output: Path,
    options: UnmakeupOptions,
    compare: Path | None = None,
    components: Path | None = None,
) -> None:
    """Find out before the work what cannot be written after it."""
    format_of(output)
    if is_one_of(output, [source]):
        raise UsageError(f"{output}: is the input itself; the original is what you will want back")
    read = (source, *(options.pair or ()))
    for path in (output, compare):
        if path is None:
            continue
        if is_one_of(path, read):
            raise UsageError(f"{path}: is read for this; choose another name")
        check_free(path, overwrite=options.overwrite)
    if compare is not None and compare.suffix.lower() != ".png":
        raise UsageError(f"--compare {compare}: write it to a .png")
    if compare is not None and compare.absolute() == output.absolute():
        raise UsageError(f"--compare {compare}: is the output; choose another name")
    if components is not None and components.exists():
        _check_components(components, read, overwrite=options.overwrite)


def _check_components(folder: Path, read: Sequence[Path], *, overwrite: bool) -> None:
    if not folder.is_dir():
        raise OutputError(f"--components {folder}: is a file; name a folder")
    there = sorted(folder.glob("face-*.png"))
    for path in there:
        if is_one_of(path, read):
            raise UsageError(f"{path}: is read for this; choose another folder")
    if there and not overwrite:
        raise OutputError(f"{there[0]}: exists already; use --overwrite or another folder")
