"""Compressed JSON beside gzip and json, indexed_gzip, and the same JSON unpacked.

    pip install indexed_gzip
    python benches/compare_text_stream.py [--mb 400] [--reads 300] [--folder MADE_BEFORE]

The corpus has the dataset's proportions; its speech is drawn from 20,000 made-up words by
Zipf's law, so that it compresses as speech does. Compressed by gzip -6, and as a zip.
Every record that is read is compared with the unpacked one first. The whole text is read by
one thread; what json does is timed on the first tenth of the text, and stated for all of it.
"""

from __future__ import annotations

import argparse
import gzip
import importlib
import json
import random
import shutil
import statistics
import subprocess
import tempfile
import time
import zipfile
from collections.abc import Callable
from pathlib import Path

import textbook_fast
from textbook_fast import synthetic
from textbook_fast.dataset import build_index, open_unkept

Read = Callable[[int], bytes]
VOCABULARY = 20_000
SYLLABLES = [a + b + c for a in "bcdfghlmnprstv" for b in "aeiou" for c in ("", "n", "r", "s")]
BYTES_PER_SAMPLE = 20_000


def words() -> list[str]:
    """Words as often as Zipf's law has them."""
    dice = random.Random(1)
    made = [
        "".join(dice.choices(SYLLABLES, k=dice.choice([1, 1, 2, 2, 3]))) for _ in range(VOCABULARY)
    ]
    return [word for rank, word in enumerate(made, 1) for _ in range(1 + VOCABULARY // rank)]


def make(folder: Path, megabytes: float) -> None:
    synthetic.WORDS = words()
    plain = folder / "corpus.json"
    synthetic.write_corpus(plain, int(megabytes * 1e6 / BYTES_PER_SAMPLE))
    subprocess.run(["gzip", "-6", "-k", str(plain)], check=True)
    with zipfile.ZipFile(folder / "corpus.json.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.write(plain, plain.name)


def timed(body: Callable[[], object]) -> tuple[float, float]:
    """CPU seconds, and seconds on the clock."""
    cpu, clock = time.process_time(), time.perf_counter()
    body()
    return time.process_time() - cpu, time.perf_counter() - clock


def passes(folder: Path) -> None:
    path = folder / "corpus.json.gz"
    length = (folder / "corpus.json").stat().st_size
    path.read_bytes()  # into the page cache

    def inflate() -> None:
        with gzip.open(path) as file:
            while file.read(1 << 20):
                pass

    def parse() -> None:
        tenth = (folder / "corpus.json").read_bytes()[: length // 10]
        json.loads(tenth[: tenth.rindex(b"\n    },")] + b"}]")

    best: dict[str, tuple[float, float]] = {}
    bodies: dict[str, Callable[[], object]] = {
        "index, 1 thread": lambda: build_index(path, rebuild=True, threads=1),
        "index, 2 threads": lambda: build_index(path, rebuild=True, threads=2),
        "gzip.open, read": inflate,
        "json.loads of a tenth": parse,
    }
    for _ in range(3):
        for name, body in bodies.items():
            cpu, clock = timed(body)
            before = best.get(name, (cpu, clock))
            best[name] = (min(cpu, before[0]), min(clock, before[1]))
    for name, (cpu, clock) in best.items():
        print(f"{name}: {cpu:.2f} s of CPU, {clock:.2f} s, {length / clock / 1e6:,.0f} MB/s")
    ours = best["index, 1 thread"][1]
    today = best["gzip.open, read"][1] + 10 * best["json.loads of a tenth"][1]
    print(f"gzip and json: {today:.1f} s, {today / ours:.1f} x ours on one thread")
    index = Path(f"{path}.tfidx").stat().st_size
    records = len(open_unkept(folder / "corpus.json")) * 8
    print(
        f"index: {index:,} bytes, {(index - records) / (length / 1e6):,.0f} bytes for each MB of "
        "text beside the offsets of the records"
    )


def of_indexed_gzip(folder: Path, spans: dict[int, tuple[int, int]]) -> list[tuple[str, Read]]:
    """The peer at its defaults, and with as many points as ours."""
    try:
        module = importlib.import_module("indexed_gzip")
    except ImportError as error:
        print(f"indexed_gzip is left out: {error}")
        return []

    def reader(**options: int) -> Read:
        file = module.IndexedGzipFile(str(folder / "corpus.json.gz"), **options)
        file.build_full_index()

        def read(index: int) -> bytes:
            start, length = spans[index]
            file.seek(start)
            found: bytes = file.read(length)
            return found

        return read

    return [
        ("indexed_gzip, its defaults", reader()),
        ("indexed_gzip, a point each MiB", reader(spacing=1 << 20)),
    ]


def spans_of(plain: textbook_fast.Dataset, path: Path) -> dict[int, tuple[int, int]]:
    """Where each record lies in the text, for a peer that knows no JSON."""
    text, at = path.read_bytes(), 0
    spans: dict[int, tuple[int, int]] = {}
    for index in range(len(plain)):
        record = plain.record(index)
        at = text.index(record, at)
        spans[index] = (at, len(record))
        at += len(record)
    return spans


def reads(folder: Path, count: int) -> None:
    plain = textbook_fast.open(folder / "corpus.json")
    chosen = random.Random(2).sample(range(len(plain)), min(count, len(plain)))
    names = ("corpus.json", "corpus.json.gz", "corpus.json.zip")
    ours: list[tuple[str, Read]] = [
        (name, textbook_fast.open(folder / name, threads=1).record) for name in names
    ]
    readers = ours + of_indexed_gzip(folder, spans_of(plain, folder / "corpus.json"))
    times: dict[str, list[float]] = {name: [] for name, _ in readers}
    for index in chosen:
        record = plain.record(index)
        for name, read in readers:
            begin = time.perf_counter()
            found = read(index)
            times[name].append((time.perf_counter() - begin) * 1e3)
            assert found == record, f"{name} reads other bytes"
    for name, taken in times.items():
        taken.sort()
        median, p99 = statistics.median(taken), taken[int(len(taken) * 0.99)]
        print(f"{name}: median {median:.3f} ms, p99 {p99:.3f} ms, longest {taken[-1]:.3f} ms")
    for name, read in ours:
        begin = time.perf_counter()
        for index in range(len(plain) // 4):
            read(index)
        each = (time.perf_counter() - begin) / (len(plain) // 4)
        print(f"{name}, one after the other: {each * 1e3:.4f} ms a record")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--mb", type=float, default=400)
    parser.add_argument("--reads", type=int, default=300)
    parser.add_argument("--folder", type=Path, help="where the corpus is, or is made and kept")
    parser.add_argument("--only", choices=["pass", "reads"])
    arguments = parser.parse_args()
    folder = arguments.folder or Path(tempfile.mkdtemp())
    try:
        if not (folder / "corpus.json.zip").exists():
            make(folder, arguments.mb)
        sizes = [(folder / name).stat().st_size / 1e6 for name in ("corpus.json", "corpus.json.gz")]
        print(f"{sizes[0]:,.0f} MB of text, {sizes[1]:,.0f} MB after gzip -6")
        if arguments.only != "reads":
            passes(folder)
        if arguments.only != "pass":
            reads(folder, arguments.reads)
    finally:
        if arguments.folder is None:
            shutil.rmtree(folder)


if __name__ == "__main__":
    main()
