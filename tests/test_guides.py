"""The examples of the guides to looking run, and their pictures are there and small."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
GUIDES = ("viewer", "notebook", "search", "statistics", "videos", "clips", "paths")


@pytest.mark.parametrize("name", GUIDES)
def test_examples_run(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = (ROOT / "docs" / f"{name}.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    assert bool(blocks) == (name in {"notebook", "search", "statistics", "videos"})
    shutil.copytree(ROOT / "example_data", tmp_path / "example_data")
    monkeypatch.chdir(tmp_path)
    for block in blocks:
        exec(compile(block, f"{name}.md", "exec"), {})  # noqa: S102


def test_links_lead_somewhere_and_pictures_are_small() -> None:
    total = 0
    for name in GUIDES:
        text = (ROOT / "docs" / f"{name}.md").read_text(encoding="utf-8")
        for link in re.findall(r"\]\(([^)#]+)\)", text):
            if not link.startswith("https:"):
                assert (ROOT / "docs" / link).exists(), f"{name}.md: {link}"
    for picture in (ROOT / "docs" / "pictures").iterdir():
        assert picture.suffix == ".png"
        total += picture.stat().st_size
    assert 50_000 < total <= 300_000
