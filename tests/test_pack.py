"""Images out of a store, as files and as one tar: whole, resumable, and nothing else."""

from __future__ import annotations

import gzip
import io
import os
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
from textbook_fast.extract import extract, images_of, member_name
from textbook_fast.pack import bytes_needed, pack

KILLS = 20


def name_of(vid: str, number: int) -> str:
    return f"{vid}/{vid}@{number}.25_{number + 1}.5#1.jpg"


def data_of(number: int) -> bytes:
    return random.Random(number).randbytes(random.Random(-number).randrange(60_000))


@pytest.fixture
def images() -> dict[str, bytes]:
    return {name_of(f"{'-abc_'[k % 5]}ideo_1234{k % 7}", k): data_of(k) for k in range(40)}


def write_tar(path: Path, files: dict[str, bytes]) -> Path:
    with tarfile.open(path, "w") as archive:
        for name, content in files.items():
            info = tarfile.TarInfo(f"dataset_images_interval_7/{name}")
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return path


def write_folder(path: Path, files: dict[str, bytes]) -> Path:
    for name, content in files.items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_bytes(content)
    return path


def members(path: Path) -> list[tuple[str, bytes]]:
    """As Python's tarfile reads them."""
    found = []
    with tarfile.open(path, "r:") as archive:
        for info in archive:
            file = archive.extractfile(info)
            assert file is not None
            found.append((info.name, file.read()))
    return found


def files_below(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


@pytest.fixture
def corpus(write_json: Writer, images: dict[str, bytes]) -> Path:
    names = sorted(images, key=lambda name: name[::-1])
    return write_json([record(*names[k : k + 8]) for k in range(0, 40, 8)], "json/corpus.json")


# --- names


def test_names_are_safe() -> None:
    assert member_name("/mnt/x/-a_b/-a_b@0_1#1.jpg") == "-a_b/-a_b@0_1#1.jpg"
    assert member_name("-a_b@0_1#1.jpg") == "-a_b/-a_b@0_1#1.jpg"
    assert member_name("a/./b//photo.png") == "a/b/photo.png"
    assert member_name("..@0_1#1.jpg") == "..@0_1#1.jpg"
    for path in [
        "/etc/passwd",
        "../a.jpg",
        "a/../../b.jpg",
        "a\\..\\b.jpg",
        "",
        "a/",
        "\0.jpg",
        ".",
    ]:
        with pytest.raises(ValueError, match="image "):
            member_name(path)


# --- extract


@pytest.mark.parametrize("kind", ["tar", "folder"])
def test_extracted_files_are_the_images(
    tmp_path: Path, corpus: Path, images: dict[str, bytes], kind: str
) -> None:
    store = (write_tar if kind == "tar" else write_folder)(tmp_path / "images", images)
    ds = textbook_fast.open(corpus, images=store)
    out = tmp_path / "out"
    report = extract(ds, images_of(ds, range(len(ds))), out)
    assert (report.written, report.kept, report.failed) == (40, 0, 0)
    assert report.bytes == sum(map(len, images.values()))
    assert files_below(out) == images
    # Again: nothing is written twice, and what is gone comes back.
    (out / next(iter(images))).unlink()
    again = extract(ds, images_of(ds, range(len(ds))), out)
    assert (again.written, again.kept) == (1, 39)
    assert files_below(out) == images


def test_nothing_is_overwritten_and_no_link_followed(
    tmp_path: Path, corpus: Path, images: dict[str, bytes]
) -> None:
    ds = textbook_fast.open(corpus, images=write_tar(tmp_path / "x.tar", images))
    out, outside = tmp_path / "out", tmp_path / "outside"
    first, second = list(images_of(ds, [0]))[:2]
    (out / first).parent.mkdir(parents=True)
    (out / first).write_bytes(b"mine")
    report = extract(ds, [first], out)
    assert (report.written, report.failed) == (0, 1)
    assert "with other bytes is there already" in report.failures[0]
    assert (out / first).read_bytes() == b"mine"
    outside.mkdir()
    shutil.rmtree(out / second.split("/")[0], ignore_errors=True)
    (out / second.split("/")[0]).symlink_to(outside)
    with pytest.raises(textbook_fast.SourceError, match="cannot write"):
        extract(ds, [second], out)
    assert files_below(outside) == {}


def test_what_cannot_be_had_is_counted(tmp_path: Path, images: dict[str, bytes]) -> None:
    store = write_folder(tmp_path / "images", images)
    ds = textbook_fast.open(tmp_path_json(tmp_path), images=store)
    good = next(iter(images))
    report = extract(ds, [good, "gone@0_1#1.jpg", "/etc/passwd", "../x.jpg"], tmp_path / "out")
    assert (report.written, report.failed) == (1, 3)
    assert files_below(tmp_path / "out") == {good: images[good]}


def tmp_path_json(tmp_path: Path) -> Path:
    path = tmp_path / "empty.json"
    path.write_text("[]")
    return path


def test_the_command_extracts(
    tmp_path: Path, corpus: Path, images: dict[str, bytes], capsys: pytest.CaptureFixture[str]
) -> None:
    store = str(write_tar(tmp_path / "x.tar", images))
    ds = textbook_fast.open(corpus, images=store)
    base = ["extract", str(corpus), "--images", store, "--out"]
    of_two = {path for index in (1, -1) for path in ds[index].image_paths if path is not None}
    assert main([*base, str(tmp_path / "1"), "--sample", "1", "--sample", "-1"]) == 0
    assert set(files_below(tmp_path / "1")) == of_two
    assert "16 images written" in capsys.readouterr().out
    assert main([*base, str(tmp_path / "2"), "--vid", "-ideo_12340"]) == 0
    assert files_below(tmp_path / "2") == {
        name: content for name, content in images.items() if name.startswith("-ideo_12340/")
    }
    assert main([*base, str(tmp_path / "3"), "--all"]) == 0
    assert files_below(tmp_path / "3") == images
    assert main([*base, str(tmp_path / "4"), "--vid", "nobody"]) == 1
    assert main([*base, str(tmp_path / "5"), "--sample", "99"]) == 1
    broken = tmp_path / "broken.json"
    broken.write_bytes(b'[{"images": [5]},' + corpus.read_bytes().lstrip().removeprefix(b"["))
    capsys.readouterr()
    base[1] = str(broken)
    assert main([*base, str(tmp_path / "6"), "--all"]) == 1
    assert files_below(tmp_path / "6") == images
    assert "sample 0 " in capsys.readouterr().err


# --- pack


def test_a_pack_is_an_ordinary_tar_in_either_order(
    tmp_path: Path, corpus: Path, images: dict[str, bytes]
) -> None:
    tar = write_tar(tmp_path / "x.tar", images)
    folder = write_folder(tmp_path / "images", images)
    ds = textbook_fast.open(corpus, images=tar)
    pack(ds, tmp_path / "archive.tar")
    whole = [(f"dataset_images_interval_7/{name}", data) for name, data in images.items()]
    assert members(tmp_path / "archive.tar") == whole
    report = pack(ds, tmp_path / "sample.tar", order="sample")
    in_order = [path for sample in ds for path in sample.image_paths if path is not None]
    assert members(tmp_path / "sample.tar") == [(name, images[name]) for name in in_order]
    assert (report.members, report.failed, report.resumed) == (40, 0, 0)
    assert report.bytes + 1024 == (tmp_path / "sample.tar").stat().st_size
    of_folder = textbook_fast.open(corpus, images=folder)
    pack(of_folder, tmp_path / "folder.tar")
    assert members(tmp_path / "folder.tar") == sorted(
        images.items(), key=lambda item: item[0].split("/")
    )
    listed = subprocess.run(
        ["tar", "-tf", tmp_path / "sample.tar"], capture_output=True, text=True, check=True
    )
    assert listed.stdout.split() == in_order
    assert (tmp_path / "sample.tar.tfidx").is_file()
    for packed in ["archive.tar", "sample.tar", "folder.tar"]:
        again = textbook_fast.open(corpus, images=tmp_path / packed)
        assert [again.read_image(name) for name in images] == list(images.values())
    assert not list(tmp_path.glob("*.part*"))


def test_a_split_tar_gz_is_packed_in_one_pass(
    tmp_path: Path, corpus: Path, images: dict[str, bytes]
) -> None:
    tar = write_tar(tmp_path / "x.tar", images)
    whole = gzip.compress(tar.read_bytes(), 6)
    third = len(whole) // 3 + 1
    for k in range(3):
        (tmp_path / f"x.tar.gz.part_{k:02}").write_bytes(whole[k * third : (k + 1) * third])
    ds = textbook_fast.open(corpus, images=tmp_path / "x.tar.gz.part_00")
    of_tar = textbook_fast.open(corpus, images=tar)
    for order in ("archive", "sample"):
        pack(ds, tmp_path / f"gz-{order}.tar", order=order)
        pack(of_tar, tmp_path / f"{order}.tar", order=order)
        packed = (tmp_path / f"gz-{order}.tar").read_bytes()
        assert packed == (tmp_path / f"{order}.tar").read_bytes()
    assert bytes_needed(ds, "archive", None) == tar.stat().st_size

    def stop(done: int) -> None:
        if done > 300_000:
            raise KeyboardInterrupt

    out = tmp_path / "again.tar"
    with pytest.raises(KeyboardInterrupt):
        pack(ds, out, checkpoint_bytes=50_000, on_progress=stop)
    assert pack(ds, out).resumed > 3
    assert out.read_bytes() == (tmp_path / "gz-archive.tar").read_bytes()


def test_a_broken_tar_gz_is_told_and_mended_goes_on(
    tmp_path: Path, corpus: Path, images: dict[str, bytes]
) -> None:
    stream = gzip.compress(write_tar(tmp_path / "x.tar", images).read_bytes())
    half = len(stream) // 2
    parts = [tmp_path / f"x.tar.gz.part_{k:02}" for k in range(2)]
    parts[0].write_bytes(stream[:half])
    parts[1].write_bytes(stream[half:])
    pack(textbook_fast.open(corpus, images=parts[0]), tmp_path / "whole.tar")
    stat = parts[1].stat()
    broken = bytearray(stream[half:])
    broken[half // 2] ^= 4
    parts[1].write_bytes(broken)
    os.utime(parts[1], ns=(stat.st_atime_ns, stat.st_mtime_ns))
    ds = textbook_fast.open(corpus, images=parts[0])
    with pytest.raises(textbook_fast.FormatError, match=r"part_01: member .* \(at byte") as caught:
        pack(ds, tmp_path / "pack.tar", checkpoint_bytes=50_000)
    assert abs(caught.value.offset - half // 2) < 70_000
    assert not (tmp_path / "pack.tar").exists()
    parts[1].unlink()
    parts[1].write_bytes(stream[half:])
    report = pack(textbook_fast.open(corpus, images=parts[0]), tmp_path / "pack.tar")
    assert report.resumed > 0
    assert (tmp_path / "pack.tar").read_bytes() == (tmp_path / "whole.tar").read_bytes()


def test_an_archive_that_is_known_in_part_is_not_packed(
    tmp_path: Path, corpus: Path, images: dict[str, bytes]
) -> None:
    path = tmp_path / "x.tar.gz"
    stream = bytearray(gzip.compress(write_tar(tmp_path / "x.tar", images).read_bytes()))
    stream[-6] ^= 1  # the stream's checksum
    path.write_bytes(stream)
    with pytest.warns(RuntimeWarning, match="is indexed up to its end, but not confirmed"):
        ds = textbook_fast.open(corpus, images=path)
    with pytest.raises(textbook_fast.FormatError, match=r"indexed up to here only.*CRC-32"):
        pack(ds, tmp_path / "pack.tar")
    assert not list(tmp_path.glob("pack.tar"))


def odd_tar(form: int) -> bytes:
    """Long names, doubles, links forth and back, empty files, folders, a way out, a FIFO."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=form) as archive:

        def add(name: str, content: bytes = b"", kind: bytes = b"0", link: str = "") -> None:
            info = tarfile.TarInfo(name)
            info.size, info.type, info.linkname = len(content), kind, link
            archive.addfile(info, io.BytesIO(content))

        add("set", kind=tarfile.DIRTYPE)
        add("set/a.jpg", b"first")
        add("set/forth.jpg", kind=tarfile.SYMTYPE, link="later.jpg")
        add("set/back.jpg", kind=tarfile.LNKTYPE, link="set/a.jpg")
        add("./set//a.jpg", b"second")
        add("set/back2.jpg", kind=tarfile.LNKTYPE, link="set/a.jpg")
        add("../out.jpg", b"no")
        add("set/fifo", kind=tarfile.FIFOTYPE)
        add("set/lost.jpg", kind=tarfile.SYMTYPE, link="nowhere.jpg")
        add("set/" + "long/" * 40 + "l.jpg", b"long" * 99)
        add("set/\N{LATIN SMALL LETTER E WITH ACUTE}.jpg", b"accent")
        add("set/empty.jpg")
        add("set/later.jpg", b"later" * 2000)
    return out.getvalue()


@pytest.mark.parametrize("form", [tarfile.GNU_FORMAT, tarfile.PAX_FORMAT], ids=["gnu", "pax"])
def test_odd_members_of_a_tar_gz_are_packed_as_tarfile_reads_them(
    tmp_path: Path, write_json: Writer, form: int
) -> None:
    data = odd_tar(form)
    path = tmp_path / "x.tar.gz"
    path.write_bytes(gzip.compress(data))
    ds = textbook_fast.open(write_json([record("set/a.jpg")]), images=path)
    report = pack(ds, tmp_path / "pack.tar")
    expected = []
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        for info in archive:
            name = "/".join(part for part in info.name.split("/") if part != ".")
            if info.isdir() or info.isfifo() or name.startswith("..") or "lost" in name:
                continue
            # A hard link means what stands before it, which tarfile does not know of doubles.
            content = {"set/back.jpg": b"first", "set/back2.jpg": b"second"}.get(name)
            if content is None:
                file = archive.extractfile(info)
                assert file is not None
                content = file.read()
            expected.append((name.replace("//", "/"), content))
    assert members(tmp_path / "pack.tar") == expected
    assert (report.members, report.failed) == (len(expected) + 3, 3)
    assert [word for word in ("out.jpg", "fifo", "lost") if word in str(report.failures)] == [
        "out.jpg",
        "fifo",
        "lost",
    ]
    select = pack(ds, tmp_path / "one.tar", samples=[0])
    assert [name for name, _ in members(tmp_path / "one.tar")] == ["set/a.jpg", "set/a.jpg"]
    assert select.failed == 3


def test_doubles_and_links_survive_a_pack(tmp_path: Path, write_json: Writer) -> None:
    tar = tmp_path / "x.tar"
    with tarfile.open(tar, "w") as archive:
        for name, content in [("a.jpg", b"old"), ("./a.jpg", b"new"), ("../out.jpg", b"no")]:
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
        link = tarfile.TarInfo("hard.jpg")
        link.type, link.linkname = tarfile.LNKTYPE, "a.jpg"
        archive.addfile(link)
    ds = textbook_fast.open(write_json([record("a.jpg")]), images=tar)
    report = pack(ds, tmp_path / "pack.tar")
    assert members(tmp_path / "pack.tar") == [
        ("a.jpg", b"old"),
        ("a.jpg", b"new"),
        ("hard.jpg", b"new"),
    ]
    assert report.failures == [f"{tar}: member '../out.jpg' leads out of a folder, and is left out"]


@pytest.mark.parametrize("order", ["archive", "sample"])
def test_selected_samples_alone_are_packed(
    tmp_path: Path,
    corpus: Path,
    images: dict[str, bytes],
    order: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    store = str(write_folder(tmp_path / "images", images))
    ds = textbook_fast.open(corpus, images=store)
    base = ["pack", str(corpus), "--images", store, "--order", order]
    vid = next(iter(images)).split("/")[0]
    with_vid = [k for k in range(len(ds)) if any(vid in str(path) for path in ds[k].image_paths)]
    for select, expected in [
        ("1:3", [1, 2]),
        ("0, 4", [0, 4]),
        ("-1", [4]),
        (vid, with_vid),
        (f"1:2,{vid}", sorted({1, *with_vid})),
    ]:
        out = tmp_path / f"{select.replace(',', '_')}.tar"
        assert main([*base, "--out", str(out), f"--select={select}"]) == 0
        wanted = {path for k in expected for path in ds[k].image_paths if path is not None}
        assert {name for name, _ in members(out)} == wanted
    assert "GB are free in" in capsys.readouterr().err
    for select in ["nobody", "9:9", "77", ""]:
        assert main([*base, "--out", str(tmp_path / "no.tar"), f"--select={select}"]) == 1
    assert not list(tmp_path.glob("no.tar*"))


def test_what_a_pack_needs_is_known_beforehand(
    tmp_path: Path, corpus: Path, images: dict[str, bytes]
) -> None:
    tar = write_tar(tmp_path / "x.tar", images)
    ds = textbook_fast.open(corpus, images=tar)
    assert bytes_needed(ds, "archive", None) == tar.stat().st_size
    report = pack(ds, tmp_path / "sample.tar", order="sample")
    needed = bytes_needed(ds, "sample", None)
    assert needed is not None
    assert abs(needed - report.bytes) <= 512 * len(images)


def test_missing_images_are_left_out_and_told(
    tmp_path: Path, corpus: Path, images: dict[str, bytes], capsys: pytest.CaptureFixture[str]
) -> None:
    some = dict(list(images.items())[:30])
    store = str(write_folder(tmp_path / "images", some))
    out = tmp_path / "x.tar"
    call = ["pack", str(corpus), "--images", store, "--order", "sample", "--out", str(out)]
    assert main(call) == 1
    assert dict(members(out)) == some
    assert "10 images could not be had" in capsys.readouterr().err
    assert main(call) == 1
    assert "x.tar" in capsys.readouterr().err


def test_another_begun_pack_is_refused(
    tmp_path: Path, corpus: Path, images: dict[str, bytes]
) -> None:
    ds = textbook_fast.open(corpus, images=write_tar(tmp_path / "x.tar", images))

    def stop(done: int) -> None:
        if done > 300_000:
            raise KeyboardInterrupt

    out = tmp_path / "pack.tar"
    with pytest.raises(KeyboardInterrupt):
        pack(ds, out, checkpoint_bytes=50_000, on_progress=stop)
    assert not out.exists()
    with pytest.raises(textbook_fast.SourceError, match="other files or options"):
        pack(ds, out, order="sample")
    report = pack(ds, out)
    assert report.resumed > 3
    assert report.members == 40
    assert [data for _, data in members(out)] == list(images.values())


def test_what_was_not_made_here_is_not_replaced(
    tmp_path: Path, corpus: Path, images: dict[str, bytes]
) -> None:
    tar = write_tar(tmp_path / "x.tar", images)
    ds = textbook_fast.open(corpus, images=tar)
    begun = tmp_path / "pack.tar.part"
    begun.write_bytes(b"of another program")
    for out in (tmp_path / "pack.tar", tar, corpus, tmp_path):
        with pytest.raises(textbook_fast.SourceError, match="it is there already, and stays"):
            pack(ds, out)
    assert begun.read_bytes() == b"of another program"
    assert not (tmp_path / "pack.tar.part.state").exists()
    begun.write_bytes(b"")
    assert pack(ds, tmp_path / "pack.tar").members == len(images)


def test_a_folder_is_packed_without_archives_indexes_and_the_pack_itself(
    tmp_path: Path, corpus: Path, images: dict[str, bytes]
) -> None:
    some = dict(list(images.items())[:9])
    folder = write_folder(tmp_path / "images", some)
    rest = {name: data for name, data in images.items() if name not in some}
    stream = gzip.compress(write_tar(tmp_path / "x.tar", rest).read_bytes())
    for k, piece in enumerate((stream[:50_000], stream[50_000:])):
        (folder / f"x.tar.gz.part_{k:02}").write_bytes(piece)
    ds = textbook_fast.open(corpus, images=folder)
    assert (folder / "x.tar.gz.part_00.tfidx").exists()
    out = folder / "pack.tar"
    assert pack(ds, out).failed == 0
    found = [(name.removeprefix("dataset_images_interval_7/"), data) for name, data in members(out)]
    assert sorted(found) == sorted(images.items())


def test_an_index_that_does_not_fit_is_no_endless_work(
    tmp_path: Path, corpus: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    large, named = tmp_path / "large.tar.gz", tmp_path / "named.tfidx"
    large.write_bytes(gzip.compress(b""))
    os.truncate(large, 1_000_000_001)
    named.write_bytes(b"TEXTBOOK.TGZ.I00")  # of another version
    given = ["--images", str(large), "--images", str(named)]
    assert main(["pack", str(corpus), *given, "--out", str(tmp_path / "p.tar")]) == 1
    assert f"--index {named} {large}" in capsys.readouterr().err


def test_without_rights_or_room_the_reason_is_told(
    tmp_path: Path, corpus: Path, images: dict[str, bytes]
) -> None:
    ds = textbook_fast.open(corpus, images=write_tar(tmp_path / "x.tar", images))
    with pytest.raises(textbook_fast.SourceError, match="nowhere"):
        pack(ds, tmp_path / "nowhere" / "pack.tar")
    with pytest.raises(textbook_fast.SourceError, match="cannot write"):
        extract(ds, images_of(ds, [0]), tmp_path / "x.tar")


LIMITED = """
import resource, signal, sys
import textbook_fast
from textbook_fast.extract import extract, images_of
from textbook_fast.pack import pack
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
corpus, images, out, what = sys.argv[1:]
ds = textbook_fast.open(corpus, images=images)
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000) if what == "extract" else (300_000, 300_000))
try:
    if what == "pack":
        pack(ds, out, checkpoint_bytes=50_000)
    else:
        extract(ds, images_of(ds, range(len(ds))), out)
except textbook_fast.SourceError as error:
    print(error)
    sys.exit(3)
"""


@pytest.mark.parametrize("what", ["pack", "extract"])
def test_a_full_disk_is_told_and_the_work_goes_on_later(
    tmp_path: Path, corpus: Path, images: dict[str, bytes], what: str
) -> None:
    """No file may grow beyond a limit: writes fail as on a full disk."""
    tar = write_tar(tmp_path / "x.tar", images)
    out = tmp_path / "out"
    call = [sys.executable, "-c", LIMITED, str(corpus), str(tar), str(out), what]
    run = subprocess.run(call, capture_output=True, text=True, timeout=120)
    assert run.returncode == 3, run.stderr
    assert "cannot write" in run.stdout
    assert str(out) in run.stdout
    ds = textbook_fast.open(corpus, images=tar)
    if what == "extract":
        assert not [name for name in files_below(out) if name not in images]
        extract(ds, images_of(ds, range(len(ds))), out)
        assert files_below(out) == images
        return
    assert not out.exists()
    assert pack(ds, out).resumed > 0
    assert [data for _, data in members(out)] == list(images.values())


# --- kill -9

KILLED = """
import sys, time
import textbook_fast
from textbook_fast.extract import extract, images_of
from textbook_fast.pack import pack
corpus, images, out, what, order = sys.argv[1:]
ds = textbook_fast.open(corpus, images=images)
print("begin", flush=True)
slowly = lambda _: time.sleep(0.002)
if what == "pack":
    pack(ds, out, order=order, checkpoint_bytes=60_000, on_progress=slowly)
else:
    extract(ds, (path for path in images_of(ds, range(len(ds))) if slowly(0) is None), out)
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("what", "order"), [("pack", "archive"), ("pack", "sample"), ("extract", "")]
)
def test_killed_at_random_moments_the_result_is_the_same(
    tmp_path: Path, corpus: Path, images: dict[str, bytes], what: str, order: str
) -> None:
    tar = write_tar(tmp_path / "x.tar", images)
    ds = textbook_fast.open(corpus, images=tar)
    undisturbed = tmp_path / "undisturbed"
    if what == "pack":
        pack(ds, undisturbed, order="sample" if order == "sample" else "archive")
    rng = random.Random(order)
    kills = rounds = 0
    while kills < KILLS:
        rounds += 1
        out = tmp_path / f"{rounds}.tar"
        while True:
            call = [sys.executable, "-c", KILLED, str(corpus), str(tar), str(out), what, order]
            process = subprocess.Popen(call, stdout=subprocess.PIPE)
            assert process.stdout is not None
            process.stdout.readline()
            time.sleep(rng.random() * 0.12)
            process.send_signal(signal.SIGKILL)
            process.stdout.close()
            if process.wait() == 0:
                break
            kills += 1
            if what == "pack":
                assert not out.exists() or out.read_bytes() == undisturbed.read_bytes()
            else:
                there = files_below(out) if out.exists() else {}
                assert all(
                    images[name] == data
                    for name, data in there.items()
                    if not name.endswith(".part")
                )
            if kills > KILLS + 20:
                break
        if what == "pack":
            pack(
                ds, out, order="sample" if order == "sample" else "archive"
            ) if not out.exists() else None
            assert out.read_bytes() == undisturbed.read_bytes()
            index = Path(f"{out}.tfidx").read_bytes()
            assert index == Path(f"{undisturbed}.tfidx").read_bytes()
        else:
            extract(ds, images_of(ds, range(len(ds))), out)
            assert files_below(out) == images
    assert kills >= KILLS
