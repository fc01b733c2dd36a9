"""Model cards: what the ONNX files say of themselves, and where they are found."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from stat import S_ISREG

from vsrcli.errors import ModelError
from vsrcli.networks.cpu import suits_int8
from vsrcli.networks.session import CPU, Device, read_metadata

DEFAULT_MODEL = "spmc_x4"
CONTRACT = "vsr-spmc-3"
"""Names and shapes of the graphs' inputs and outputs, see models/README.md."""
ROLES = ("motion", "compose", "fusion")
PRECISIONS = ("fp32", "fp16", "int8")
_FILE = re.compile(r"(?P<name>.+?)\.(?:motion|compose|fusion)(?:\.(?:fp16|int8))?\.onnx")


@dataclass(frozen=True)
class ModelCard:
    """One graph: a file and the facts in it."""

    path: Path
    name: str
    role: str
    """"motion", "compose" or "fusion"."""
    version: str
    scale: int
    """Output pixels per input pixel, each way."""
    multiple_of: int
    """Height and width of the inputs must be multiples of this."""
    halo: int
    """Pixels of the input around a tile that its output depends on."""
    precision: str
    """"fp32", "fp16" or "int8": of the computing, inputs and outputs are float32."""
    states: Mapping[str, int]
    """Channels of every recurrent state, by name."""
    state_levels: Mapping[str, int]
    """Of every state that loses nothing in a signed byte, which of its steps make 1."""
    window: int
    """Frames in a window for which the model was made; it takes any number."""
    bytes_per_pixel: Mapping[str, int]
    """Peak memory per input pixel: "first" for one frame, "further" for each one more."""
    training_data: str
    licence: str
    source: str
    weights_sha256: str
    """Of the weights before any conversion: the same for all files of one training."""

    def memory(self, height: int, width: int, frames: int) -> int:
        """Estimated bytes at the peak of a run on FRAMES frames of HEIGHT x WIDTH."""
        each = self.bytes_per_pixel["first"] + (frames - 1) * self.bytes_per_pixel["further"]
        return each * height * width


@dataclass(frozen=True)
class Model:
    """The graphs of one network, in one precision."""

    motion: ModelCard
    compose: ModelCard
    fusion: ModelCard

    @property
    def name(self) -> str:
        """The name the files share."""
        return self.fusion.name

    @property
    def precision(self) -> str:
        """Precision of the fusion, where the time goes."""
        return self.fusion.precision


def shipped_folder() -> Path:
    """The folder of the models that come with vsr: in the package, or in the repository."""
    try:
        folder = Path(str(resources.files("vsrcli.models")))
        if any(folder.glob("*.onnx")):
            return folder
    except ModuleNotFoundError:
        pass
    return Path(__file__).parents[2] / "models"


def shipped_models() -> list[str]:
    """Names of the models that come with vsr."""
    return sorted(
        path.name.removesuffix(".fusion.onnx") for path in shipped_folder().glob("*.fusion.onnx")
    )


def find_model(
    name: str | Path = DEFAULT_MODEL, precision: str = "auto", device: Device = CPU
) -> Model:
    """The model NAME: one that comes with vsr, or the path of any of its files, or their prefix.

    PRECISION "auto" takes the fastest there is for DEVICE: int8 on a CPU that it suits, fp16 on
    CUDA, else fp32. Raises ModelError if a file is missing, damaged or not of a vsr model, and if
    there is no file of the PRECISION asked for.
    """
    try:
        prefix = _prefix(str(name))
        chosen = _choose_precision(prefix, precision, device)
        motion, compose, fusion = (_read_role(prefix, role, chosen) for role in ROLES)
    except OSError as failure:
        raise ModelError(f"{name} cannot be read ({failure.strerror})") from failure
    for card in (motion, compose):
        if (card.weights_sha256, card.scale, card.multiple_of) != (
            fusion.weights_sha256,
            fusion.scale,
            fusion.multiple_of,
        ):
            raise ModelError(
                f"{card.path} and {fusion.path} are of different trainings; export both again"
            )
    return Model(motion, compose, fusion)


def is_file(path: Path) -> bool:
    """Whether there is such a file. Raises OSError where nobody may look, unlike Path's from Python
    3.14 on."""
    try:
        return S_ISREG(path.stat().st_mode)
    except (FileNotFoundError, NotADirectoryError):
        return False


def read_card(path: Path) -> ModelCard:
    """The card of the ONNX file PATH. Raises ModelError if it is missing, damaged or foreign."""
    if not is_file(path):
        raise ModelError(f"{path} is missing: a model is the files motion, compose and fusion")
    facts = read_metadata(path)
    if facts.get("contract") != CONTRACT:
        raise ModelError(f"{path} is not a model for this version of vsr (no {CONTRACT!r} in it)")
    try:
        return ModelCard(
            path=path,
            name=facts["name"],
            role=facts["role"],
            version=facts["version"],
            scale=count(facts["scale"]),
            multiple_of=count(facts["multiple_of"]),
            halo=count(facts["halo"], least=0),
            precision=facts["precision"],
            states=_counts(facts["states"]),
            state_levels=_counts(facts.get("state_levels", "{}")),
            window=count(facts["window"]),
            bytes_per_pixel=_counts(facts["bytes_per_pixel"], "first", "further"),
            training_data=facts["training_data"],
            licence=facts["licence"],
            source=facts["source"],
            weights_sha256=facts["weights_sha256"],
        )
    except (KeyError, ValueError) as error:
        raise ModelError(
            f"{path} has an incomplete model card ({error}); export it again"
        ) from error


def count(text: str, least: int = 1) -> int:
    """The number in TEXT; raises ValueError if it is none, or less than LEAST."""
    number = int(text)
    if number < least:
        raise ValueError(f"{number} is less than {least}")
    return number


def _counts(text: str, *needed: str) -> dict[str, int]:
    """The numbers in TEXT by name, those NEEDED among them; raises ValueError or KeyError."""
    found = json.loads(text)
    if not isinstance(found, dict) or not all(
        isinstance(number, int) and number >= 0 for number in found.values()
    ):
        raise ValueError(f"{text} is not what it should be")
    for name in needed:
        if name not in found:
            raise KeyError(name)
    return found


def _prefix(name: str) -> Path:
    """Path of the model NAME up to ".motion.onnx", ".compose.onnx", ".fusion.onnx"."""
    path = Path(name)
    match = _FILE.fullmatch(path.name)
    if match is not None:
        return path.with_name(match["name"])
    for candidate in (path, shipped_folder() / name):
        if candidate.name and _precisions(candidate):
            return candidate
    if is_file(path):
        raise ModelError(
            f"{path} is not a vsr model: its files are called NAME.motion.onnx, "
            "NAME.compose.onnx and NAME.fusion.onnx"
        )
    shipped = ", ".join(shipped_models()) or "none"
    raise ModelError(f"there is no model {name!r}; with vsr come: {shipped}")


def _file(prefix: Path, role: str, precision: str) -> Path:
    suffix = "" if precision == "fp32" else f".{precision}"
    return prefix.with_name(f"{prefix.name}.{role}{suffix}.onnx")


def _precisions(prefix: Path) -> list[str]:
    return [each for each in PRECISIONS if is_file(_file(prefix, "fusion", each))]


def _choose_precision(prefix: Path, precision: str, device: Device) -> str:
    there = _precisions(prefix)
    if precision == "auto":
        fast = "fp16" if device.kind == "cuda" else "int8" if suits_int8() else "fp32"
        return fast if fast in there else "fp32"
    if precision not in there:
        known = ", ".join(there) or "none"
        raise ModelError(f"model {prefix.name} has no {precision} file; there are: {known}")
    return precision


def _read_role(prefix: Path, role: str, precision: str) -> ModelCard:
    """The card of ROLE: in PRECISION if there is such a file, else in fp32."""
    path = _file(prefix, role, precision)
    card = read_card(path if is_file(path) else _file(prefix, role, "fp32"))
    if card.role != role:
        raise ModelError(f"{card.path} holds the graph {card.role!r}, not {role!r}; rename it")
    return card
