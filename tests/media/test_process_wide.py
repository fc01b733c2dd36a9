"""Jobs in several threads leave the process as it was, and do not speak of each other."""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import av.logging
import numpy as np
import pytest
from PIL import Image

from tests.conftest import MakeClip
from vsrcli.errors import UsageError
from vsrcli.media.encoders import EncoderSettings
from vsrcli.media.opening import check_encoder
from vsrcli.media.probe import probe
from vsrcli.media.safely import save_safely


@pytest.fixture
def hurried() -> Iterator[None]:
    """Threads that take turns as often as they can."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


def at_once(*works: Callable[[], object], times: int = 40) -> None:
    """Do every one of WORKS so often, in a thread of its own, at the same time."""

    def again(work: Callable[[], object]) -> None:
        for _ in range(times):
            work()

    with ThreadPoolExecutor(len(works)) as executor:
        for done in [executor.submit(again, work) for work in works]:
            done.result()


@pytest.mark.usefixtures("hurried")
def test_threads_leave_the_logging_as_it_was(
    make_clip: MakeClip, capfd: pytest.CaptureFixture[str]
) -> None:
    clip = make_clip("in.mkv")
    info = probe(clip)

    def refused() -> None:
        with pytest.raises(UsageError, match="has no option nope"):
            settings = EncoderSettings("libx264", options=(("nope", "1"),))
            check_encoder(info, (128, 96), settings)

    def taken() -> None:
        settings = EncoderSettings("libx264", options=(("x264-params", "bframes=0"),))
        check_encoder(info, (128, 96), settings)

    before = av.logging.get_level(), av.logging.get_skip_repeated()
    at_once(refused, taken, lambda: probe(clip), lambda: probe(clip))
    assert (av.logging.get_level(), av.logging.get_skip_repeated()) == before
    assert capfd.readouterr().err == ""


@pytest.mark.usefixtures("hurried")
def test_threads_leave_the_warnings_as_they_were(tmp_path: Path) -> None:
    picture = tmp_path / "a.tif"
    Image.fromarray(np.zeros((16, 16, 3), np.uint8)).save(picture)
    with warnings.catch_warnings():
        before = list(warnings.filters)
        at_once(*[lambda: probe(picture)] * 4)
        assert warnings.filters == before


def test_what_is_saved_is_open_to_whom_the_umask_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Which is not looked up: for that it must be set, for all threads."""
    before = os.umask(0o027)
    try:
        with monkeypatch.context() as patched:
            patched.delattr(os, "umask")
            save_safely(tmp_path / "a.png", lambda file: file.write_text("a"), overwrite=False)
    finally:
        os.umask(before)
    expected = 0o640 if os.name == "posix" else 0o666
    assert (tmp_path / "a.png").stat().st_mode & 0o777 == expected
