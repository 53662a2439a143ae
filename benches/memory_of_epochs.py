"""What a training process and its workers hold, epoch after epoch. Prints tables.

    python benches/memory_of_epochs.py [--samples 96] [--epochs 3] [--workers 8] [--only ...]

``loader``: RSS while a `Loader` runs, consumed at once or by a consumer that is slower than
decoding. ``workers``: a torch DataLoader, ours and today's way (json.load and PIL), RSS and
PSS (memory that several share counts in parts) of all its processes together.

Pictures are the keyframes in TEXTBOOK_FAST_KEYFRAMES (else the example data's). Each becomes
(3, 336, 336) float32. Every measurement is made in a process of its own.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from compare_loader import BATCH, Files, by_pillow, transform

import textbook_fast
from textbook_fast import Loader, _core
from textbook_fast.synthetic import link_images, write_corpus

ROOT = Path(__file__).resolve().parent.parent
# Longer than decoding a batch of 8 takes.
SLOW_SECONDS = 0.25
PREFETCH = 128 << 20


def rss() -> float:
    """Of this process, in MB."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096 / 1e6


def together(name: str) -> float:
    """The sum of a line of ``smaps_rollup`` over this process and its children, in MB."""
    own, kib = os.getpid(), 0
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
            if own not in {parent, int(folder.name)}:
                continue
            text = (folder / "smaps_rollup").read_text()
        except OSError:  # a process that has just ended
            continue
        found = re.search(rf"^{name}: +(\d+) kB", text, re.MULTILINE)
        kib += int(found[1]) if found else 0
    return kib * 1.024e-3


def run_loader(corpus: Path, images: Path, epochs: int, wait: float) -> None:
    """Prints the most RSS of each epoch."""
    ds = textbook_fast.open(corpus, images=images, transform=transform())
    before = rss()
    loader = Loader(ds, BATCH, shuffle=True, threads=2, prefetch_bytes=PREFETCH)
    most = []
    for _ in range(epochs):
        seen = []
        for batch in loader:
            assert len(batch)
            seen.append(rss())
            time.sleep(wait)
        most.append(max(seen))
    held, kept = loader.stats()["most_held_bytes"] / 1e6, _core.kept_bytes() / 1e6
    del batch
    loader.close()
    cells = [f"{before:.0f}", ", ".join(f"{value:.0f}" for value in most)]
    print(" | ".join([*cells, f"{held:.0f}", f"{kept:.0f}", f"{rss():.0f}"]))


def run_workers(corpus: Path, images: Path, epochs: int, side: str, workers: int) -> None:
    """Prints the most RSS and PSS of each epoch, of all processes together."""
    from torch.utils.data import DataLoader

    from textbook_fast.torch import collate

    dataset: Any
    make: Callable[..., Any]
    if side == "textbook_fast":
        dataset, make = textbook_fast.open(corpus, images=images, transform=transform()), collate
    else:
        dataset, make = Files(corpus, images, by_pillow), list
    loader: Any = DataLoader(
        dataset,
        batch_size=BATCH,
        shuffle=True,
        num_workers=workers,
        collate_fn=make,
        persistent_workers=True,
    )
    most: dict[str, list[float]] = {"Rss": [], "Pss": []}
    for _ in range(epochs):
        seen: dict[str, list[float]] = {name: [] for name in most}
        for batch in loader:
            assert len(batch)
            for name, values in seen.items():
                values.append(together(name))
        for name, values in seen.items():
            most[name].append(max(values))
    print(" | ".join(", ".join(f"{value:,.0f}" for value in most[name]) for name in most))


def measure(*arguments: object) -> str:
    """What a process of its own prints."""
    command = [sys.executable, __file__, "--run", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(done.stderr)
    return done.stdout.strip()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--samples", type=int, default=96)
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--workers", type=int, default=8)
    parser.add_argument("--only", nargs="*", default=["loader", "workers"])
    parser.add_argument("--run", nargs="*", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.run:
        kind, corpus, images, epochs, *rest = options.run
        if kind == "loader":
            run_loader(Path(corpus), Path(images), int(epochs), float(rest[0]))
        else:
            run_workers(Path(corpus), Path(images), int(epochs), rest[0], int(rest[1]))
        return
    with tempfile.TemporaryDirectory() as folder:
        corpus, images = Path(folder) / "corpus.json", Path(folder) / "images"
        frames = os.environ.get("TEXTBOOK_FAST_KEYFRAMES") or ROOT / "example_data"
        write_corpus(corpus, options.samples)
        link_images(corpus, images, sorted(Path(frames).rglob("*.jpg")))
        if "loader" in options.only:
            print("| a Loader, MB | before | most of each epoch | prefetched | kept | closed |")
            print("|---|---|---|---|---|---|")
            for name, wait in (("consumed at once", 0), ("a slow consumer", SLOW_SECONDS)):
                print(f"| {name} | {measure('loader', corpus, images, options.epochs, wait)} |")
        if "workers" in options.only:
            print(f"\n| DataLoader, {options.workers} workers, MB | RSS | PSS |\n|---|---|---|")
            for side in ("textbook_fast", "json.load and PIL"):
                found = measure("workers", corpus, images, options.epochs, side, options.workers)
                print(f"| {side} | {found} |")


if __name__ == "__main__":
    main()
