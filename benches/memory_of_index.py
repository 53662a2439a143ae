"""Opens the index of an archive with as many members as the real one: what it takes.

Makes a gzipped tar of N members with names as in the dataset and a few bytes of data each,
indexes it, and opens it in a fresh process: time and resident memory of opening, and of the
first 1000 lookups.

    python benches/memory_of_index.py --members 6500000 --folder DIR
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import zlib
from pathlib import Path

OPEN = """
import random, resource, sys, time
from textbook_fast import _core
path, count = sys.argv[1], int(sys.argv[2])
def rss():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * resource.getpagesize() / 1e6
before = rss()
begin = time.perf_counter()
store = _core.ImageStore([path], progress=False)
opened = time.perf_counter() - begin
after = rss()
numbers = random.Random(1).sample(range(count), 1000)
names = [sys.argv[3].format(v=k // 41, k=k, s=k % 4000 * 7.31, e=k % 4000 * 7.31 + 9.5) for k in numbers]
begin = time.perf_counter()
data = [store.read(name) for name in names]
took = (time.perf_counter() - begin) / len(names)
assert data == [b"%07d" % k for k in numbers]
print(f"{opened * 1e3:.1f} {before:.1f} {after:.1f} {rss():.1f} {took * 1e6:.0f}")
"""
NAME = "dataset_images_interval_7/v{v:010}/v{v:010}@{s}_{e}#{k}.jpg"


def header(name: bytes) -> bytes:
    """A ustar header of seven bytes of data."""
    block = bytearray(512)
    block[: len(name)] = name
    block[100:124] = b"0000644\x000000000\x000000000\x00"
    block[124:148] = b"00000000007\x0000000000000\x00"
    block[148:156] = b" " * 8
    block[156:157] = b"0"
    block[257:265] = b"ustar\x0000"
    block[148:156] = b"%06o\x00 " % sum(block)
    return bytes(block)


def write(path: Path, count: int) -> None:
    """Writes the archive, as one gzip stream."""
    encoder = zlib.compressobj(1, zlib.DEFLATED, 31)
    with path.open("wb") as file:
        for first in range(0, count, 4096):
            blocks = []
            for k in range(first, min(first + 4096, count)):
                seconds = k % 4000 * 7.31
                name = NAME.format(v=k // 41, k=k, s=seconds, e=seconds + 9.5)
                blocks += [header(name.encode()), b"%07d" % k, bytes(505)]
            file.write(encoder.compress(b"".join(blocks)))
        file.write(encoder.compress(bytes(1024)) + encoder.flush())


def main() -> None:
    """Makes what is missing, and measures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--members", type=int, default=6_500_000)
    parser.add_argument("--folder", type=Path, required=True)
    arguments = parser.parse_args()
    path = arguments.folder / f"members_{arguments.members}.tar.gz"
    if not path.exists():
        write(path, arguments.members)
    subprocess.run([sys.executable, "-m", "textbook_fast", "index", str(path)], check=True)
    size = Path(f"{path}.tfidx").stat().st_size
    print(f"index: {size / 1e6:.1f} MB, {size / arguments.members:.1f} bytes a member")
    print("open ms, RSS MB before, after open, after 1000 reads; us a read")
    for _ in range(3):
        call = [sys.executable, "-c", OPEN, str(path), str(arguments.members), NAME]
        print(subprocess.run(call, check=True, capture_output=True, text=True).stdout, end="")


if __name__ == "__main__":
    main()
