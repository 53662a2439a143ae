"""PyTorch's DataLoader over a Dataset. Runs in `.ci/frameworks`."""

from __future__ import annotations

import importlib
import sys
from typing import Any

import numpy as np
import pytest

from textbook_fast import Dataset, Sample

pytestmark = pytest.mark.frameworks


@pytest.fixture
def torch_data() -> Any:
    """torch.utils.data; the skip names the package that is missing."""
    pytest.importorskip("torch", reason="torch is not installed: pip install '.[test-frameworks]'")
    return importlib.import_module("torch.utils.data")


def _describe(samples: list[Sample]) -> list[tuple[int, bool, int]]:
    return [
        (
            sample.index,
            sample._images is not None,
            sum(int(image.sum()) for image in sample.images if isinstance(image, np.ndarray)),
        )
        for sample in samples
    ]


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_workers_decode_whole_batches(example: Dataset, torch_data: Any, method: str) -> None:
    view = example[::3]
    loader = torch_data.DataLoader(
        view, batch_size=5, num_workers=2, collate_fn=_describe, multiprocessing_context=method
    )
    seen = [item for batch in loader for item in batch]
    assert [index for index, _, _ in seen] == [sample.index for sample in view]
    assert all(decoded for _, decoded, _ in seen), "eager in a worker"
    assert [total for _, _, total in seen] == [total for _, _, total in _describe(list(view))]


def test_torch_is_never_imported_by_us() -> None:
    import subprocess

    code = "import textbook_fast, sys; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
