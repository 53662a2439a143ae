"""The example notebook runs from top to bottom, and shows what it says."""

from __future__ import annotations

import base64
import json
import re
from pathlib import Path
from typing import Any

import nbclient
import nbformat
import pytest
from ipykernel import kernelspec

NAME = "show_interleaved_dataset.ipynb"
SECONDS = 300


@pytest.fixture(scope="module")
def committed(example_data: Path) -> Any:
    return read(example_data / NAME)


@pytest.fixture(scope="module")
def executed(example_data: Path) -> Any:
    """The notebook after a run in its own folder, in this Python's kernel."""
    notebook = read(example_data / NAME)
    client = nbclient.NotebookClient(
        notebook,
        timeout=SECONDS,
        startup_timeout=SECONDS,
        kernel_name=kernelspec.KERNEL_NAME,
        resources={"metadata": {"path": str(example_data)}},
    )
    client.execute()
    return notebook


def read(path: Path) -> Any:
    return nbformat.read(path, as_version=4)  # type: ignore[no-untyped-call]


def outputs(notebook: Any) -> list[Any]:
    return [output for cell in notebook.cells for output in cell.get("outputs", [])]


def test_it_is_committed_without_outputs(committed: Any) -> None:
    nbformat.validate(committed)
    assert not outputs(committed)
    assert all(cell.execution_count is None for cell in committed.cells if "outputs" in cell)


def test_every_cell_runs(executed: Any) -> None:
    code = [cell for cell in executed.cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in code] == list(range(1, len(code) + 1))
    assert not [output for output in outputs(executed) if output.output_type == "error"]


def test_it_prints_the_first_sample_and_the_totals(executed: Any, example_data: Path) -> None:
    samples = json.loads((example_data / "textbook_sample_100.json").read_text(encoding="utf-8"))
    printed = "".join(output.text for output in outputs(executed) if output.output_type == "stream")
    for said in samples[0]["texts"]:
        assert said is None or said in printed
    assert (
        len(re.findall(r"^\[image \d+ x \d+\]$", printed, re.MULTILINE)) == samples[0]["image_num"]
    )
    images = sum(sample["image_num"] for sample in samples)
    tokens = sum(sample["token_num"] for sample in samples)
    assert f"100 samples, {images} images, {tokens:,} tokens" in printed


def test_it_shows_the_keyframes_as_they_are_in_the_folder(
    executed: Any, example_data: Path
) -> None:
    samples = json.loads((example_data / "textbook_sample_100.json").read_text(encoding="utf-8"))
    shown = [
        base64.b64decode(output.data["image/jpeg"])
        for output in outputs(executed)
        if "image/jpeg" in output.get("data", {})
    ]
    folder = example_data / "sample_100_images"
    assert shown == [(folder / path).read_bytes() for path in samples[0]["images"] if path]


def test_it_shows_samples_and_datasets(executed: Any) -> None:
    shown = [
        output.data["text/html"]
        for output in outputs(executed)
        if "text/html" in output.get("data", {})
    ]
    dataset, sample, physics = shown
    assert "<strong>100 samples</strong> of textbook_sample_100.json" in dataset
    assert sample.count("data:image/jpeg;base64,") == 2
    assert "YouTube at" in sample
    assert "samples</strong> of textbook_sample_100.json" in physics
    printed = "".join(output.text for output in outputs(executed) if output.output_type == "stream")
    assert printed.count("sample 0, position") >= 1
    assert "hours of lessons" in printed
