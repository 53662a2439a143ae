"""Memory of several processes on one file: ours, flat beside the shared map, and
``json.load`` in each. A process opens the file, reads samples all over it, and says what
the kernel counts for it alone (private) and as its share of all (proportional).

    python benches/memory_of_processes.py [--mb 256] [--processes 8] [--no-json] [FILE]
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

from textbook_fast.synthetic import write_corpus

BYTES_PER_SAMPLE = 20_000
READS = 20_000

# What each process runs: argv is the file, the side, the number of reads. It waits, so
# that all are measured while all are there.
BODY = """
import json, random, re, sys
path, side, reads = sys.argv[1], sys.argv[2], int(sys.argv[3])
if side == "json.load":
    with open(path, "rb") as file:
        ds = json.load(file)
    texts = lambda i: ds[i]["texts"]
elif side == "textbook_fast":
    import textbook_fast
    ds = textbook_fast.open(path, decode="never")
    texts = lambda i: ds[i].texts
if side != "nothing":
    rng = random.Random(0)
    length = sum(len(t) for _ in range(reads) for t in texts(rng.randrange(len(ds))) if t)
else:
    import numpy
    length = 0
print("ready", length, flush=True)
sys.stdin.readline()
text = open("/proc/self/smaps_rollup").read()
sizes = {k: int(v) for k, v in re.findall(r"^(\\w+): +(\\d+) kB", text, re.M)}
private = sizes["Private_Dirty"] + sizes["Private_Clean"]
print(private, sizes["Pss"], sizes["Anonymous"], flush=True)
sys.stdin.readline()
"""


def main() -> int:
    """Makes a corpus, unless one is named, and prints the table."""
    parser = argparse.ArgumentParser(
        description="Memory of several processes on one file, ours and json.load.",
        epilog="example:\n  python benches/memory_of_processes.py --mb 256 --processes 8",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("file", nargs="?", help="a JSON file that is there already")
    parser.add_argument("--mb", type=float, default=256, help="size of the file that is made")
    parser.add_argument("--processes", type=int, default=8)
    parser.add_argument("--no-json", action="store_true", help="leave json.load out")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="memory_of_processes_") as folder:
        path = Path(arguments.file or Path(folder) / "corpus.json")
        if not arguments.file:
            write_corpus(path, int(arguments.mb * 1e6 / BYTES_PER_SAMPLE))
        print(f"{path.stat().st_size / 1e9:.2f} GB, {READS:,} samples read by each process")
        print("| processes | side | private each, MB | anonymous each, MB | all together, MB |")
        print("|---|---|---|---|---|")
        sides = ["nothing", "textbook_fast"] + ["json.load"] * (not arguments.no_json)
        lengths = {}
        for side in sides:
            for count in (1, arguments.processes):
                rows, read = measure(path, side, count)
                lengths[side] = read
                private, share, anonymous = ([row[k] / 1e3 for row in rows] for k in range(3))
                print(
                    f"| {count} | {side} | {max(private):.0f} | {max(anonymous):.0f} "
                    f"| {sum(share):,.0f} |"
                )
        if "json.load" in lengths and lengths["json.load"] != lengths["textbook_fast"]:
            sys.exit("the two sides read different texts")
    return 0


def measure(path: Path, side: str, count: int) -> tuple[list[list[float]], int]:
    """Private, proportional and anonymous memory of each process, in kB of 1000 bytes."""
    command = [sys.executable, "-c", BODY, str(path), side, str(READS)]
    processes = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for _ in range(count)
    ]
    lengths = {int(ask(process).split()[1]) for process in processes}
    if len(lengths) != 1:
        sys.exit(f"the processes read different texts: {lengths}")
    rows = [
        [int(kib) * 1.024 for kib in ask(process, "measure\n").split()] for process in processes
    ]
    for process in processes:
        process.communicate("end\n")
    return rows, lengths.pop()


def ask(process: subprocess.Popen[str], question: str = "") -> str:
    """Its next line."""
    if process.stdin is None or process.stdout is None:
        raise RuntimeError("a process without pipes")
    process.stdin.write(question)
    process.stdin.flush()
    return process.stdout.readline()


if __name__ == "__main__":
    sys.exit(main())
