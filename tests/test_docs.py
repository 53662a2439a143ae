"""The guides' programs run as they stand."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from test_readme import ROOT, _in_a_copy

__all__ = ["_in_a_copy"]  # the fixture


def blocks(name: str) -> list[str]:
    text = (ROOT / "docs" / name).read_text(encoding="utf-8")
    return re.findall(r"^```python\n(.*?)^```", text, re.DOTALL | re.MULTILINE)


def run(name: str, count: int) -> None:
    found = blocks(name)
    assert len(found) == count
    for block in found:
        exec(compile(block, name, "exec"), {})  # noqa: S102


@pytest.mark.usefixtures("_in_a_copy")
def test_the_loaders_page_runs(capsys: pytest.CaptureFixture[str]) -> None:
    run("loader.md", 3)
    out = capsys.readouterr().out
    assert "60 of 100 samples were left in the epoch" in out
    assert "'short': {'epoch': " in out
    assert " sequences; 100 samples" in out


@pytest.mark.frameworks
@pytest.mark.usefixtures("_in_a_copy")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize(
    ("name", "package", "count"), [("pytorch.md", "torch", 2), ("huggingface.md", "datasets", 2)]
)
def test_the_frameworks_pages_run(
    name: str, package: str, count: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip(
        package, reason=f"{package} is not installed: pip install '.[test-frameworks]'"
    )
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    run(name, count)
