"""From a file to samples at any position: the offset index beside whole parsers."""

from __future__ import annotations

import json
import types
from pathlib import Path
from typing import Any

import pytest
from peers import peer, same
from pytest_benchmark.fixture import BenchmarkFixture

from textbook_fast import _core
from textbook_fast.dataset import open_unkept

# json.loads makes some ten times the file's size of objects.
MOST_FOR_PARSERS = 1.1e9


@pytest.fixture(scope="session")
def first_and_last(corpus: Path) -> tuple[Any, Any, int]:
    """What every side has to find."""
    ds = open_unkept(corpus)
    return ds[0].to_dict(), ds[-1].to_dict(), len(ds)


def check(samples: list[Any], expected: tuple[Any, Any, int]) -> None:
    same((samples[0], samples[-1], len(samples)), expected)


def parsers_limit(corpus: Path) -> None:
    if corpus.stat().st_size > MOST_FOR_PARSERS:
        pytest.skip("a corpus above 1 GB is for our own side alone")


@pytest.mark.parametrize("threads", [1, 2])
def bench_index_textbook_fast(
    benchmark: BenchmarkFixture, corpus: Path, threads: int, first_and_last: tuple[Any, Any, int]
) -> None:
    benchmark.group = f"index {corpus.stem}"
    benchmark.extra_info["bytes"] = corpus.stat().st_size
    ds = benchmark(lambda: open_unkept(corpus, threads=threads))
    check([ds[0].to_dict(), *range(len(ds) - 2), ds[-1].to_dict()], first_and_last)


def bench_index_textbook_fast_sidecar(
    benchmark: BenchmarkFixture, corpus: Path, first_and_last: tuple[Any, Any, int]
) -> None:
    benchmark.group = f"index {corpus.stem}"

    def open_kept() -> _core.Files:
        return _core.Files([str(corpus)], access="map", recover=False, threads=1)

    assert len(open_kept()) == first_and_last[2]
    files = benchmark(open_kept)
    assert files.index_info[0]["built_in_seconds"] is None


def bench_index_json_load(
    benchmark: BenchmarkFixture, corpus: Path, first_and_last: tuple[Any, Any, int]
) -> None:
    parsers_limit(corpus)
    benchmark.group = f"index {corpus.stem}"
    check(benchmark.pedantic(lambda: json.loads(corpus.read_bytes()), rounds=1), first_and_last)


def bench_index_orjson(
    benchmark: BenchmarkFixture, corpus: Path, first_and_last: tuple[Any, Any, int]
) -> None:
    parsers_limit(corpus)
    orjson = peer("orjson")
    benchmark.group = f"index {corpus.stem}"
    check(benchmark.pedantic(lambda: orjson.loads(corpus.read_bytes()), rounds=2), first_and_last)


def bench_index_msgspec_raw(
    benchmark: BenchmarkFixture, corpus: Path, first_and_last: tuple[Any, Any, int]
) -> None:
    parsers_limit(corpus)
    msgspec = peer("msgspec")
    decoder = msgspec.json.Decoder(types.GenericAlias(list, (msgspec.Raw,)))
    benchmark.group = f"index {corpus.stem}"
    raws = benchmark.pedantic(lambda: decoder.decode(corpus.read_bytes()), rounds=3)
    same((json.loads(bytes(raws[0])), json.loads(bytes(raws[-1])), len(raws)), first_and_last)


@pytest.mark.frameworks
def bench_index_hf_datasets(
    benchmark: BenchmarkFixture,
    corpus: Path,
    first_and_last: tuple[Any, Any, int],
    tmp_path: Path,
) -> None:
    parsers_limit(corpus)
    datasets = peer("datasets")
    benchmark.group = f"index {corpus.stem}"

    def load() -> Any:
        return datasets.load_dataset(
            "json", data_files=str(corpus), split="train", cache_dir=str(tmp_path)
        )

    loaded = benchmark.pedantic(load, rounds=1)
    same((loaded[0]["texts"], len(loaded)), (first_and_last[0]["texts"], first_and_last[2]))
