"""The component regression network: RGB portrait -> predicted edit, by component."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vsrcli.errors import ModelError
from vsrcli.networks.card import count, is_file, shipped_folder
from vsrcli.networks.session import CPU, Device, open_session, read_metadata

CONTRACT = "vsr-crn-2"
"""picture [1, 3, H, W], RGB 0..1 -> components [groups, 3, H, W], whose sum is truth - picture, and
evidence [1], the log odds that the picture was edited."""
DEFAULT_MODEL = "crn"


@dataclass(frozen=True)
class CrnCard:
    """One model file and the facts in it."""

    path: Path
    name: str
    version: str
    components: tuple[str, ...]
    """What every group is called: "curve" (of tone), components "1" ... "8-20" ..."""
    tone: int
    """The first so many groups are tone and colour, the rest texture."""
    variances: tuple[float, ...]
    """Of every principal component of the training's discrepancy patches, pictures 0..1."""
    face_height: int
    """Pixels from chin to hairline the network was trained at."""
    canvas: tuple[int, int]
    """Height and width of the pictures it was trained on, the face in the middle."""
    multiple_of: int
    """Height and width of the input must be multiples of this."""
    halo: int
    """Pixels around a place that its output depends on, but for the mean over the whole picture."""
    detector: tuple[float, ...]
    """Weights, then the bias, of the regression that tells whether a photo was edited."""
    edited_above: float
    """Its probability above which a photo counts as edited ..."""
    edited_surely: float
    """... and from which on all that is predicted is added."""
    training_data: str
    licence: str
    source: str
    weights_sha256: str


def read_crn_card(path: Path) -> CrnCard:
    """The card of the ONNX file PATH. Raises ModelError if it is missing, damaged or foreign."""
    if not is_file(path):
        raise ModelError(f"{path} is missing; reinstall vsr or name another model")
    facts = read_metadata(path)
    if facts.get("contract") != CONTRACT:
        raise ModelError(f"{path} is not a model for this version of vsr (no {CONTRACT!r} in it)")
    try:
        height, width = json.loads(facts["canvas"])
        return CrnCard(
            path=path,
            name=facts["name"],
            version=facts["version"],
            components=tuple(json.loads(facts["components"])),
            tone=int(facts["tone"]),
            variances=tuple(json.loads(facts["variances"])),
            face_height=count(facts["face_height"]),
            canvas=(count(height), count(width)),
            multiple_of=count(facts["multiple_of"]),
            halo=count(facts["halo"], least=0),
            detector=tuple(json.loads(facts["detector"])),
            edited_above=float(facts["edited_above"]),
            edited_surely=float(facts["edited_surely"]),
            training_data=facts["training_data"],
            licence=facts["licence"],
            source=facts["source"],
            weights_sha256=facts["weights_sha256"],
        )
    except (KeyError, ValueError, TypeError) as error:
        raise ModelError(
            f"{path} has an incomplete model card ({error}); export it again"
        ) from error


def find_crn(name: str | Path = DEFAULT_MODEL) -> CrnCard:
    """The model NAME: one that comes with vsr, or a path. Raises ModelError if there is none."""
    path = Path(name)
    if path.suffix != ".onnx":
        path = shipped_folder() / f"{name}.onnx"
    try:
        return read_crn_card(path)
    except OSError as failure:
        raise ModelError(f"{path} cannot be read ({failure.strerror})") from failure


@dataclass(frozen=True)
class Found:
    """What the network says of a picture."""

    components: NDArray[np.float32]
    """[groups, H, W, 3]: the discrepancy by component, RGB 0..1."""
    evidence: float
    """Log odds that the picture was edited at all."""


class CrnReverter:
    """Predicts what an edit took from a portrait."""

    def __init__(self, card: CrnCard, device: Device = CPU, threads: int = 0) -> None:
        """Opens the session; raises ModelError or DeviceError."""
        self.card = card
        self._session = open_session(card.path, device, threads)

    def predict(self, picture: NDArray[np.float32]) -> Found:
        """What was taken from PICTURE [H, W, 3], RGB 0..1, by component.

        Any size: padded by mirroring to what the network takes, and cropped. The components' sum,
        added to PICTURE, is the estimate of the photo. Raises OutOfMemoryError, ModelError.
        """
        height, width = picture.shape[:2]
        step = self.card.multiple_of
        margins = ((0, -height % step), (0, -width % step), (0, 0))
        padded = np.pad(picture, margins, mode="symmetric")
        feed = {"picture": np.ascontiguousarray(padded.transpose(2, 0, 1)[None])}
        found = self._session.run(feed)
        shapes = {name: value.shape for name, value in found.items()}
        groups = (len(self.card.components), 3, *padded.shape[:2])
        if shapes != {"components": groups, "evidence": (1,)}:
            raise ModelError(f"{self.card.path} is another graph than its card says; export again")
        parts = found["components"][:, :, :height, :width].transpose(0, 2, 3, 1)
        return Found(parts, float(found["evidence"][0]))
