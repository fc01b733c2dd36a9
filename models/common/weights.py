"""Files of weights: what is in them, and whether it is of the network it should be of."""

from __future__ import annotations

import io
import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from models.common.replacing import replacing
from vsrcli.errors import InputError


def stored(path: Path, device: torch.device | str = "cpu") -> dict[str, Any]:
    """What the file PATH of torch holds. Raises InputError if it is missing or damaged."""
    if not path.is_file():
        raise InputError(f"{path} is missing")
    try:
        found = torch.load(path, map_location=device, weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError, ValueError, KeyError):
        found = None
    if not isinstance(found, dict):
        raise InputError(f"{path} is not a file of weights, or is damaged")
    return found


def weights_in(path: Path) -> dict[str, Tensor]:
    """The weights in PATH; of a checkpoint the averaged ones. Raises InputError as `stored`."""
    found = stored(path)
    weights = found.get("average", found)
    if not all(isinstance(each, Tensor) for each in weights.values()):
        raise InputError(f"{path} holds other things than weights")
    return weights


def difference(wanted: Mapping[str, Tensor], found: Mapping[str, Tensor]) -> str:
    """In which part FOUND is not of the network that WANTED is of; "" in none."""
    for name in {**wanted, **found}:
        ours, theirs = (each.get(name) for each in (wanted, found))
        if theirs is None:
            return f"{name} is missing"
        if ours is None:
            return f"{name} has no place in it"
        if ours.shape != theirs.shape:
            return f"{name} is {[*theirs.shape]} there, {[*ours.shape]} here"
    return ""


def fill(module: nn.Module, weights: Mapping[str, Tensor], path: Path) -> None:
    """Give MODULE the WEIGHTS, which are of PATH. InputError if they are of another network."""
    wrong = difference(module.state_dict(), weights)
    if wrong:
        raise InputError(f"{path} holds the weights of another network: {wrong}")
    module.load_state_dict(weights)


def checkpoint_in(
    path: Path, network: nn.Module, device: torch.device | str = "cpu"
) -> dict[str, Any]:
    """The checkpoint PATH of a training of NETWORK. InputError if it is none, or of another one."""
    found = stored(path, device)
    if not {"step", "weights", "average", "optimiser"} <= found.keys():
        raise InputError(f"{path} is no checkpoint of a training, and would be overwritten by one")
    wrong = difference(network.state_dict(), found["weights"])
    if wrong:
        raise InputError(
            f"{path} is the checkpoint of another network: {wrong}; name another --checkpoint"
        )
    return found


def save(content: object, path: Path) -> None:
    """Replace PATH by CONTENT: what was there stays until the new file is whole."""
    with replacing(path) as made:
        whole = io.BytesIO()  # of a full disk, say, torch does not tell
        torch.save(content, whole)
        made.write_bytes(whole.getbuffer())


def copied(module: nn.Module) -> dict[str, Tensor]:
    """The weights of MODULE as they are now, to become an average by `follow`."""
    return {name: value.detach().clone() for name, value in module.state_dict().items()}


@torch.no_grad()
def follow(average: dict[str, Tensor], module: nn.Module, decay: float) -> None:
    """Move AVERAGE towards the weights of MODULE: DECAY of it stays, 0 to 1."""
    for name, value in module.state_dict().items():
        average[name].lerp_(value, 1 - decay)
