"""The examples of docs/format.md give what they show."""

from __future__ import annotations

import doctest
from pathlib import Path

import pytest


def test_the_guides_examples(example_data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = example_data.parent
    monkeypatch.chdir(root)
    result = doctest.testfile(str(root / "docs" / "format.md"), module_relative=False)
    assert result.failed == 0
    assert result.attempted >= 8
