"""The peers that the benchmarks stand beside. A missing one is a skip that names it."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest

from textbook_fast.jpeg import Image


def peer(name: str) -> Any:
    """The package, or a skip."""
    return pytest.importorskip(name, reason=f"{name} is not installed")


def pillow_name() -> str:
    """Pillow or Pillow-SIMD: both are imported as PIL."""
    from PIL import __version__ as version

    return f"Pillow{'-SIMD' if 'post' in version else ''} {version}"


def pillow_decode(data: bytes) -> Image:
    """As the dataset's users do it today."""
    from PIL import Image as PillowImage

    return np.asarray(PillowImage.open(io.BytesIO(data)).convert("RGB"))


def same(ours: object, theirs: object) -> None:
    """Stops a benchmark whose sides do not give the same."""
    assert ours == theirs, "the two sides differ"
