"""Compressed JSON, written beside itself: whole or not at all."""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from conftest import record

import textbook_fast
from textbook_fast.cli import main
from textbook_fast.unpack import unpack

TEXT = json.dumps([record(f"a@{k}_1#1.jpg", text="said " * 50) for k in range(2000)]).encode()


def write_zip(path: Path, method: int, *names: str) -> Path:
    with zipfile.ZipFile(path, "w", method) as archive:
        archive.writestr("folder/", "")
        archive.writestr("__MACOSX/._x.json", "junk")
        archive.writestr("README.txt", "read me")
        for name in names:
            archive.writestr(name, TEXT)
    return path


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_a_zip_is_unpacked_beside_itself(tmp_path: Path, method: int) -> None:
    path = write_zip(tmp_path / "corpus.json.zip", method, "deep/corpus.json")
    told: list[tuple[int, int]] = []
    report = unpack(path, on_progress=lambda done, total: told.append((done, total)))
    assert report.path == str(tmp_path / "corpus.json")
    assert report.bytes == len(TEXT) == (tmp_path / "corpus.json").stat().st_size
    assert (tmp_path / "corpus.json").read_bytes() == TEXT
    assert told
    assert {total for _, total in told} == {path.stat().st_size}
    assert len(textbook_fast.open(report.path)) == 2000


@pytest.mark.parametrize("name", ["corpus.json.gz", "corpus.jsonl.gz"])
def test_gzip_is_unpacked_whatever_its_members(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(gzip.compress(TEXT[:1000]) + gzip.compress(TEXT[1000:]))
    report = unpack(path)
    assert Path(report.path).name == name.removesuffix(".gz")
    assert Path(report.path).read_bytes() == TEXT


def test_what_is_there_stays(tmp_path: Path) -> None:
    path = write_zip(tmp_path / "x.zip", zipfile.ZIP_DEFLATED, "x.json")
    (tmp_path / "x.json").write_bytes(b"mine")
    with pytest.raises(textbook_fast.SourceError, match=r"x\.json: it exists"):
        unpack(path)
    assert (tmp_path / "x.json").read_bytes() == b"mine"
    (tmp_path / "other.json.part").write_bytes(b"a browser's")
    assert unpack(path, out=tmp_path / "other.json").bytes == len(TEXT)
    assert (tmp_path / "other.json.part").read_bytes() == b"a browser's"
    (tmp_path / "x.gz").write_bytes(gzip.compress(b"{}"))
    assert Path(unpack(tmp_path / "x.gz", out=tmp_path / "y.json").path).read_bytes() == b"{}"


def test_a_name_in_the_zip_leads_nowhere_else(tmp_path: Path) -> None:
    inside = tmp_path / "inside"
    inside.mkdir()
    report = unpack(write_zip(inside / "x.zip", zipfile.ZIP_STORED, "../../evil.json"))
    assert report.path == str(inside / "evil.json")


@pytest.mark.parametrize("kind", ["zip", "gz"])
def test_broken_archives_leave_nothing(tmp_path: Path, kind: str) -> None:
    if kind == "zip":
        good = write_zip(tmp_path / "x.json.zip", zipfile.ZIP_DEFLATED, "x.json").read_bytes()
    else:
        good = gzip.compress(TEXT)
    path = tmp_path / f"x.json.{kind}"
    flipped = bytearray(good)
    flipped[len(good) // 2] ^= 0x55
    for broken in [good[: len(good) // 2], bytes(flipped), good[:20]]:
        path.write_bytes(broken)
        with pytest.raises(textbook_fast.errors.FormatError, match="broken or cut"):
            unpack(path)
        assert [file.name for file in tmp_path.iterdir()] == [path.name]


def test_what_is_no_archive_of_one_json_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        unpack(tmp_path / "nothing.zip")
    (tmp_path / "x.zip").write_bytes(b"plain")
    with pytest.raises(ValueError, match="neither a zip nor a gzip"):
        unpack(tmp_path / "x.zip")
    (tmp_path / "x.bin").write_bytes(gzip.compress(b"[]"))
    with pytest.raises(ValueError, match=r"does not end in \.gz"):
        unpack(tmp_path / "x.bin")
    for names in [(), ("a.json", "b.jsonl")]:
        path = write_zip(tmp_path / "y.zip", zipfile.ZIP_STORED, *names)
        with pytest.raises(ValueError, match=f"there are {len(names)}"):
            unpack(path)


LIMITED = """
import resource, signal, sys
import textbook_fast
from textbook_fast.unpack import unpack
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
try:
    unpack(sys.argv[1])
except textbook_fast.SourceError as error:
    print(error)
    sys.exit(3)
"""


def test_a_full_disk_leaves_nothing(tmp_path: Path) -> None:
    """No file may grow beyond a limit: writes fail as on a full disk. So a bomb ends."""
    path = tmp_path / "x.json.gz"
    path.write_bytes(gzip.compress(bytes(50_000_000)))
    call = [sys.executable, "-c", LIMITED, str(path)]
    run = subprocess.run(call, capture_output=True, text=True, timeout=60)
    assert run.returncode == 3, run.stderr
    assert "cannot write" in run.stdout
    assert [file.name for file in tmp_path.iterdir()] == [path.name]


def test_the_command_unpacks(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = write_zip(tmp_path / "x.json.zip", zipfile.ZIP_DEFLATED, "x.json")
    assert main(["unpack", str(path)]) == 0
    assert "x.json" in capsys.readouterr().out
    assert main(["unpack", str(path)]) == 1
    assert "it exists" in capsys.readouterr().err
    assert main(["unpack", str(path), "--out", str(tmp_path / "y.json"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["bytes"] == len(TEXT)
