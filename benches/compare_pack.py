"""`textbook-fast pack`, and `index --sha256`, beside tar and beside the disk's write rate.

    python benches/compare_pack.py [--mb 1000] [--rounds 2] [--tar MADE_BEFORE.tar] [--folder DIR]

The archive is made as by compare_tar_gz.py. Every command runs in a process of its own; its
time on the clock, its CPU time and its peak of resident memory are printed. What is packed
is compared with the tar, member by member, first. Between two runs the disk is synced.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import random
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
from pathlib import Path

from compare_tar_gz import make

IMAGES_PER_SAMPLE = 11
OURS = [sys.executable, "-m", "textbook_fast"]


def write_samples(plain: Path, path: Path) -> None:
    """Samples that follow each other in the archive, in random order."""
    with tarfile.open(plain) as archive:
        names = [member.name.partition("/")[2] for member in archive if member.isfile()]
    groups = [names[at : at + IMAGES_PER_SAMPLE] for at in range(0, len(names), IMAGES_PER_SAMPLE)]
    random.Random(1).shuffle(groups)
    samples = [
        {"images": images, "texts": [None] * len(images), "image_num": len(images), "text_num": 0}
        for images in groups
    ]
    path.write_text(json.dumps(samples, indent=4))


def contents(path: Path) -> dict[str, bytes]:
    """Sums of all members."""
    with tarfile.open(path) as archive:
        found = {}
        for member in archive:
            file = archive.extractfile(member)
            if file is not None:
                name = member.name.removeprefix("set/")
                found[name] = hashlib.blake2b(file.read()).digest()
        return found


def timed(command: list[str], cwd: Path) -> tuple[float, float, float]:
    """Seconds on the clock, CPU seconds, and MB of memory at most."""
    os.sync()
    began = time.perf_counter()
    process = subprocess.Popen(command, cwd=cwd, stdout=subprocess.DEVNULL)
    # What wait4 says of memory counts what this process has as well.
    memory, status = 0.0, Path(f"/proc/{process.pid}/status")
    while (ended := os.wait4(process.pid, os.WNOHANG))[0] == 0:
        lines = status.read_text().splitlines()
        found = next((line.split()[1] for line in lines if line.startswith("VmHWM")), "0")
        memory = max(memory, int(found) / 1e3)
        time.sleep(0.005)
    clock = time.perf_counter() - began
    assert ended[1] == 0, command
    return clock, ended[2].ru_utime + ended[2].ru_stime, memory


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--mb", type=float, default=1000)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--tar", type=Path, help="made before, with its .gz beside it")
    parser.add_argument("--folder", type=Path, help="where to work")
    parser.add_argument("--only", nargs="*", help="words of the rows that are wanted")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=arguments.folder) as name:
        folder = Path(name)
        plain = arguments.tar or make(folder, arguments.mb)[0]
        measure(plain.resolve(), folder, arguments.rounds, arguments.only)


def measure(plain: Path, folder: Path, rounds: int, only: list[str] | None) -> None:
    archive, size = plain.with_name(plain.name + ".gz"), plain.stat().st_size
    corpus, unpacked, index = folder / "set.json", folder / "unpacked", folder / "set.tfidx"
    sums = folder / "SHA256SUMS"
    write_samples(plain, corpus)
    unpacked.mkdir()
    subprocess.run(["tar", "-xf", str(plain), "-C", str(unpacked)], check=True)
    with archive.open("rb") as file:
        sums.write_text(f"{hashlib.file_digest(file, 'sha256').hexdigest()}  {archive.name}\n")
    subprocess.run([*OURS, "index", str(archive), "--index", str(index)], check=True)
    pack = [*OURS, "pack", str(corpus), "--out", "out.tar", "--images"]
    of_archive = [*pack, str(archive), "--images", str(index)]
    again = [*OURS, "index", str(archive), "--index", "new.tfidx"]
    rows: dict[str, list[str]] = {
        "write and sync zeros": [
            *["dd", "if=/dev/zero", "of=out.tar", "bs=1M", f"count={size >> 20}"],
            *["conv=fsync", "status=none"],
        ],
        "tar -cf, of a folder": ["tar", "-cf", "out.tar", "-C", str(unpacked), "set"],
        "pack, of a folder": [*pack, str(unpacked / "set")],
        "tar -xzf": ["tar", "-xzf", str(archive), "-C", "out"],
        "gzip -dc to a file": ["sh", "-c", f"gzip -dc '{archive}' > out.tar"],
        "pack, of tar": [*pack, str(plain)],
        "pack, of tar.gz": of_archive,
        "pack, of tar.gz, by sample": [*of_archive, "--order", "sample"],
        "pack, of a folder, by sample": [*pack, str(unpacked / "set"), "--order", "sample"],
        "sha256sum": ["sha256sum", str(archive)],
        "index, 1 thread": [*again, "--threads", "1"],
        "index --sha256, 1 thread": [*again, "--threads", "1", "--sha256", str(sums)],
        "index, 2 threads": [*again, "--threads", "2"],
        "index --sha256, 2 threads": [*again, "--threads", "2", "--sha256", str(sums)],
    }
    if only is not None:
        rows = {name: row for name, row in rows.items() if any(word in name for word in only)}
    truth = contents(plain)
    best: dict[str, tuple[float, float, float]] = {}
    for number in range(rounds):
        for name, command in rows.items():
            work = folder / "work"
            (work / "out").mkdir(parents=True)
            found = timed(command, work)
            if name.startswith("pack") and number == 0:
                assert contents(work / "out.tar") == truth, name
            best[name] = min(best.get(name, found), found)
            shutil.rmtree(work)
    print(f"{size / 1e6:,.0f} MB of tar, best of {rounds}")
    print("| | seconds | MB/s of tar | CPU seconds | peak MB |\n|---|---|---|---|---|")
    for name, (clock, cpu, memory) in best.items():
        print(f"| {name} | {clock:.2f} | {size / 1e6 / clock:,.0f} | {cpu:.2f} | {memory:,.0f} |")


if __name__ == "__main__":
    main()
