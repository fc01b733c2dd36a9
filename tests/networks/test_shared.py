"""What the files of one job share."""

from __future__ import annotations

import numpy as np
import pytest

from vsrcli.errors import ModelError
from vsrcli.networks import session as module
from vsrcli.networks.session import CPU, open_session, read_metadata
from vsrcli.networks.shared import sharing

from .tiny import TINY

COMPOSE, MOTION = TINY.with_name("tiny.compose.onnx"), TINY.with_name("tiny.motion.onnx")


def test_in_a_block_equal_graphs_are_opened_once_and_after_it_anew() -> None:
    with sharing():
        first = open_session(COMPOSE, CPU, 1)
        assert open_session(COMPOSE, CPU, 1) is first
        assert open_session(COMPOSE, CPU, 2) is not first
        assert open_session(MOTION, CPU, 1) is not first
        assert read_metadata(COMPOSE) is read_metadata(COMPOSE) != read_metadata(MOTION)
    assert open_session(COMPOSE, CPU, 1) is not first
    with sharing():
        assert open_session(COMPOSE, CPU, 1) is not first


def test_a_graph_that_failed_is_opened_anew() -> None:
    flow = np.zeros((1, 2, 4, 4), np.float32)
    with sharing():
        first = open_session(COMPOSE, CPU, 1)
        first.run({"first": flow, "second": flow})
        assert open_session(COMPOSE, CPU, 1) is first
        with pytest.raises(ModelError):
            first.run({"first": flow, "second": flow[..., :3]})
        second = open_session(COMPOSE, CPU, 1)
        assert second is not first and open_session(COMPOSE, CPU, 1) is second


def test_a_graph_that_holds_the_memory_of_large_frames_is_opened_anew(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "_KEPT", 16)
    with sharing():
        first = open_session(COMPOSE, CPU, 1)
        for side, same in ((4, True), (5, False)):
            flow = np.zeros((1, 2, 4, side), np.float32)
            first.run({"first": flow, "second": flow})
            assert (open_session(COMPOSE, CPU, 1) is first) == same
