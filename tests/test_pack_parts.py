"""A split archive that becomes one tar while its parts are removed: killed, refused, whole."""

from __future__ import annotations

import gzip
import io
import json
import os
import pty
import random
import shutil
import signal
import subprocess
import sys
import tarfile
import time
from pathlib import Path

import pytest
from conftest import Writer, record

import textbook_fast
from textbook_fast.cli import main
from textbook_fast.pack import pack
from textbook_fast.pack_parts import PartsPlan, PartsReport, is_begun, pack_parts, plan_parts

KILLS = 24
PARTS = 6


def data_of(number: int) -> bytes:
    return random.Random(number).randbytes(random.Random(-number).randrange(30_000))


@pytest.fixture
def images() -> dict[str, bytes]:
    return {f"v{k % 7}/v{k % 7}@{k}.25_{k + 1}.5#1.jpg": data_of(k) for k in range(90)}


@pytest.fixture
def corpus(write_json: Writer, images: dict[str, bytes]) -> Path:
    return write_json([record(name) for name in images], "json/corpus.json")


def write_parts(folder: Path, images: dict[str, bytes], count: int = PARTS) -> list[Path]:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for name, content in images.items():
            info = tarfile.TarInfo(f"set/{name}")
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    stream = gzip.compress(out.getvalue(), 6)
    size = len(stream) // count + 1
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"set.tar.gz.part_{k:02}" for k in range(count)]
    for k, path in enumerate(paths):
        path.write_bytes(stream[k * size : (k + 1) * size])
    return paths


@pytest.fixture
def expected(tmp_path: Path, corpus: Path, images: dict[str, bytes]) -> tuple[bytes, bytes]:
    """The pack, and its index, as they are when nothing is removed."""
    parts = write_parts(tmp_path / "undisturbed", images)
    out = tmp_path / "undisturbed" / "pack.tar"
    pack(textbook_fast.open(corpus, images=parts[0]), out)
    return out.read_bytes(), Path(f"{out}.tfidx").read_bytes()


def run(images: object, out: Path, stride: int = 50_000) -> PartsReport:
    plan = plan_parts(images, out, checkpoint_bytes=stride)  # type: ignore[arg-type]
    if isinstance(plan, PartsReport):
        return plan
    return pack_parts(plan, checkpoint_bytes=stride)


def check_whole(folder: Path, out: Path, expected: tuple[bytes, bytes]) -> None:
    assert (out.read_bytes(), Path(f"{out}.tfidx").read_bytes()) == expected
    assert sorted(folder.iterdir()) == [out, Path(f"{out}.tfidx")], "nothing else is left"


def test_the_parts_become_one_tar(
    tmp_path: Path, corpus: Path, images: dict[str, bytes], expected: tuple[bytes, bytes]
) -> None:
    folder = tmp_path / "set"
    parts = write_parts(folder, images)
    out = folder / "pack.tar"
    plan = plan_parts(parts[0], out)
    assert isinstance(plan, PartsPlan)
    assert plan.parts == [str(part) for part in parts]
    assert plan.bytes == len(expected[0])
    assert all(part.exists() for part in parts)
    assert not list(folder.glob("pack*")), "a plan writes nothing"
    report = pack_parts(plan)
    assert (report.members, report.resumed) == (90, 0)
    assert report.removed == [str(part) for part in parts]
    assert report.bytes + 1024 == len(expected[0])
    check_whole(folder, out, expected)
    ds = textbook_fast.open(corpus, images=out)
    assert [ds.read_image(name) for name in images] == list(images.values())


KILLED = """
import sys
from textbook_fast.pack_parts import PartsPlan, pack_parts, plan_parts
images, out = sys.argv[1:]
plan = plan_parts(images, out, checkpoint_bytes=20_000)
print("begin", flush=True)
if isinstance(plan, PartsPlan):
    pack_parts(plan, checkpoint_bytes=20_000)
print("end", flush=True)
"""


@pytest.mark.slow
def test_killed_at_random_moments_it_goes_on_without_what_is_gone(
    tmp_path: Path, images: dict[str, bytes], expected: tuple[bytes, bytes]
) -> None:
    rng = random.Random(5)
    kills = rounds = 0
    with_gaps = set()
    whole_run = 0.15
    while kills < KILLS:
        rounds += 1
        folder = tmp_path / f"round_{rounds}"
        parts = write_parts(folder, images)
        largest = max(part.stat().st_size for part in parts)
        out = folder / "pack.tar"
        # Always the same call, by the name of a part that is soon gone.
        call = [sys.executable, "-c", KILLED, str(parts[0]), str(out)]
        while True:
            process = subprocess.Popen(call, stdout=subprocess.PIPE)
            assert process.stdout is not None
            assert process.stdout.readline() == b"begin\n", "it never asks for what is gone"
            begin = time.monotonic()
            time.sleep(rng.random() * whole_run)
            process.send_signal(signal.SIGKILL)
            left = process.stdout.read()
            process.stdout.close()
            process.wait()
            # It may be killed between its end and the word of it.
            if left or (out.exists() and not is_begun(out)):
                whole_run = max(0.02, time.monotonic() - begin)
                break
            kills += 1
            there = [part.exists() for part in parts]
            with_gaps.add(sum(there))
            assert out.exists() or there[-1]
            assert there == sorted(there), "in their order"
            sizes = [
                path.stat().st_size for path in (*parts, out, Path(f"{out}.part")) if path.exists()
            ]
            assert sum(sizes) <= len(expected[0]) + largest + 100_000
        check_whole(folder, out, expected)
        shutil.rmtree(folder)
    assert len(with_gaps) > 2, f"killed with {with_gaps} parts left only"


def test_it_goes_on_however_the_parts_are_named(
    tmp_path: Path, images: dict[str, bytes], expected: tuple[bytes, bytes]
) -> None:
    for number in range(5):
        folder = tmp_path / str(number)
        parts = write_parts(folder, images)
        out = folder / "pack.tar"
        stop_half_way(parts, out)
        assert not parts[0].exists()
        left = [str(part) for part in parts if part.exists()]
        ways: list[object] = [parts[0], left, folder, f"{folder}/set.tar.gz.part_*", None]
        assert is_begun(out)
        with pytest.raises(ValueError, match="none of them"):
            plan_parts(tmp_path / "other.tar.gz", out)
        report = run(ways[number], out)
        assert report.resumed > 0
        assert report.removed == left
        check_whole(folder, out, expected)
        with pytest.raises(textbook_fast.SourceError, match=r"pack\.tar"):
            plan_parts(folder, out)


LIMITED = """
import os, resource, signal, sys
import textbook_fast
from textbook_fast.pack_parts import pack_parts, plan_parts
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
images, out, limit = sys.argv[1:]
plan = plan_parts(images, out, checkpoint_bytes=50_000)
resource.setrlimit(resource.RLIMIT_FSIZE, (int(limit), int(limit)))
try:
    pack_parts(plan, checkpoint_bytes=50_000)
except textbook_fast.SourceError as error:
    print(error)
    sys.exit(3)
"""


def stop_half_way(parts: list[Path], out: Path, limit: int = 600_000) -> str:
    """No file may grow beyond a limit: writes fail as on a full disk."""
    call = [sys.executable, "-c", LIMITED, str(parts[0]), str(out), str(limit)]
    done = subprocess.run(call, capture_output=True, text=True, timeout=120)
    assert done.returncode == 3, done.stderr
    return done.stdout


def test_a_full_disk_removes_nothing_that_is_not_written(
    tmp_path: Path, images: dict[str, bytes], expected: tuple[bytes, bytes]
) -> None:
    folder = tmp_path / "set"
    parts = write_parts(folder, images)
    out = folder / "pack.tar"
    # Not even the first part.
    assert "cannot write" in stop_half_way(parts, out, 30_000)
    assert all(part.exists() for part in parts)
    for limit in (300_000, 600_000, 900_000):
        assert "pack.tar" in stop_half_way(parts, out, limit)
        written = Path(f"{out}.part").stat().st_size
        gone = sum(not part.exists() for part in parts)
        assert gone * len(expected[0]) / PARTS <= written + 20_000
    assert not parts[0].exists()
    run(parts[0], out)
    check_whole(folder, out, expected)


def test_too_little_room_is_told_beforehand(tmp_path: Path, images: dict[str, bytes]) -> None:
    parts = write_parts(tmp_path, images)
    plan = plan_parts(parts[0], tmp_path / "pack.tar")
    assert isinstance(plan, PartsPlan)
    assert 0 < plan.bytes_needed < plan.bytes + 25 * 90 + 8192 + 1
    poor = PartsPlan(
        plan.path, plan.parts, plan.bytes, plan.bytes_needed, plan.bytes_needed - 1, plan.removal
    )
    with pytest.raises(textbook_fast.SourceError, match="are free: nothing is removed"):
        pack_parts(poor)
    assert all(part.exists() for part in parts)


def test_a_part_that_changes_meanwhile_is_not_removed(
    tmp_path: Path, images: dict[str, bytes], expected: tuple[bytes, bytes]
) -> None:
    folder = tmp_path / "set"
    parts = write_parts(folder, images)
    out = folder / "pack.tar"
    stop_half_way(parts, out)
    left = [part for part in parts if part.exists()]
    own = left[1].read_bytes()
    left[1].write_bytes(own[::-1])
    with pytest.raises(textbook_fast.SourceChangedError, match=left[1].name):
        plan_parts(folder, out)
    left[1].write_bytes(own)
    plan = plan_parts(folder, out, checkpoint_bytes=50_000)
    assert isinstance(plan, PartsPlan)
    left[1].write_bytes(own[::-1])
    with pytest.raises(textbook_fast.SourceChangedError, match=left[1].name):
        pack_parts(plan, checkpoint_bytes=50_000)
    assert left[1].exists()
    left[1].write_bytes(own)
    left[2].rename(folder / "aside")
    with pytest.raises(textbook_fast.SourceNotFoundError, match=f"{left[2].name}.*put it back"):
        plan_parts(folder, out)
    (folder / "aside").rename(left[2])
    run(folder, out)
    check_whole(folder, out, expected)


def test_damaged_archives_and_others_are_refused(tmp_path: Path, images: dict[str, bytes]) -> None:
    folder = tmp_path / "set"
    parts = write_parts(folder, images)
    own = bytearray(parts[3].read_bytes())
    own[len(own) // 2] ^= 1
    parts[3].write_bytes(own)
    with pytest.raises(textbook_fast.FormatError, match="part_0"):
        plan_parts(parts[0], tmp_path / "pack.tar")
    assert all(part.exists() for part in parts)
    plain = tmp_path / "plain.tar"
    with tarfile.open(plain, "w"):
        pass
    for others in (plain, [parts[0], plain], folder.parent):
        with pytest.raises(ValueError, match="gzipped"):
            plan_parts(others, tmp_path / "pack.tar")


# --- the command


def call_of(corpus: Path, parts: list[Path], out: Path) -> list[str]:
    return ["pack", str(corpus), "--images", str(parts[0]), "--out", str(out), "--delete-parts"]


def test_the_command_refuses_what_would_lose_images(
    tmp_path: Path,
    corpus: Path,
    images: dict[str, bytes],
    expected: tuple[bytes, bytes],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    folder = tmp_path / "set"
    parts = write_parts(folder, images)
    out = folder / "pack.tar"
    base = call_of(corpus, parts, out)
    monkeypatch.setattr(sys, "stdin", io.StringIO("y\n"))
    for more, reason in [
        (["--order", "sample", "--yes"], "neither --select nor --order sample"),
        (["--select", "0:5", "--yes"], "neither --select nor --order sample"),
        ([], "add --yes"),
    ]:
        assert main([*base, *more]) == 1
        assert reason in capsys.readouterr().err
    assert sorted(folder.iterdir()) == parts, "nothing was written or removed"
    stop_half_way(parts, out)
    assert main([*base[:-1]]) == 1
    assert "was begun with --delete-parts: repeat that" in capsys.readouterr().err
    assert main([*base, "--yes", "--json"]) == 0
    answer = capsys.readouterr()
    report = json.loads(answer.out)
    assert report["members"] == 90
    assert "REMOVED" in answer.err
    assert report["removed"][-1] in answer.err
    assert str(parts[0]) not in answer.err.split("REMOVED")[1]
    check_whole(folder, out, expected)


def test_the_command_asks(
    tmp_path: Path, corpus: Path, images: dict[str, bytes], expected: tuple[bytes, bytes]
) -> None:
    folder = tmp_path / "set"
    parts = write_parts(folder, images)
    out = folder / "pack.tar"
    command = [sys.executable, "-m", "textbook_fast", *call_of(corpus, parts, out)]
    for answer, is_done in (b"\n", False), (b"no\n", False), (b"y\n", True):
        master, slave = pty.openpty()
        process = subprocess.Popen(
            command, stdin=slave, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        os.close(slave)
        os.write(master, answer)
        told, errors = process.communicate(timeout=120)
        os.close(master)
        assert b"Remove them? [y/N]" in told
        assert b"part_00" in errors
        assert (process.returncode == 0) == is_done, errors
        assert parts[0].exists() != is_done
        assert out.exists() == is_done
    check_whole(folder, out, expected)
