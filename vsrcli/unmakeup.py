"""Undo a portrait edit: whitening and skin smoothing, as far as the picture still tells.

The network runs on every face at the size it was trained at. What it predicts the edit took away is
resampled to the photo and added, feathered at the edge; the photo itself is not resampled. The
result is an estimate: it does not bring back removed blemishes, reshaped features or what real
cosmetics cover, and proves nothing.
"""

from __future__ import annotations

import shutil
import time
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np

from vsrcli.declared import given
from vsrcli.media.safely import save_safely
from vsrcli.networks.crn import CrnReverter, find_crn
from vsrcli.networks.session import resolve_device
from vsrcli.notes import Note, ignore
from vsrcli.portraits.faces import Face
from vsrcli.portraits.holding import check_holds, format_of, words_lost
from vsrcli.portraits.known import learn_tone
from vsrcli.portraits.options import UnmakeupOptions
from vsrcli.portraits.outputs import check_outputs, default_output
from vsrcli.portraits.pages import draw_comparison, draw_components
from vsrcli.portraits.pictures import FORMATS, Still, read_still
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
from vsrcli.portraits.treated import box_of, faces_of
from vsrcli.portraits.window import Window
from vsrcli.portraits.written import write_still

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
    added: float
    """Of what was added of that: as far as it was trusted and asked for."""
    components: dict[str, float]
    """What was predicted, by component; of the face where it is most."""
    seconds: float


class Unmaker:
    """Opens the network once, for any number of pictures."""

    def __init__(self, options: UnmakeupOptions, note: Note = ignore) -> None:
        """Raises ModelError or DeviceError, and InputError for a pair that is none."""
        device = resolve_device(options.device, note)
        self.options, self._note = options, note
        self._known = None if options.pair is None else learn_tone(*map(Path, options.pair))
        self._reverter = CrnReverter(find_crn(options.model), device, options.threads)

    def __call__(
        self, source: Path, output: Path, *, compare: Path | None, components: Path | None
    ) -> UnmakeupResult:
        """Undo the edit of one picture; see `unmakeup`."""
        started, options = time.monotonic(), self.options
        check_outputs(source, output, options, compare, components)
        still = read_still(source)
        check_holds(still, output)
        faces = faces_of(source, still, options)
        if not options.idle:
            self._warn(source, faces)
        card = self._reverter.card
        predictions = [] if options.idle else self._predict(source, still, faces)
        edited = max((prediction.edited for prediction in predictions), default=0.0)
        sure = options.force or self._known is not None
        trusted = 1.0 if sure else trust(edited, card.edited_above, card.edited_surely)
        unedited = bool(predictions) and not trusted
        weights = self._weights(trusted)
        if predictions:
            self._say_doubt(source, trusted)
        if predictions and not unedited:
            beyond = self._reaches_beyond(still, faces)
            rest = self._rest(source, still, faces) if beyond else None
            pixels = apply(still, predictions, weights, beyond=beyond, rest=rest)
            restored = replace(still, pixels=pixels)
            self._write(source, restored, output, MARK)
        else:
            restored = still
            self._keep(source, still, output)
        if compare is not None:
            draw_comparison(still, restored, compare, overwrite=options.overwrite)
        if components is not None and options.idle:
            self._note(f"{source.name}: nothing is predicted at this strength: no components")
        elif components is not None:
            draw_components(predictions, card.components, components, overwrite=options.overwrite)
        return UnmakeupResult(
            source=str(source),
            output=str(output),
            size=(still.pixels.shape[1], still.pixels.shape[0]),
            faces=tuple(box_of(face, still.extent) for face in faces),
            unedited=unedited,
            edited=round(edited, 3),
            trusted=round(trusted, 3) if predictions else 0.0,
            change=_levels(max((prediction.change for prediction in predictions), default=0.0)),
            added=_levels(max((each.added(weights) for each in predictions), default=0.0)),
            components={
                name: _levels(max(prediction.components[index] for prediction in predictions))
                for index, name in enumerate(card.components if predictions else ())
            },
            seconds=round(time.monotonic() - started, 2),
        )

    def _write(self, source: Path, still: Still, output: Path, mark: str | None = None) -> None:
        for text in words_lost(still, output):
            self._note(f"{source.name}: {text}")
        write_still(still, output, overwrite=self.options.overwrite, mark=mark)

    def _keep(self, source: Path, still: Still, output: Path) -> None:
        """The picture as it is: byte by byte if the format, or what a wrong name says, stays."""
        if format_of(output) in (still.format, FORMATS.get(source.suffix.lower())):
            copy, overwrite = partial(shutil.copyfile, source), self.options.overwrite
            save_safely(output, copy, overwrite=overwrite)
        else:
            self._write(source, still, output)

    def _predict(self, source: Path, still: Still, faces: list[Face]) -> list[Prediction]:
        """Of every face, or of the whole picture if there is none."""
        if faces:
            windows = around_faces(self._reverter.card, faces)
            return [self._say(still, window, [face]) for window, face in windows]
        window, reduced = over_all(self._reverter.card, still.extent, faces)
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
        reached = any(reaches_all(window, still.extent) for window, _ in windows)
        return self.options.whole and bool(faces) and not reached

    def _rest(self, source: Path, still: Still, faces: list[Face]) -> Prediction | None:
        """What is said of a whole picture; None if it is too large for its faces."""
        window, reduced = over_all(self._reverter.card, still.extent, faces)
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
    compare: str | Path | None = None,
    components: str | Path | None = None,
    note: Note = ignore,
) -> UnmakeupResult:
    """Undo the edit of the portrait `source`, into `output` or beside it.

    `compare` is a PNG to draw input, output and difference to; `components` a folder for a picture
    of what each component adds. Raises InputError if the picture cannot be used or no face is found
    in it, OutputError if something cannot be written, ModelError, DeviceError.
    """
    source = given("source", source)
    target = default_output(source) if output is None else given("output", output)
    unmake = Unmaker(options or UnmakeupOptions(), note)
    return unmake(
        source,
        target,
        compare=None if compare is None else given("compare", compare),
        components=None if components is None else given("components", components),
    )


def _levels(value: float) -> float:
    return round(255 * value, 3)
