"""Our JPEG decoder beside the peers that are installed, on one thread, in one run.

For each picture all decoders take turns, best of the rounds, in CPU time of the process
(other processes take turns too); their pixels are compared first. Prints a Markdown table for each group:

    TEXTBOOK_FAST_KEYFRAMES=... python benches/compare_decode.py --rounds 7
"""

from __future__ import annotations

import argparse
import gc
import os
import sys
import time
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import numpy as np
from _pytest.outcomes import Skipped
from decoders import GROUPS, Decode, difference

from textbook_fast import _core

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = {"cv2": "opencv-python-headless", "textbook_fast": "textbook-fast"}


def installed(group: str, only: list[str] | None) -> dict[str, Decode]:
    """The decoders of a group whose packages are here, or ours and only some of the others."""
    found = {}
    for name, make in GROUPS[group].items():
        if only and name not in {*only, "textbook_fast"}:
            continue
        try:
            found[name] = make()
        except Skipped as reason:
            sys.stderr.write(f"{group}: {reason}\n")
    return found


def measure(decoders: dict[str, Decode], files: list[bytes], rounds: int) -> dict[str, list[float]]:
    """Milliseconds of each file, best of the rounds."""
    best = {name: [float("inf")] * len(files) for name in decoders}
    for number, data in enumerate(files):
        for _ in range(rounds):
            for name, decode in decoders.items():
                begin = time.process_time()
                result = decode(data)
                taken = (time.process_time() - begin) * 1e3
                del result
                best[name][number] = min(best[name][number], taken)
    return best


def table(group: str, files: list[bytes], rounds: int, only: list[str] | None) -> None:
    """Compares, measures and prints."""
    decoders = installed(group, only)
    ours = decoders["textbook_fast"]
    differ = {
        name: max(difference(ours(data), decode(data)) for data in files)
        for name, decode in decoders.items()
    }
    best = measure(decoders, files, rounds)
    times = np.array(best["textbook_fast"])
    head = "CPU ms an image | ours is faster by: geometric mean | median | worst file | pixels"
    lines = [f"\n| {group} | {head} |", "|---|---:|---:|---:|---:|---|"]
    for name, taken in best.items():
        ratios = np.array(taken) / times
        pixels = f"differ by up to {differ[name]}" if differ[name] else "equal"
        shown = (np.exp(np.log(ratios).mean()), np.median(ratios), ratios.min())
        figures = " | ".join(f"{value:.2f}" for value in shown)
        lines.append(f"| {label(name)} | {np.mean(taken):.2f} | {figures} | {pixels} |")
    sys.stdout.write("\n".join(lines) + "\n")


def label(name: str) -> str:
    """The decoder's name and version."""
    package = PACKAGES.get(name, name)
    try:
        return f"{name} {version(package)}"
    except PackageNotFoundError:
        return name


def main() -> None:
    """All groups, or one."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--files", type=int, default=1000, help="how many files at most")
    parser.add_argument("--group", choices=list(GROUPS), action="append")
    parser.add_argument("--only", action="append", help="a peer; the others' memory disturbs less")
    arguments = parser.parse_args()
    folder = os.environ.get("TEXTBOOK_FAST_KEYFRAMES") or ROOT / "example_data"
    paths = sorted(Path(folder).rglob("*.jpg"))
    files = [path.read_bytes() for path in paths[:: -(-len(paths) // arguments.files)]]
    sys.stdout.write(
        f"{len(files)} files, level {_core.simd_level()}, best of {arguments.rounds}\n"
    )
    gc.disable()
    for group in arguments.group or GROUPS:
        table(group, files, arguments.rounds, arguments.only)


if __name__ == "__main__":
    main()
