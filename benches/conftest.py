"""Corpora of the asked size, made once a session."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from textbook_fast.synthetic import Layout, records, write_corpus

BYTES_PER_SAMPLE = 20_000


@pytest.fixture(scope="session")
def corpus_samples(pytestconfig: pytest.Config) -> int:
    """How many samples make a corpus of the asked size."""
    asked = pytestconfig.getoption("--benchmark-corpus-mb")
    if asked is None:
        asked = 256 if pytestconfig.getoption("--benchmark") else 1
    return max(10, int(asked * 1e6 / BYTES_PER_SAMPLE))


@pytest.fixture(scope="session", params=["indent", "compact"])
def corpus(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, corpus_samples: int
) -> Path:
    """A corpus of the asked size, indented and compact."""
    layout: Layout = request.param
    path = tmp_path_factory.mktemp("corpus") / f"{layout}.json"
    write_corpus(path, corpus_samples, layout=layout)
    return path


@pytest.fixture(scope="session")
def sample_texts() -> list[bytes]:
    """Records of the real proportions, indented as in the dataset."""
    return [json.dumps(record, ensure_ascii=False, indent=4).encode() for record in records(40)]
