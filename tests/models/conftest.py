"""What the tests of models/ share: PyTorch, where it is installed."""

from __future__ import annotations

from typing import Any

import pytest


@pytest.fixture(scope="session")
def torch() -> Any:
    """The package, which the `train` extra installs."""
    return pytest.importorskip("torch", reason="torch is not installed (pip install 'vsr[train]')")
