"""One sample's record, from its bytes to Python objects."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from peers import peer, same
from pytest_benchmark.fixture import BenchmarkFixture

from textbook_fast import _core


def over_all(benchmark: BenchmarkFixture, texts: list[bytes], read: Callable[[bytes], Any]) -> None:
    """Times `read` over all records in turn: one round is all of them."""
    benchmark.extra_info["records"] = len(texts)
    benchmark(lambda: [read(text) for text in texts])


def ours_images_and_texts(text: bytes) -> tuple[Any, Any]:
    record = _core.Record(text)
    return record.images, record.texts


def bench_images_and_texts_textbook_fast(
    benchmark: BenchmarkFixture, sample_texts: list[bytes]
) -> None:
    benchmark.group = "sample: images and texts"
    for text in sample_texts:
        record = json.loads(text)
        same(ours_images_and_texts(text), (record["images"], record["texts"]))
    over_all(benchmark, sample_texts, ours_images_and_texts)


def bench_images_and_texts_msgspec_typed(
    benchmark: BenchmarkFixture, sample_texts: list[bytes]
) -> None:
    msgspec = peer("msgspec")
    fields = [("images", list[str | None]), ("texts", list[str | None])]
    decode = msgspec.json.Decoder(msgspec.defstruct("Sample", fields)).decode
    benchmark.group = "sample: images and texts"
    for text in sample_texts:
        sample = decode(text)
        same((sample.images, sample.texts), ours_images_and_texts(text))
    over_all(benchmark, sample_texts, decode)


def bench_images_and_texts_orjson(benchmark: BenchmarkFixture, sample_texts: list[bytes]) -> None:
    orjson = peer("orjson")
    benchmark.group = "sample: images and texts"

    def read(text: bytes) -> tuple[Any, Any]:
        record = orjson.loads(text)
        return record["images"], record["texts"]

    for text in sample_texts:
        same(read(text), ours_images_and_texts(text))
    over_all(benchmark, sample_texts, read)


def bench_image_paths_textbook_fast(benchmark: BenchmarkFixture, sample_texts: list[bytes]) -> None:
    benchmark.group = "sample: image paths"
    for text in sample_texts:
        same(_core.Record(text).images, json.loads(text)["images"])
    over_all(benchmark, sample_texts, lambda text: _core.Record(text).images)


def bench_image_paths_msgspec_typed(benchmark: BenchmarkFixture, sample_texts: list[bytes]) -> None:
    msgspec = peer("msgspec")
    fields = [("images", list[str | None])]
    decode = msgspec.json.Decoder(msgspec.defstruct("Sample", fields)).decode
    benchmark.group = "sample: image paths"
    for text in sample_texts:
        same(decode(text).images, _core.Record(text).images)
    over_all(benchmark, sample_texts, decode)


def bench_dict_textbook_fast(benchmark: BenchmarkFixture, sample_texts: list[bytes]) -> None:
    benchmark.group = "sample: whole dict"
    for text in sample_texts:
        same(_core.Record(text).to_dict(), json.loads(text))
    over_all(benchmark, sample_texts, lambda text: _core.Record(text).to_dict())


def bench_dict_orjson(benchmark: BenchmarkFixture, sample_texts: list[bytes]) -> None:
    orjson = peer("orjson")
    benchmark.group = "sample: whole dict"
    for text in sample_texts:
        same(orjson.loads(text), _core.Record(text).to_dict())
    over_all(benchmark, sample_texts, orjson.loads)


def bench_dict_json(benchmark: BenchmarkFixture, sample_texts: list[bytes]) -> None:
    benchmark.group = "sample: whole dict"
    for text in sample_texts:
        same(json.loads(text), _core.Record(text).to_dict())
    over_all(benchmark, sample_texts, json.loads)
