"""Gzipped tar files as image stores: every kind of them, damaged ones, passes that die."""

from __future__ import annotations

import gzip
import io
import json
import os
import pickle
import random
import resource
import shutil
import signal
import subprocess
import sys
import tarfile
import time
import warnings
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from conftest import Writer, record

import textbook_fast
from textbook_fast import _core
from textbook_fast.cli import main
from textbook_fast.extract import extract
from textbook_fast.pack import pack

PART = "set.tar.gz.part_{:02}"
FORMATS = [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT]


def keyframes(files: list[Path], count: int) -> list[tuple[str, bytes]]:
    """Real keyframes under the names of the dataset."""
    contents = [file.read_bytes() for file in files]
    return [
        (
            f"set/vid{k // 9:08}/vid{k // 9:08}@{k * 7.31}_{k * 7.31 + 5}#1.jpg",
            contents[k % len(contents)],
        )
        for k in range(count)
    ]


def make_tar(members: list[tuple[str, bytes]], form: int = tarfile.GNU_FORMAT) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=form) as archive:
        for name, content in members:
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return out.getvalue()


def write_parts(folder: Path, stream: bytes, count: int = 3) -> list[str]:
    folder.mkdir(exist_ok=True)
    size = len(stream) // count + 1
    paths = [folder / PART.format(k) for k in range(count)]
    for k, path in enumerate(paths):
        path.write_bytes(stream[k * size : (k + 1) * size])
    return [str(path) for path in paths]


def index(parts: list[str], **options: object) -> textbook_fast.index_info.ArchiveInfo:
    defaults = {"index": None, "rebuild": False, "threads": 2, "progress": False}
    return _core.index_archive(parts, **(defaults | options))  # type: ignore[arg-type]


def raw_deflate(level: int, strategy: int) -> Callable[[bytes], bytes]:
    def compress(data: bytes) -> bytes:
        encoder = zlib.compressobj(level, zlib.DEFLATED, 31, 8, strategy)
        return encoder.compress(data) + encoder.flush()

    return compress


def with_flushes(data: bytes) -> bytes:
    """As pigz does: pieces with empty stored blocks between them."""
    encoder = zlib.compressobj(6, zlib.DEFLATED, 31)
    pieces = [data[k : k + 50_000] for k in range(0, len(data), 50_000)]
    flush = [zlib.Z_SYNC_FLUSH, zlib.Z_FULL_FLUSH]
    compressed = [encoder.compress(p) + encoder.flush(flush[k % 2]) for k, p in enumerate(pieces)]
    return b"".join(compressed) + encoder.flush()


COMPRESSORS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "stored": raw_deflate(0, zlib.Z_DEFAULT_STRATEGY),
    "fixed": raw_deflate(6, zlib.Z_FIXED),
    "huffman only": raw_deflate(6, zlib.Z_HUFFMAN_ONLY),
    "run lengths": raw_deflate(9, zlib.Z_RLE),
    "pigz": with_flushes,
    "many members": lambda data: b"".join(
        gzip.compress(data[k : k + 30_000]) for k in range(0, len(data), 30_000)
    ),
}


@pytest.fixture
def members(keyframe_files: list[Path]) -> list[tuple[str, bytes]]:
    return keyframes(keyframe_files, 60)


@pytest.mark.parametrize("kind", COMPRESSORS)
def test_every_kind_reads_as_tarfile_reads_it(
    kind: str, members: list[tuple[str, bytes]], tmp_path: Path
) -> None:
    for form in FORMATS:
        long = ("set/" + "long/" * 28 + "long@1_2#1.jpg", b"long" * 99)
        data = make_tar([*members[:20], long, ("empty@1_2#1.jpg", b"")], form)
        parts = write_parts(tmp_path / str(form), COMPRESSORS[kind](data))
        info = index(parts)
        assert (info["members"], info["confirmed"], info["damage"]) == (22, True, None)
        assert info["tar_bytes"] == len(data)
        store = _core.ImageStore(parts)
        with tarfile.open(fileobj=io.BytesIO(data)) as archive:
            for name in archive.getnames():
                file = archive.extractfile(name)
                assert file is not None
                assert store.read(name) == file.read()


PROGRAMS = {
    "gzip": ["gzip", "-6"],
    "gzip -1": ["gzip", "-1"],
    "pigz": ["pigz", "-p", "2", "-b", "128"],
    "pigz -i": ["pigz", "-i", "-p", "2", "-b", "128"],
    "zopfli": ["zopfli", "--i1"],
}


@pytest.mark.parametrize("name", PROGRAMS)
def test_what_real_programs_compress_reads_as_tarfile_reads_it(
    name: str, members: list[tuple[str, bytes]], tmp_path: Path
) -> None:
    command = PROGRAMS[name]
    if shutil.which(command[0]) is None:
        pytest.skip(f"{command[0]} is not installed: apt-get install {command[0]}")
    tar = tmp_path / "set.tar"
    tar.write_bytes(make_tar(members[:12] if name == "zopfli" else members))
    stream = subprocess.run([*command, "-c", tar], stdout=subprocess.PIPE, check=True).stdout
    assert gzip.decompress(stream) == tar.read_bytes()
    for threads in (1, 2):
        parts = write_parts(tmp_path / f"of_{threads}", stream)
        info = index(parts, threads=threads)
        assert (info["confirmed"], info["tar_bytes"]) == (True, tar.stat().st_size)
        store = _core.ImageStore(parts)
        with tarfile.open(tar) as archive:
            for member in archive:
                file = archive.extractfile(member)
                assert file is not None
                assert store.read(member.name) == file.read()


def test_open_in_every_way(
    members: list[tuple[str, bytes]], tmp_path: Path, write_json: Writer
) -> None:
    stream = gzip.compress(make_tar(members))
    parts = write_parts(tmp_path / "parts", stream, 4)
    whole = tmp_path / "whole.tar.gz"
    whole.write_bytes(stream)
    index(parts)
    path = write_json(
        [record(*(f"/authors/{name}" for name, _ in members[k : k + 3])) for k in (0, 30)]
    )
    apart = tmp_path / "apart"
    apart.mkdir()
    os.rename(parts[2], apart / PART.format(2))
    scattered = [parts[0], parts[1], str(apart / PART.format(2)), parts[3]]
    ways: list[str | list[str]] = [scattered, str(whole)]
    expected = [textbook_fast.decode_jpeg(content) for _, content in members[30:33]]
    for images in ways:
        ds = textbook_fast.open(path, images=images)
        for made in (ds, pickle.loads(pickle.dumps(ds))):
            arrays = [image for image in made[1].images if image is not None]
            for array, wanted in zip(arrays, expected, strict=True):
                assert isinstance(array, np.ndarray)
                assert np.array_equal(array, wanted)
    os.rename(apart / PART.format(2), parts[2])
    for one in (parts[0], parts[3], str(tmp_path / "parts"), str(tmp_path / "parts" / "*part_*")):
        ds = textbook_fast.open(path, images=one)
        assert ds[1].image_bytes(0) == members[30][1]
        (info,) = ds.archive_info
        assert (info["parts"], info["members"]) == (parts, 60)
        assert info["index"] == parts[0] + ".tfidx"


def test_images_beside_the_json_are_found(
    members: list[tuple[str, bytes]], tmp_path: Path, write_json: Writer
) -> None:
    path = write_json([record(members[0][0])])
    write_parts(tmp_path, gzip.compress(make_tar(members)))
    ds = textbook_fast.open(path)
    assert ds[0].image_bytes(0) == members[0][1]
    assert ds.image_roots == (str(tmp_path / PART.format(0)),)


def test_a_large_archive_is_not_indexed_unasked(
    tmp_path: Path, write_json: Writer, members: list[tuple[str, bytes]]
) -> None:
    large = tmp_path / "large.tar.gz"
    large.write_bytes(gzip.compress(b""))
    os.truncate(large, 1_000_000_001)
    path = write_json([record(members[0][0])])
    for images in (large, None):
        with pytest.raises(textbook_fast.IndexMissingError) as caught:
            textbook_fast.open(path, images=images).read_image(members[0][0])
        assert caught.value.path == str(large)
        assert caught.value.command == f"textbook-fast index {large}"
        assert caught.value.command in str(caught.value)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["quotes", "bytes", "another name", "two folders", "named index"])
def test_the_command_in_the_error_runs_as_it_is(
    tmp_path: Path, write_json: Writer, members: list[tuple[str, bytes]], kind: str
) -> None:
    folder = tmp_path / (os.fsdecode(b"not\xff\nunicode") if kind == "bytes" else "it's a [1]*")
    (folder / "more").mkdir(parents=True)
    names = {
        "another name": ["large.bin"],
        "two folders": [PART.format(0), "more/" + PART.format(1)],
    }
    images = [str(folder / name) for name in names.get(kind, ["large.tar.gz"])]
    stream = gzip.compress(make_tar(members))
    size = len(stream) // len(images) + 1
    for k, image in enumerate(images):
        Path(image).write_bytes(stream[k * size : (k + 1) * size])
    os.truncate(images[-1], 1_000_000_001)  # zeros may follow a gzip stream
    if kind == "named index":
        images.append(str(folder / "set.tfidx"))
        Path(images[1]).write_bytes(b"TEXTBOOK.TGZ.I00")  # of another version
    path = write_json([record(members[0][0])])
    with pytest.raises(textbook_fast.IndexMissingError) as caught:
        textbook_fast.open(path, images=images)
    command = caught.value.command
    assert command.isprintable()
    run = command.replace("textbook-fast", f"{sys.executable} -m textbook_fast", 1)
    subprocess.run(["bash", "-c", run], check=True, capture_output=True)
    assert textbook_fast.open(path, images=images)[0].image_bytes(0) == members[0][1]


def test_only_an_index_is_replaced_by_one(members: list[tuple[str, bytes]], tmp_path: Path) -> None:
    archive = tmp_path / "set.tar.gz"
    archive.write_bytes(gzip.compress(make_tar(members)))
    other = tmp_path / "samples.json"
    other.write_text("[]")
    begun = tmp_path / "download.partial"
    begun.write_bytes(b"of another program")
    kept = {path: path.read_bytes() for path in (archive, other, begun)}
    for place in (archive, other, begun.with_suffix(""), tmp_path):
        with pytest.raises(textbook_fast.SourceError, match="is no index of an archive"):
            index([str(archive)], index=str(place), rebuild=True)
    assert {path: path.read_bytes() for path in kept} == kept
    assert set(tmp_path.iterdir()) == set(kept)
    place = tmp_path / "set.tfidx"
    place.touch()
    for is_new in (False, True):
        assert index([str(archive)], index=str(place), rebuild=is_new)["members"] == 60


def test_index_command(
    members: list[tuple[str, bytes]],
    tmp_path: Path,
    write_json: Writer,
    capsys: pytest.CaptureFixture[str],
) -> None:
    parts = write_parts(tmp_path / "parts", gzip.compress(make_tar(members)))
    path = str(write_json([record(members[0][0])]))
    assert main(["index", *parts, path]) == 0
    out = capsys.readouterr().out
    assert "set.tar.gz.part_00 and 2 more parts: 60 members" in out
    assert "index built in" in out
    assert "1 samples" in out
    assert main(["index", parts[0]]) == 0
    assert f"index read in {parts[0]}.tfidx" in capsys.readouterr().out
    elsewhere = str(tmp_path / "other.tfidx")
    os.remove(parts[0] + ".tfidx")
    assert main(["index", parts[0], "--index", elsewhere, "--json"]) == 0
    (info,) = json.loads(capsys.readouterr().out)
    assert (info["index"], info["confirmed"], info["members"]) == (elsewhere, True, 60)
    assert not os.path.exists(parts[0] + ".tfidx")
    assert main(["info", path, "--images", parts[0], "--images", elsewhere]) == 0
    assert f"index read in {elsewhere}" in capsys.readouterr().out
    assert not os.path.exists(parts[0] + ".tfidx")
    other = tmp_path / "other.tar.gz"
    other.write_bytes(gzip.compress(make_tar(members)))
    assert main(["index", parts[0], str(other), "--index", elsewhere]) == 1
    assert "one archive" in capsys.readouterr().err
    assert main(["index", path, "--index", elsewhere]) == 1
    assert "there is no archive" in capsys.readouterr().err
    assert main(["index", str(other), "--index", elsewhere]) == 1
    assert f"in {elsewhere})" in capsys.readouterr().err


def test_damage_names_part_and_byte_and_leaves_the_rest_readable(
    members: list[tuple[str, bytes]],
    tmp_path: Path,
    write_json: Writer,
    capsys: pytest.CaptureFixture[str],
) -> None:
    stream = gzip.compress(make_tar(members))
    broken = bytearray(stream)
    at = len(stream) * 2 // 3 + 1000
    broken[at : at + 64] = bytes(64)
    path = write_json([record(members[0][0], members[-1][0])])
    for is_cut in (False, True):
        folder = tmp_path / f"cut {is_cut}"
        parts = write_parts(folder, stream if is_cut else bytes(broken))
        if is_cut:
            os.truncate(parts[2], 5000)
        with pytest.raises(textbook_fast.FormatError) as caught:
            index(parts, save_every=0)
        assert caught.value.path == parts[2]
        assert 0 <= caught.value.offset <= os.path.getsize(parts[2])
        state = "its end, but not confirmed" if is_cut else "byte .* only"
        with pytest.warns(RuntimeWarning, match=f"is indexed up to {state}"):
            ds = textbook_fast.open(path, images=parts[0])
        assert ds[0].image_bytes(0) == members[0][1]
        missing = f"not found in .*part_00 [(]which is indexed up to {state}"
        with pytest.raises(textbook_fast.ImageNotFoundError, match=missing):
            ds[0].image_bytes(2)
        assert not ds.archive_info[0]["confirmed"]
        with pytest.warns(RuntimeWarning, match=state):
            assert main(["check", str(path), "--images", parts[0]]) == 1
        assert f"error damaged: byte 0 of {parts[0]}" in capsys.readouterr().out
        # The right part comes, and the pass goes on where it was.
        write_parts(folder, stream)
        info = index(parts)
        assert info["confirmed"]
        assert info["resumed_at"] > 0
        store = _core.ImageStore(parts)
        assert all(store.read(name) == content for name, content in members)


@pytest.mark.parametrize("at", ["the beginning", "the middle"])
@pytest.mark.parametrize("shows_in", ["its structure", "the checksum"])
def test_a_replaced_part_is_taken_up_wherever_the_pass_stood(
    members: list[tuple[str, bytes]], tmp_path: Path, at: str, shows_in: str
) -> None:
    stream = gzip.compress(make_tar(members), 0)  # whose bytes may be any
    parts = write_parts(tmp_path / "parts", stream, 4)
    kept, times = Path(parts[1]).read_bytes(), os.stat(parts[1])
    broken = bytearray(kept)
    broken[0 if at == "the beginning" else len(kept) // 2 + 5] ^= 1
    Path(parts[1]).write_bytes(broken)
    last = Path(parts[3]).read_bytes()
    if shows_in == "its structure":
        Path(parts[3]).write_bytes(last[: len(last) // 2])
    with pytest.raises(textbook_fast.FormatError):
        index(parts, save_every=0)
    Path(parts[1]).write_bytes(kept)
    Path(parts[3]).write_bytes(last)
    if at == "the middle":  # as a download that keeps the time, which no sample tells
        os.utime(parts[1], ns=(times.st_atime_ns, times.st_mtime_ns))
    if at == "the middle" and shows_in == "its structure":
        with pytest.raises(textbook_fast.FormatError, match="CRC-32"):
            index(parts, save_every=0)
    info = index(parts, save_every=0)
    assert info["confirmed"]
    undisturbed = index(parts, index=str(tmp_path / "undisturbed.tfidx"))["index"]
    assert Path(info["index"]).read_bytes() == Path(undisturbed).read_bytes()


def test_a_cut_part_is_told_though_the_damage_shows_in_the_next(
    members: list[tuple[str, bytes]], tmp_path: Path
) -> None:
    parts = write_parts(tmp_path / "parts", gzip.compress(make_tar(members)), 4)
    size = os.path.getsize(parts[0])
    os.truncate(parts[1], size - 1000)
    told = f"part_01 has {size - 1000} bytes, and the other parts have {size}: it may be cut"
    with pytest.raises(textbook_fast.FormatError, match=told):
        index(parts)
    os.truncate(parts[2], size - 999)
    with pytest.raises(textbook_fast.FormatError) as caught:
        index(parts)
    assert "it may be cut" not in str(caught.value)


def test_a_wrong_checksum_says_what_it_means(
    members: list[tuple[str, bytes]], tmp_path: Path, write_json: Writer
) -> None:
    stream = bytearray(gzip.compress(make_tar(members)))
    stream[-8] ^= 1
    parts = write_parts(tmp_path / "parts", bytes(stream))
    with pytest.raises(
        textbook_fast.FormatError, match=r"CRC-32 is .* any image before .*--sha256"
    ):
        index(parts)
    path = str(write_json([record(members[0][0])]))
    shown = subprocess.run(
        [sys.executable, "-m", "textbook_fast", "info", path, "--images", parts[0]],
        check=True,
        capture_output=True,
        text=True,
    )
    assert shown.stderr.startswith(
        f"textbook-fast: warning: {parts[0]} is indexed up to its end, but not confirmed: "
    )
    assert len(shown.stderr.splitlines()) == 1
    assert "NOT CONFIRMED" in shown.stdout


def test_images_read_together_have_errors_of_their_own(
    members: list[tuple[str, bytes]], tmp_path: Path, write_json: Writer
) -> None:
    stream = gzip.compress(make_tar(members))
    parts = write_parts(tmp_path / "parts", stream)
    index(parts)
    broken, stat = Path(parts[1]), os.stat(parts[1])
    data = bytearray(broken.read_bytes())
    data[len(data) // 2 : len(data) // 2 + 64] = bytes(64)
    broken.write_bytes(data)
    os.utime(broken, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    names = [name for name, _ in members]
    path = write_json([record(*names)])
    # By itself each image tells what is wrong with it: the part, and the byte.
    store = _core.ImageStore(parts)
    wrong: dict[str, str] = {}
    for name, content in members:
        try:
            assert store.read(name) == content
        except textbook_fast.ImageError as error:
            wrong[name] = error.reason
    assert 0 < len(wrong) < len(names)
    assert all(PART.format(1) in reason and "byte" in reason for reason in wrong.values())
    for threads in (1, 2):
        ds = textbook_fast.open(path, images=parts[0], on_error="mark", threads=threads)
        images = [image for image in ds[0].images if image is not None]
        for name, image in zip(names, images, strict=True):
            if name not in wrong:
                assert isinstance(image, np.ndarray), name
                continue
            assert (image.image, image.reason, image.sample) == (name, wrong[name], 0)
            assert ds[0].image_paths[image.position] == name
        read = _core.read_images(store, names, threads)
        for (name, content), one in zip(members, read, strict=True):
            reason = one.reason if isinstance(one, textbook_fast.ImageError) else None
            assert reason == wrong.get(name)
            assert name in wrong or one == content
    report = pack(ds, tmp_path / "out.tar", order="sample")
    assert report.failed == len(wrong)
    with tarfile.open(tmp_path / "out.tar") as packed:
        assert len(packed.getnames()) == len(names) - len(wrong)
    report_of_files = extract(ds, names, tmp_path / "files")
    assert (report_of_files.written, report_of_files.failed) == (
        report.members - len(wrong),
        len(wrong),
    )


def test_a_changed_or_missing_part_is_named(
    members: list[tuple[str, bytes]], tmp_path: Path
) -> None:
    parts = write_parts(tmp_path / "parts", gzip.compress(make_tar(members)), 4)
    index(parts)
    kept = Path(parts[1]).read_bytes()
    Path(parts[1]).write_bytes(kept[:-1] + b"?" if len(kept) < 4096 else b"?" + kept[1:])
    with pytest.raises(textbook_fast.SourceChangedError, match="part 1") as caught:
        _core.ImageStore(parts)
    assert caught.value.path == parts[1]
    os.remove(parts[1])
    with pytest.raises(textbook_fast.SourceNotFoundError) as missing:
        _core.ImageStore(parts[:1])
    assert missing.value.path == parts[1]
    for few in ([parts[0], parts[2]], parts[2:]):
        with pytest.raises(textbook_fast.SourceNotFoundError, match="is missing"):
            _core.ImageStore(few)


def test_no_rights_and_no_room(
    members: list[tuple[str, bytes]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    parts = write_parts(tmp_path / "parts", gzip.compress(make_tar(members)))
    with pytest.raises(textbook_fast.SourceError, match="cannot write the index"):
        index(parts, index="/proc/none/x.tfidx")
    kept = resource.getrlimit(resource.RLIMIT_FSIZE)
    place = tmp_path / "x.tfidx"
    whole = tmp_path / "parts" / "whole.tfidx"
    index(parts, index=str(whole))
    size = whole.stat().st_size
    for limit in (10, size // 4, size - 1):
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, kept[1]))
        try:
            with pytest.raises(textbook_fast.SourceError, match="write") as caught:
                index(parts, index=str(place))
            assert main(["index", parts[0]]) == 1
            assert "--index FILE keeps the index elsewhere" in capsys.readouterr().err
            assert main(["index", parts[0], "--index", str(place)]) == 1
            assert "elsewhere" not in capsys.readouterr().err
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, kept)
        assert caught.value.errno == 27  # EFBIG, which stands for a full disk here
        assert not place.exists()
        assert not list(tmp_path.glob("*.tmp"))
    assert index(parts, index=str(place))["members"] == 60
    assert {file.name for file in tmp_path.iterdir()} == {"parts", "x.tfidx"}


def test_pack_and_extract(
    members: list[tuple[str, bytes]], tmp_path: Path, write_json: Writer
) -> None:
    parts = write_parts(tmp_path / "parts", gzip.compress(make_tar(members)))
    path = str(write_json([record(members[5][0], members[3][0])]))
    packed = tmp_path / "packed.tar"
    command = ["pack", path, "--images", parts[0], "--out", str(packed)]
    assert main(command) == 0
    with tarfile.open(packed) as archive:
        files = [archive.extractfile(member) for member in archive.getmembers()]
        found = [
            (name, file.read())
            for name, file in zip(archive.getnames(), files, strict=True)
            if file
        ]
    assert found == members
    out = tmp_path / "out"
    assert main(["extract", path, "--images", parts[0], "--out", str(out), "--sample", "0"]) == 0
    contents = sorted(file.read_bytes() for file in out.rglob("*.jpg"))
    assert contents == sorted([members[5][1], members[3][1]])


def test_a_bomb_costs_no_memory(tmp_path: Path) -> None:
    header = tarfile.TarInfo("bomb@1_2#1.jpg")
    header.size = (1 << 30) + 512
    encoder = zlib.compressobj(1, zlib.DEFLATED, 31)
    stream = encoder.compress(header.tobuf())
    zeros = bytes(16 << 20)
    stream += b"".join(encoder.compress(zeros) for _ in range(64)) + encoder.compress(bytes(512))
    stream += encoder.compress(make_tar([("good@1_2#1.jpg", b"good")])) + encoder.flush()
    path = tmp_path / "bomb.tar.gz"
    path.write_bytes(stream)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    store = _core.ImageStore([str(path)])
    with pytest.raises(textbook_fast.ImageError, match="more bytes than any image"):
        store.read("bomb@1_2#1.jpg")
    assert store.read("good@1_2#1.jpg") == b"good"
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100_000


def test_links_and_names_that_occur_twice(tmp_path: Path) -> None:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:

        def add(
            name: str, content: bytes = b"", kind: bytes = tarfile.REGTYPE, link: str = ""
        ) -> None:
            info = tarfile.TarInfo(name)
            info.size, info.type, info.linkname = len(content), kind, link
            archive.addfile(info, io.BytesIO(content))

        add("v/v@1_2#1.jpg", b"first")
        add("v/v@3_4#1.jpg", kind=tarfile.LNKTYPE, link="v/v@1_2#1.jpg")
        add("v/v@5_6#1.jpg", kind=tarfile.SYMTYPE, link="../v/v@1_2#1.jpg")
        add("v/v@7_8#1.jpg", kind=tarfile.SYMTYPE, link="v@9_9#1.jpg")
        add("v/v@9_9#1.jpg", kind=tarfile.SYMTYPE, link="v@7_8#1.jpg")
        add("v/v@8_9#1.jpg", kind=tarfile.LNKTYPE, link="nowhere")
        add("v/v@1_2#1.jpg", b"second")
        add("v/v@2_3#1.jpg", kind=tarfile.FIFOTYPE)
    path = tmp_path / "links.tgz"
    path.write_bytes(gzip.compress(out.getvalue()))
    store = _core.ImageStore([str(path)])
    assert store.read("v@1_2#1.jpg") == b"second"
    assert store.read("v@3_4#1.jpg") == b"first"
    assert store.read("v@5_6#1.jpg") == b"second"
    for name, why in (
        ("7_8", "back to itself"),
        ("8_9", "not in the archive"),
        ("2_3", "no regular"),
    ):
        with pytest.raises(textbook_fast.ImageError, match=why):
            store.read(f"v@{name}#1.jpg")


def test_what_is_no_archive(tmp_path: Path) -> None:
    for name, content, why in (
        ("empty.tar.gz", b"", "no gzip"),
        ("text.tar.gz", b"not gzip at all", "no gzip"),
        ("other.tar.gz", gzip.compress(b"no tar" * 1000), "no tar header"),
        ("none.tar.gz", gzip.compress(make_tar([])), "no members"),
    ):
        path = tmp_path / name
        path.write_bytes(content)
        with pytest.raises(textbook_fast.FormatError, match=why) as caught:
            _core.ImageStore([str(path)])
        assert caught.value.path == str(path)
        assert {file.name for file in tmp_path.glob(f"{name}*")} == {name}


RUN = """
import sys
from textbook_fast import _core
print("begun", flush=True)
_core.index_archive(sys.argv[2:], index=sys.argv[1], rebuild=False, threads=2, save_every=0)
"""


@pytest.mark.slow
def test_killed_at_random_moments(keyframe_files: list[Path], tmp_path: Path) -> None:
    stream = gzip.compress(make_tar(keyframes(keyframe_files, 700)), compresslevel=1)
    parts = write_parts(tmp_path / "parts", stream, 5)
    began = time.monotonic()
    undisturbed = Path(index(parts, threads=1)["index"]).read_bytes()
    seconds = time.monotonic() - began
    place = tmp_path / "killed.tfidx"
    moments = random.Random(1)
    killed = resumed = 0
    while killed < 20:
        process = subprocess.Popen(
            [sys.executable, "-c", RUN, str(place), *parts], stdout=subprocess.PIPE
        )
        assert process.stdout is not None
        process.stdout.readline()
        time.sleep(moments.random() * seconds)
        process.send_signal(signal.SIGKILL)
        process.wait()
        process.stdout.close()
        if place.exists():  # it was complete before: again from the beginning
            assert place.read_bytes() == undisturbed
            place.unlink()
        else:
            killed += 1
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        resumed = index(parts, index=str(place))["resumed_at"]
    assert place.read_bytes() == undisturbed
    assert {file.name for file in tmp_path.iterdir()} == {"parts", "killed.tfidx"}
    store = _core.ImageStore([*parts, str(place)])
    assert store.archive_infos[0]["confirmed"]
    assert 0 <= resumed <= len(stream)
