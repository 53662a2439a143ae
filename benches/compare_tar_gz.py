"""A gzipped tar as an image store beside indexed_gzip, rapidgzip, ratarmount and tar -xzf.

    pip install indexed_gzip rapidgzip ratarmountcore
    python benches/compare_tar_gz.py [--mb 1000] [--reads 60] [--peer-reads 60]
        [--tar MADE_BEFORE.tar [--index MADE_BEFORE.tfidx]]

The archive is made of the keyframes in TEXTBOOK_FAST_KEYFRAMES (else of the example
data's), under names of the dataset's form, by GNU gzip -6. Each tool opens it at its
defaults and makes its index first; every member that is read is compared with the tar.
A tool that is not installed is left out by name.
"""

from __future__ import annotations

import argparse
import importlib
import io
import os
import random
import resource
import statistics
import subprocess
import tarfile
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from textbook_fast import _core

ROOT = Path(__file__).resolve().parent.parent
Member = tuple[str, int, int]
# A sample of the dataset has so many images, which lie side by side in its archive.
IN_SAMPLE = 11
Read = Callable[[Member], bytes]


def make(folder: Path, megabytes: float) -> tuple[Path, Path]:
    """The archive, plain and gzipped."""
    frames = os.environ.get("TEXTBOOK_FAST_KEYFRAMES") or ROOT / "example_data/sample_100_images"
    data = [path.read_bytes() for path in sorted(Path(frames).rglob("*.jpg"))]
    dice, total, number = random.Random(1), 0, 0
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    plain = folder / "set.tar"
    with tarfile.open(plain, "w", format=tarfile.GNU_FORMAT) as archive:
        while total < megabytes * 1e6:
            vid, start = "".join(dice.choices(letters, k=11)), dice.random() * 20
            for frame in range(dice.randrange(5, 40)):
                content, end = data[number % len(data)], start + dice.random() * 12
                info = tarfile.TarInfo(f"set/{vid}/{vid}@{start}_{end}#{frame % 2 + 1}.jpg")
                info.size, info.mtime = len(content), 1_730_000_000 + dice.randrange(100_000)
                archive.addfile(info, io.BytesIO(content))
                total, number, start = total + len(content), number + 1, end
    subprocess.run(["gzip", "-6", "-k", str(plain)], check=True)
    return plain, plain.with_name("set.tar.gz")


def seconds_of_children() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def of_module(name: str, make_reader: Callable[[Any], Read]) -> tuple[str, Read] | None:
    try:
        return name, make_reader(importlib.import_module(name))
    except ImportError as error:
        print(f"{name} is left out: {error}")
        return None


def readers(archive: Path, index: Path, *, with_peers: bool) -> list[tuple[str, Read]]:
    """Each tool, ready to read."""
    store = _core.ImageStore([str(archive), str(index)])

    def seeking(file: Any) -> Read:
        def read(member: Member) -> bytes:
            file.seek(member[1])
            data: bytes = file.read(member[2])
            return data

        return read

    def of_indexed_gzip(module: Any) -> Read:
        file = module.IndexedGzipFile(str(archive))
        file.build_full_index()
        return seeking(file)

    def of_rapidgzip(module: Any) -> Read:
        file = module.RapidgzipFile(str(archive), parallelization=os.cpu_count())
        file.block_offsets()
        return seeking(file)

    def of_ratarmount(module: Any) -> Read:
        source = module.open_mount_source(str(archive), indexFilePath=":memory:")

        def read(member: Member) -> bytes:
            look = getattr(source, "lookup", None) or source.getFileInfo
            data: bytes = source.read(look("/" + member[0]), member[2], 0)
            return data

        return read

    ours: tuple[str, Read] = ("textbook_fast", lambda member: store.read(member[0]))
    if not with_peers:
        return [ours]
    peers = [
        of_module("indexed_gzip", of_indexed_gzip),
        of_module("rapidgzip", of_rapidgzip),
        of_module("ratarmountcore.mountsource.factory", of_ratarmount),
    ]
    return [ours, *(peer for peer in peers if peer is not None)]


def beside_folder(
    title: str, stores: dict[str, Any], names: list[str], expected: list[bytes]
) -> None:
    """What an image out of the archive takes more than out of a warm folder, one thread."""
    best = dict.fromkeys(stores, float("inf"))
    for _ in range(4):
        for kind, store in stores.items():
            begin = time.perf_counter()
            found = [store.read(name) for name in names]
            best[kind] = min(best[kind], time.perf_counter() - begin)
            assert found == expected, f"the {kind} reads other bytes"
    more = best["archive"] - best["folder"]
    per_image = {kind: seconds / len(names) * 1e3 for kind, seconds in best.items()}
    size = sum(map(len, expected))
    print(
        f"{title}: {len(names):,} of {size / len(names) / 1e3:.1f} kB, "
        "mean of the best of 4 rounds:"
    )
    print(f"  archive {per_image['archive']:.4f} ms, folder {per_image['folder']:.4f} ms")
    print(f"  more: 0.02 ms + bytes / {size / (more - 2e-5 * len(names)) / 1e6:.0f} MB/s")


def decoded(stores: dict[str, Any], samples: list[list[str]]) -> None:
    """Samples a second with all of their images decoded, one thread."""
    best = dict.fromkeys(stores, float("inf"))
    for _ in range(5):
        for kind, store in stores.items():
            begin = time.process_time()
            for names in samples:
                images = _core.load_images(store, names, 1)
                assert all(isinstance(image, np.ndarray) for image in images)
            best[kind] = min(best[kind], time.process_time() - begin)
    print(f"{len(samples)} samples of {len(samples[0])} images, decoded, best of 5, CPU time:")
    for kind, seconds in best.items():
        rate = len(samples) / seconds
        print(f"  {kind}: {rate:.1f} samples/s, {best['folder'] / seconds:.3f} of the folder's")


def cold(files: dict[str, Path], stores: dict[str, Any], samples: list[list[str]]) -> None:
    """A sample's images out of an archive that is not in memory: each asked for by itself,
    and all together. Names of neighbors; the archive is dropped from memory before each.
    """
    print(f"{len(samples)} samples of {len(samples[0])} images, not in memory, median:")
    for kind, path in files.items():
        with path.open("rb") as file:
            os.fsync(file.fileno())
            times: dict[str, list[float]] = {}
            for names in samples:
                found = []
                for way in ("each, 1 thread", "together, 1 thread", "together, 2 threads"):
                    os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
                    begin = time.perf_counter()
                    if way.startswith("each"):
                        found.append([stores[kind].read(name) for name in names])
                    else:
                        found.append(_core.read_images(stores[kind], names, int(way[10])))
                    times.setdefault(way, []).append(time.perf_counter() - begin)
                assert found[0] == found[1] == found[2], f"the {kind} reads other bytes"
            for way, seconds in times.items():
                print(f"  {kind}, {way}: {statistics.median(seconds) * 1e3:.2f} ms")


def choose(plain: Path, reads: int) -> tuple[list[Member], list[Member], list[bytes]]:
    """All members, some of them at random, and the bytes of those."""
    with tarfile.open(plain) as file:
        members = [(m.name, m.offset_data, m.size) for m in file if m.isfile()]
    chosen = random.Random(2).sample(members, reads)
    with plain.open("rb") as data:
        return members, chosen, [(data.seek(at), data.read(size))[1] for _, at, size in chosen]


def of_ours_alone(plain: Path, archive: Path, index: Path, reads: int) -> None:
    """Our random reads in this process, which has done nothing else."""
    _, chosen, expected = choose(plain, reads)
    [(tool, read)] = readers(archive, index, with_peers=False)
    latency(tool, read, chosen, expected)


def latency(tool: str, read: Read, chosen: list[Member], expected: list[bytes]) -> None:
    """Random reads: time on the clock, and CPU time, which knows no other processes."""
    times: dict[str, list[float]] = {"clock": [], "CPU": []}
    for member, data in zip(chosen, expected, strict=False):
        begin, cpu = time.perf_counter(), time.thread_time()
        found = read(member)
        times["CPU"].append((time.thread_time() - cpu) * 1e3)
        times["clock"].append((time.perf_counter() - begin) * 1e3)
        assert found == data, f"{tool} reads other bytes"
    for kind, values in times.items():
        values.sort()
        median, p99 = statistics.median(values), values[int(len(values) * 0.99)]
        print(f"{tool}, {kind}: median {median:.3f} ms, p99 {p99:.3f} ms, {p99 / median:.2f} x")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--mb", type=float, default=1000)
    parser.add_argument("--reads", type=int, default=60)
    parser.add_argument("--tar", type=Path, help="made before; its .gz lies beside it")
    parser.add_argument("--index", type=Path, help="made before: nothing but our random reads")
    parser.add_argument("--peer-reads", type=int, default=60, help="0 leaves the peers out")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        plain, archive = (
            (arguments.tar, Path(f"{arguments.tar}.gz"))
            if arguments.tar
            else make(folder, arguments.mb)
        )
        if arguments.index:
            of_ours_alone(plain, archive, arguments.index, arguments.reads)
            return
        sizes = f"{plain.stat().st_size / 1e6:,.0f} MB of tar, {archive.stat().st_size / 1e6:,.0f}"
        index = folder / "set.tfidx"
        begin = time.process_time()
        info = _core.index_archive(
            [str(archive)], index=str(index), rebuild=True, threads=1, progress=False
        )
        ours = time.process_time() - begin
        begin = seconds_of_children()
        (folder / "out").mkdir()
        subprocess.run(["tar", "-xzf", str(archive), "-C", str(folder / "out")], check=True)
        tar = seconds_of_children() - begin
        print(f"{sizes} MB gzipped, {info['members']:,} members")
        print(f"index: {info['index_bytes'] / info['members']:.0f} bytes a member")
        print(f"CPU time: index {ours:.1f} s, tar -xzf {tar:.1f} s ({tar / ours:.2f} x)")
        members, chosen, expected = choose(plain, arguments.reads)
        stores = {
            "folder": _core.ImageStore([str(folder / "out" / "set")]),
            "archive": _core.ImageStore([str(archive), str(index)]),
        }
        # What was unpacked is written to the disk meanwhile, else.
        os.sync()
        beside_folder("random keyframes", stores, [name for name, _, _ in chosen], expected)
        dice = random.Random(3)
        count = max(1, min(arguments.reads, 2000) // IN_SAMPLE)
        starts = [dice.randrange(len(members) - IN_SAMPLE) for _ in range(count)]
        samples = [[name for name, *_ in members[at : at + IN_SAMPLE]] for at in starts]
        together = [name for names in samples for name in names]
        expected_together = [stores["folder"].read(name) for name in together]
        beside_folder(f"batches of {IN_SAMPLE} neighbors", stores, together, expected_together)
        stores["plain tar"] = _core.ImageStore([str(plain)])
        decoded(stores, samples[:60])
        for tool, read in readers(archive, index, with_peers=arguments.peer_reads > 0):
            count = len(chosen) if tool == "textbook_fast" else arguments.peer_reads
            latency(tool, read, chosen[:count], expected)
        cold({"plain tar": plain, "archive": archive}, stores, samples[:100])


if __name__ == "__main__":
    main()
