"""What is written is true: the README's Python and the docstrings' examples run."""

from __future__ import annotations

import doctest
import importlib
import pkgutil
import re
import shutil
from pathlib import Path

import pytest

import textbook_fast

ROOT = Path(__file__).resolve().parent.parent
# Modules that import a framework. Their pages are run by .ci/frameworks.
FRAMEWORKS = ("torch", "huggingface")


@pytest.fixture
def _in_a_copy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs in a folder that has example_data/, where indexes may be left."""
    (tmp_path / "example_data").mkdir()
    shutil.copy(ROOT / "example_data" / "textbook_sample_100.json", tmp_path / "example_data")
    (tmp_path / "example_data" / "sample_100_images").symlink_to(
        ROOT / "example_data" / "sample_100_images"
    )
    shutil.copytree(
        ROOT / "example_data" / "video_meta_data", tmp_path / "example_data" / "video_meta_data"
    )
    monkeypatch.chdir(tmp_path)


@pytest.mark.usefixtures("_in_a_copy")
def test_the_readmes_python_runs(capsys: pytest.CaptureFixture[str]) -> None:
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    assert len(blocks) == 2
    for block in blocks:
        exec(compile(block, "README.md", "exec"), {})  # noqa: S102
    out = capsys.readouterr().out
    assert "image (" in out
    assert "text " in out


@pytest.mark.usefixtures("_in_a_copy")
def test_the_transform_guides_python_prints_what_it_says(
    capsys: pytest.CaptureFixture[str],
) -> None:
    text = (ROOT / "docs" / "transforms.md").read_text()
    blocks = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    assert len(blocks) >= 2
    for block in blocks:
        exec(compile(block, "transforms.md", "exec"), {})  # noqa: S102
        said = re.findall(r"^print\(.*\)  # (.*)$", block, re.MULTILINE)
        assert said
        assert capsys.readouterr().out.splitlines() == said


def test_the_readme_has_the_two_commands() -> None:
    lines = (ROOT / "README.md").read_text().splitlines()
    assert "pip install . && textbook-fast bench example_data/textbook_sample_100.json" in lines
    assert "pip install '.[test]' && pytest" in lines


@pytest.mark.usefixtures("_in_a_copy")
def test_the_docstrings_examples_run() -> None:
    tried = 0
    for module in pkgutil.iter_modules(textbook_fast.__path__, "textbook_fast."):
        if module.name.endswith(("__main__", "_core", *FRAMEWORKS)):
            continue
        result = doctest.testmod(importlib.import_module(module.name))
        assert result.failed == 0, module.name
        tried += result.attempted
    tried += doctest.testmod(textbook_fast).attempted
    assert tried >= 5


def test_every_public_name_is_documented() -> None:
    for name in textbook_fast.__all__:
        value = getattr(textbook_fast, name)
        if callable(value):
            assert value.__doc__, name
