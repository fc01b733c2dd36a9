"""Options from Python have the types they are declared with."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from vsrcli import (
    DegradeOptions,
    Protocol,
    UnmakeupOptions,
    UpscaleOptions,
    degrade,
    psnr,
    unmakeup,
    upscale,
)
from vsrcli.errors import UsageError


@pytest.mark.parametrize(
    ("options", "field", "value"),
    [
        (UpscaleOptions, "on_error", "concel"),
        (UpscaleOptions, "overwrite", "no"),
        (UpscaleOptions, "max_frames", 2.5),
        (UpscaleOptions, "frames", "5"),
        (UpscaleOptions, "frames", None),
        (UpscaleOptions, "scale", "2"),
        (UpscaleOptions, "size", [128, 96]),
        (UpscaleOptions, "size", (128, 96, 3)),
        (UpscaleOptions, "size", (128.0, 96.0)),
        (UpscaleOptions, "device", 0),
        (UpscaleOptions, "tile", 64.5),
        (UpscaleOptions, "encoder_options", {"bf": 0}),
        (UpscaleOptions, "encoder_options", "bf=0"),
        (DegradeOptions, "kind", "BI"),
        (DegradeOptions, "noise", "1"),
        (DegradeOptions, "seed", 1.5),
        (Protocol, "channel", "Y"),
        (Protocol, "crop", 1.5),
        (UnmakeupOptions, "box", (1, 2, 30)),
        (UnmakeupOptions, "pair", "face.png"),
    ],
)
def test_a_value_of_another_type_is_refused_by_name(
    options: Callable[..., object], field: str, value: Any
) -> None:
    with pytest.raises(UsageError, match=rf"(Options|Protocol): {field}=.* is not of the type \w+"):
        options(**{field: value})


@pytest.mark.parametrize(
    ("options", "fields"),
    [
        (UpscaleOptions, {"scale": 2, "start": 0.5, "end": 2, "crf": 18, "model": Path("a")}),
        (UpscaleOptions, {"scale": np.float32(2), "frames": np.int64(3), "tile": np.int32(64)}),
        (UpscaleOptions, {"scale": Fraction(5, 2), "rate": 25, "encoder_options": {"bf": "0"}}),
        (DegradeOptions, {"kind": "bi", "scale": 4, "noise": 1}),
        (Protocol, {"channel": "y", "crop": 4}),
        (UnmakeupOptions, {"strength": 1, "box": (1, 2, 30, 40), "pair": ("a.png", Path("b.png"))}),
    ],
)
def test_whole_numbers_and_those_of_numpy_will_do(
    options: Callable[..., object], fields: dict[str, Any]
) -> None:
    assert options(**fields)


@pytest.mark.parametrize("field", ["start", "end", "rate"])
@pytest.mark.parametrize("value", [0.2, 25, 30000 / 1001, np.float32(0.5), np.int64(25)])
def test_numbers_become_the_fractions_that_they_stand_for(field: str, value: Any) -> None:
    made = getattr(UpscaleOptions(**{field: value}), field)
    assert isinstance(made, Fraction)
    assert made in (Fraction(1, 5), Fraction(25), Fraction(30000, 1001), Fraction(1, 2))


@pytest.mark.parametrize(
    ("options", "fields"),
    [
        (UpscaleOptions, {"start": float("nan")}),
        (UpscaleOptions, {"end": float("nan")}),
        (UpscaleOptions, {"end": float("inf")}),
        (UpscaleOptions, {"rate": 0}),
        (DegradeOptions, {"seed": -1}),
        (UpscaleOptions, {"threads": -1}),
        (UpscaleOptions, {"threads": 1 << 20}),
        (UnmakeupOptions, {"threads": 1 << 40}),
    ],
)
def test_what_is_no_such_number_is_refused(
    options: Callable[..., object], fields: dict[str, Any]
) -> None:
    with pytest.raises(UsageError, match=f"--{next(iter(fields))}"):
        options(**fields)


@pytest.mark.parametrize(
    ("call", "name"),
    [
        (lambda: upscale("", "out.mp4"), "source"),
        (lambda: upscale("in.mp4", ""), "output"),
        (lambda: degrade("", "out.mp4"), "source"),
        (lambda: degrade("in.mp4", ""), "output"),
        (lambda: psnr("", "out.mp4"), "reference"),
        (lambda: psnr("in.mp4", "out.mp4", ""), "an output"),
        (lambda: psnr("in.mp4", baseline=""), "baseline"),
        (lambda: unmakeup(""), "source"),
        (lambda: unmakeup("in.jpg", ""), "output"),
    ],
)
def test_empty_text_is_no_path(call: Callable[[], object], name: str) -> None:
    """`Path("")` is the current folder: what lay in it had been scored."""
    with pytest.raises(UsageError, match=f"^{name} is empty"):
        call()
