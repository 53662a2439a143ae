"""The whole comparison with libjpeg-turbo, which takes about an hour: see exhaustive.sh.

Every combination of some factors, the others drawn; broken streams by the hundred
thousand; real keyframes. Writes what came of it between two marks of docs/exactness.md.
"""

from __future__ import annotations

import argparse
import itertools
import os
import platform
import random
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import simplejpeg
from jpeg_cases import Case
from jpeg_compare import LEVELS, REFERENCE, Tally, keep_failures
from jpeg_matrix import Files, Job, Mutations, in_batches, run, workers
from jpeg_streams import MAKERS

ROOT = Path(__file__).resolve().parent.parent
DOCUMENT = ROOT / "docs" / "exactness.md"
MARKS = ("<!-- result of tests/exhaustive.sh -->\n", "<!-- end of the result -->\n")

# For each maker the sets of factors of which every combination comes.
COMPLETE: Mapping[str, Sequence[Sequence[str]]] = {
    "writer": [
        ("sampling", "width", "height"),
        ("sampling", "quality", "coding"),
        ("color", "coding", "scans", "restart", "tables"),
        ("sampling", "coding", "scans", "color", "picture"),
    ],
    "pillow": [
        ("mode", "subsampling", "width", "height"),
        ("mode", "subsampling", "quality", "optimize", "progressive", "restart"),
    ],
    "simplejpeg": [("colorsubsampling", "width", "height"), ("colorsubsampling", "quality")],
    "cjpeg": [
        ("sample", "width", "height"),
        ("sample", "script", "quality"),
        ("sample", "script", "restart", "switch", "picture"),
    ],
    "jpegtran": [("colorsubsampling", "switch", "width", "height")],
    "av": [("format", "width", "height"), ("format", "huffman", "quantizer", "picture")],
}


def cases_of(name: str, part: float) -> Iterator[Case]:
    """Every combination of the complete sets, or a random part of them."""
    factors = MAKERS[name].factors
    rng = random.Random(name)
    for names in COMPLETE[name]:
        for values in itertools.product(*(dict.fromkeys(factors[key]) for key in names)):
            if rng.random() < part:
                drawn = {key: rng.choice(choices) for key, choices in factors.items()}
                yield {**drawn, **dict(zip(names, values, strict=True))}


def jobs(part: float, mutations: int, seed: int) -> Iterator[Job]:
    """Everything."""
    folder = os.environ.get("TEXTBOOK_FAST_KEYFRAMES") or ROOT / "example_data"
    files = sorted(map(str, Path(folder).rglob("*.jpg")))
    yield from (Files(tuple(files[start : start + 50])) for start in range(0, len(files), 50))
    for name, maker in MAKERS.items():
        if maker.is_here():
            yield from in_batches(name, cases_of(name, part))
        else:
            sys.exit(f"needs {maker.package}")
    yield from (Mutations(seed + job, 500) for job in range(mutations // 500))


def report(tally: Tally, seconds: float, part: float) -> str:
    """What is written into the document."""
    git = ["git", "-C", str(ROOT)]
    commit = subprocess.run([*git, "rev-parse", "HEAD"], capture_output=True, text=True)
    changed = subprocess.run([*git, "status", "--porcelain"], capture_output=True, text=True)
    where = (
        f"Commit `{commit.stdout.strip()[:12]}`{' with changes' if changed.stdout else ''}, "
        f"CPython {platform.python_version()}, libjpeg-turbo {REFERENCE} of Pillow, "
        f"warnings by simplejpeg {simplejpeg.__version__}, levels {', '.join(LEVELS)}, "
        f"{part:.0%} of the combinations (--part {part:g}), {seconds / 60:.0f} minutes."
    )
    lines = [
        where,
        "",
        "| | |",
        "|---|---:|",
        f"| failures | {len(tally.failures):,} |",
    ]
    order = sorted(tally.counts.items(), key=lambda item: (not item[0].startswith("of"), -item[1]))
    lines += [f"| {what} | {count:,} |" for what, count in order]
    return "\n".join(lines) + "\n"


def write(text: str) -> None:
    """Puts the result between the document's marks."""
    before, rest = DOCUMENT.read_text().split(MARKS[0])
    _, after = rest.split(MARKS[1])
    DOCUMENT.write_text(f"{before}{MARKS[0]}\n{text}\n{MARKS[1]}{after}")


def main() -> None:
    """Runs it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--part", type=float, default=1, help="the share of the combinations")
    parser.add_argument("--mutations", type=int, default=200_000)
    parser.add_argument("--seed", type=int, default=1_000_000)
    parser.add_argument("--write", action="store_true", help="write into docs/exactness.md")
    parser.add_argument("--failures", type=Path, default=Path("failures"), metavar="FOLDER")
    arguments = parser.parse_args()
    begin = time.monotonic()
    with workers() as executor:
        tally = run(jobs(arguments.part, arguments.mutations, arguments.seed), executor)
    text = report(tally, time.monotonic() - begin, arguments.part)
    sys.stdout.write(text)
    if arguments.write:
        write(text)
    if tally.failures:
        keep_failures(tally, arguments.failures)
        sys.exit(f"{len(tally.failures)} failures, kept in {arguments.failures}")


if __name__ == "__main__":
    main()
