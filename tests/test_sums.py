"""SHA-256 sums of an archive's parts, compared while it is indexed."""

from __future__ import annotations

import gzip
import hashlib
import os
import random
import subprocess
from pathlib import Path

import pytest
from test_tar_gz import make_tar

import textbook_fast
from textbook_fast import _core
from textbook_fast.archives import index_archives, read_sums
from textbook_fast.cli import main

COUNT = 4


@pytest.fixture
def parts(tmp_path: Path) -> list[Path]:
    rng = random.Random(1)
    members = [(f"v/v@{k}_{k}.5#1.jpg", rng.randbytes(rng.randrange(8_000))) for k in range(600)]
    stream = gzip.compress(make_tar(members), 6)
    size = len(stream) // COUNT + 1
    paths = [tmp_path / "set" / f"set.tar.gz.part_{k:02}" for k in range(COUNT)]
    paths[0].parent.mkdir()
    for k, path in enumerate(paths):
        path.write_bytes(stream[k * size : (k + 1) * size])
    return paths


def sums_of(parts: list[Path]) -> Path:
    """As sha256sum itself writes them."""
    out = parts[0].parent.parent / "SHA256SUMS"
    with out.open("wb") as file:
        subprocess.run(["sha256sum", *parts], stdout=file, check=True)
    return out


@pytest.mark.parametrize("threads", [1, 2])
def test_right_sums_are_right(parts: list[Path], threads: int) -> None:
    sums = sums_of(parts)
    assert read_sums(sums) == {
        part.name: hashlib.sha256(part.read_bytes()).digest() for part in parts
    }
    (info,) = index_archives([[str(parts[0])]], sha256=sums, threads=threads)
    assert info["confirmed"]
    with_sums = Path(info["index"]).read_bytes()
    (info,) = index_archives([[str(parts[0])]], rebuild=True, threads=threads)
    assert Path(info["index"]).read_bytes() == with_sums
    assert not list(parts[0].parent.glob("*.partial"))


@pytest.mark.parametrize("place", [0, 1, 3])
def test_a_wrong_part_is_named_and_those_before_it_are_usable(
    parts: list[Path], place: int, capsys: pytest.CaptureFixture[str]
) -> None:
    sums = sums_of(parts)
    own = parts[place].read_bytes()
    # Where it is a literal's bits inflate may not notice; the sum does in any case.
    broken = bytearray(own)
    broken[len(own) // 2] ^= 2
    parts[place].write_bytes(broken)
    with pytest.raises(
        textbook_fast.FormatError, match=r"SHA-256 is .*get this part anew"
    ) as caught:
        _core.index_archive(
            [str(parts[0])],
            index=None,
            rebuild=False,
            threads=1,
            sums=read_sums(sums),
            save_every=0.0,
        )
    assert caught.value.path == str(parts[place])
    assert hashlib.sha256(own).hexdigest() in str(caught.value)
    assert hashlib.sha256(broken).hexdigest() in str(caught.value)
    if place:
        with pytest.warns(RuntimeWarning):
            store = textbook_fast.images._open([str(parts[0])])
        (known,) = store.archive_infos
        assert not known["confirmed"]
        share = place / COUNT
        assert share - 0.08 < known["members"] / 600 <= share + 0.02
        assert store.read("v/v@0_0.5#1.jpg")
    assert main(["index", str(parts[0]), "--sha256", str(sums)]) == 1
    assert parts[place].name in capsys.readouterr().err
    parts[place].write_bytes(own)
    (info,) = index_archives([[str(parts[0])]], sha256=sums)
    assert info["confirmed"]
    assert info["members"] == 600
    assert (info["resumed_at"] > 0) == (place > 0)
    built = Path(info["index"]).read_bytes()
    os.unlink(info["index"])
    (info,) = index_archives([[str(parts[0])]])
    assert built == Path(info["index"]).read_bytes()


def test_a_whole_index_does_not_excuse_wrong_sums(
    parts: list[Path], capsys: pytest.CaptureFixture[str]
) -> None:
    index_archives([[str(parts[0])]])
    sums = sums_of(parts)
    assert main(["index", str(parts[0]), "--sha256", str(sums)]) == 0
    lines = sums.read_text().splitlines()
    sums.write_text("\n".join([*lines[:2], "0" * 64 + lines[2][64:], *lines[3:]]))
    assert main(["index", str(parts[0]), "--sha256", str(sums)]) == 1
    assert "part_02: its SHA-256 is" in capsys.readouterr().err


def test_lists_that_do_not_fit_are_told(
    parts: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sums = sums_of(parts)
    lines = sums.read_text().splitlines()
    call = ["index", str(parts[0]), "--sha256", str(sums)]
    sums.write_text("\n".join(lines[:-1]))
    assert main(call) == 1
    assert "no SHA-256 sum for it" in (told := capsys.readouterr().err)
    assert parts[-1].name in told
    for wrong, reason in [
        (lines[0][1:], "as sha256sum writes it"),
        ("d41d8cd98f00b204e9800998ecf8427e  md5.gz", "as sha256sum writes it"),
        ("1" * 64 + "  " + parts[0].name, "two different sums"),
    ]:
        sums.write_text("\n".join([*lines, wrong]))
        assert main(call) == 1
        assert reason in capsys.readouterr().err
    tagged = [f"SHA256 ({line[66:]}) = {line[:64].upper()}" for line in lines]
    sums.write_text("\r\n".join([*tagged, "", "0" * 64 + " *other.bin"]))
    assert main(call) == 0
    assert main(["index", str(tmp_path / "x.json"), "--sha256", str(sums)]) == 1
