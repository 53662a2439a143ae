"""Plain tar beside Python's tarfile and beside a folder, interleaved; prints a table.

    python benches/compare_tar.py [--samples 600] [--rounds 9]

The archive is made of the keyframes in TEXTBOOK_FAST_KEYFRAMES (else of the example
data's), under names of the dataset's form. Every result is compared before it is timed.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import random
import tarfile
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import textbook_fast
from textbook_fast import _core
from textbook_fast.synthetic import write_corpus

ROOT = Path(__file__).resolve().parent.parent


def interleaved(
    rounds: int,
    bodies: dict[str, Callable[[], object]],
    clock: Callable[[], float] = time.process_time,
) -> dict[str, float]:
    """The best time of each body; they take turns. By default the CPU time of all threads:
    what a busy machine makes them wait does not count, and all lies in the page cache.
    """
    times: dict[str, list[float]] = {name: [] for name in bodies}
    for _ in range(rounds):
        for name, body in bodies.items():
            begin = clock()
            body()
            times[name].append(clock() - begin)
    return {name: min(of_one) for name, of_one in times.items()}


def make(folder: Path, samples: int) -> tuple[Path, Path, Path, list[str]]:
    """A corpus, and its images as a tar and as a folder."""
    frames = os.environ.get("TEXTBOOK_FAST_KEYFRAMES") or ROOT / "example_data/sample_100_images"
    data = [path.read_bytes() for path in sorted(Path(frames).rglob("*.jpg"))]
    corpus, tar, images = folder / "corpus.json", folder / "images.tar", folder / "images"
    write_corpus(corpus, samples)
    paths = [path for record in json.loads(corpus.read_text()) for path in record["images"] if path]
    names = ["/".join(path.split("/")[-2:]) for path in dict.fromkeys(paths)]
    with tarfile.open(tar, "w", format=tarfile.GNU_FORMAT) as archive:
        for number, name in enumerate(names):
            content = data[number % len(data)]
            info = tarfile.TarInfo(f"dataset_images_interval_7/{name}")
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
            place = images / name
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(content)
    return corpus, tar, images, names


def walk(tar: Path, rounds: int) -> None:
    def with_tarfile() -> list[tuple[str, int, int]]:
        with tarfile.open(tar, "r:") as archive:
            return [(info.name, info.offset_data, info.size) for info in archive.getmembers()]

    listed, _ = _core.list_tar(str(tar))
    members = len(listed)
    assert [(name.decode(), data, size) for name, _, _, _, data, size in listed] == with_tarfile()
    index = Path(f"{tar}.tfidx")

    def open_store() -> _core.ImageStore:
        index.unlink(missing_ok=True)
        return _core.ImageStore([str(tar)])

    bodies: dict[str, Callable[[], object]] = {
        "tarfile.getmembers": with_tarfile,
        "walk and index": open_store,
    }
    print(f"{members:,} members, {tar.stat().st_size / 1e6:,.0f} MB")
    for title, clock in (("wall", time.perf_counter), ("CPU", time.process_time)):
        best = interleaved(rounds, bodies, clock)
        theirs, ours = best.values()
        for name, seconds in best.items():
            print(f"  {name:<24} {seconds / members * 1e6:8.2f} us a member, {title}")
        print(f"  ratio                    {theirs / ours:8.1f}")


def read(tar: Path, images: Path, names: list[str], rounds: int) -> None:
    """Random images, bytes alone."""
    stores = {"folder": _core.ImageStore([str(images)]), "tar": _core.ImageStore([str(tar)])}
    chosen = random.Random(0).sample(names, min(len(names), 2000))
    for name in chosen:
        assert stores["folder"].read(name) == stores["tar"].read(name)

    def of(store: _core.ImageStore) -> Callable[[], object]:
        return lambda: sum(len(store.read(name)) for name in chosen)

    best = interleaved(rounds, {name: of(store) for name, store in stores.items()})
    print("bytes of a random image, warm")
    for name, seconds in best.items():
        print(f"  {name:<24} {seconds / len(chosen) * 1e6:8.2f} us")
    print(f"  rate of tar / folder     {best['folder'] / best['tar']:8.3f}")


def decode(corpus: Path, tar: Path, images: Path, rounds: int) -> None:
    """Samples of a dataset with their images, one thread."""
    opened = {
        "folder": textbook_fast.open(corpus, images=images, threads=1),
        "tar": textbook_fast.open(corpus, images=tar, threads=1),
    }
    chosen = random.Random(1).sample(range(len(opened["tar"])), min(len(opened["tar"]), 40))
    count = 0
    for index in chosen:
        for one, other in zip(
            opened["folder"][index].images, opened["tar"][index].images, strict=True
        ):
            assert (one is None) == (other is None)
            if one is not None and other is not None:
                assert bytes(one) == bytes(other)
                count += 1

    def of(ds: textbook_fast.Dataset) -> Callable[[], object]:
        return lambda: sum(len(ds[index].images) for index in chosen)

    best = interleaved(rounds, {name: of(ds) for name, ds in opened.items()})
    print(f"samples with {count / len(chosen):.1f} images, decoded, one thread")
    for name, seconds in best.items():
        print(f"  {name:<24} {len(chosen) / seconds:8.1f} samples/s")
    print(f"  rate of tar / folder     {best['folder'] / best['tar']:8.3f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--samples", type=int, default=600)
    parser.add_argument("--rounds", type=int, default=9)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        corpus, tar, images, names = make(folder, arguments.samples)
        walk(tar, arguments.rounds)
        read(tar, images, names, arguments.rounds)
        decode(corpus, tar, images, arguments.rounds)


if __name__ == "__main__":
    main()
