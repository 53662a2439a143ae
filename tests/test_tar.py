"""Tar files as image stores: against Python's tarfile, and hostile ones."""

from __future__ import annotations

import io
import os
import pickle
import subprocess
import tarfile
import time
import warnings
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import Writer, record
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import textbook_fast
from textbook_fast import _core

KINDS = {
    tarfile.REGTYPE: "file",
    tarfile.AREGTYPE: "file",
    tarfile.CONTTYPE: "file",
    tarfile.LNKTYPE: "hard link",
    tarfile.SYMTYPE: "symbolic link",
    tarfile.DIRTYPE: "folder",
    tarfile.GNUTYPE_SPARSE: "sparse",
    tarfile.FIFOTYPE: "special",
    tarfile.CHRTYPE: "special",
    tarfile.BLKTYPE: "special",
}
FORMATS = [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT]

Member = tuple[bytes, str, bytes, int, int, int]


def add(archive: tarfile.TarFile, name: str, content: bytes = b"", **fields: Any) -> None:
    info = tarfile.TarInfo(name)
    info.size = len(content)
    for field, value in fields.items():
        setattr(info, field, value)
    archive.addfile(info, io.BytesIO(content))


def make(path: Path, form: int, files: Iterable[tuple[str, bytes]]) -> Path:
    with tarfile.open(path, "w", format=form) as archive:
        for name, content in files:
            add(archive, name, content)
    return path


def as_tarfile_sees(path: Path) -> list[Member]:
    with tarfile.open(path, "r:") as archive:
        return [
            (
                os.fsencode(info.name),
                "sparse" if info.issparse() else KINDS[info.type],
                os.fsencode(info.linkname),
                info.offset,
                info.offset_data,
                0 if info.islnk() or info.issym() else info.size,
            )
            for info in archive
        ]


def as_we_see(path: Path) -> list[Member]:
    members, damage = _core.list_tar(str(path))
    assert damage is None
    # tarfile takes the slash from the end of a folder's name.
    return [
        (name.rstrip(b"/") if kind == "folder" else name, kind, link, start, data, size)
        for name, kind, link, start, data, size in members
    ]


names = st.lists(
    st.text(
        st.characters(exclude_characters="/\0", exclude_categories=["Cs"]), min_size=1, max_size=90
    ),
    min_size=1,
    max_size=4,
).map("/".join)
members = st.tuples(
    names,
    st.sampled_from(
        [tarfile.REGTYPE, tarfile.LNKTYPE, tarfile.SYMTYPE, tarfile.DIRTYPE, tarfile.FIFOTYPE]
    ),
    st.binary(max_size=1500),
    names,
    st.integers(0, 0o77777777777),
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.sampled_from(FORMATS), st.lists(members, max_size=8))
def test_members_are_those_of_tarfile(
    tmp_path: Path,
    form: int,
    listed: list[tuple[str, bytes, bytes, str, int]],
) -> None:
    path = tmp_path / "x.tar"
    with tarfile.open(path, "w", format=form) as archive:
        for name, kind, content, link, mtime in listed:
            is_link = kind in {tarfile.LNKTYPE, tarfile.SYMTYPE}
            data = content if kind == tarfile.REGTYPE else b""
            try:
                add(archive, name, data, type=kind, linkname=link if is_link else "", mtime=mtime)
            except ValueError:  # ustar has no room for the name
                assert form == tarfile.USTAR_FORMAT

    assert as_we_see(path) == as_tarfile_sees(path)


@pytest.mark.parametrize("form", ["v7", "oldgnu", "gnu", "ustar", "posix"])
def test_members_of_gnu_tar_are_those_of_tarfile(tmp_path: Path, form: str) -> None:
    folder = tmp_path / "set" / "v"
    folder.mkdir(parents=True)
    long = "n" * 80 if form in {"v7", "ustar"} else "n" * 200
    for name in ["a@0_1#1.jpg", "b.jpg", long, "ü.jpg"]:
        (folder / name).write_bytes(name.encode() * 77)
    os.link(folder / "b.jpg", folder / "hard.jpg")
    (folder / "soft.jpg").symlink_to("b.jpg")
    sparse = folder / "sparse.jpg"
    with sparse.open("wb") as file:
        file.seek(1 << 20)
        file.write(b"end")
    path = tmp_path / "x.tar"
    extra = [] if form in {"v7", "ustar"} else ["--sparse"]
    subprocess.run(
        ["tar", f"--format={form}", *extra, "-cf", path, "set"], cwd=tmp_path, check=True
    )
    seen = as_we_see(path)
    expected = as_tarfile_sees(path)
    # Of a sparse file tarfile tells the size it had, we what the archive holds of it, which
    # is not read; and for GNU's own format it counts the map among the data.
    keep = [place for place, member in enumerate(expected) if member[1] != "sparse"]
    assert [seen[place] for place in keep] == [expected[place] for place in keep]
    assert [member[:2] for member in seen] == [member[:2] for member in expected]
    store = _core.ImageStore([str(path)])
    for name in ["a@0_1#1.jpg", "b.jpg", long, "ü.jpg", "hard.jpg", "soft.jpg"]:
        assert store.read(name) == (folder / name).read_bytes()
    if extra:
        with pytest.raises(textbook_fast.ImageError, match="stored as a sparse file"):
            store.read("sparse.jpg")


def test_base_256_sizes_are_read(tmp_path: Path) -> None:
    path = tmp_path / "x.tar"
    block = bytearray(tarfile.TarInfo("big").tobuf(tarfile.GNU_FORMAT))
    block[124:136] = b"\x80" + (9 << 30).to_bytes(11, "big")
    block[148:156] = b"        "
    block[148:156] = b"%06o\0 " % sum(block)
    with path.open("wb") as file:
        file.write(block)
        file.seek(512 + (9 << 30))
        file.write(tarfile.TarInfo("after").tobuf() + bytes(1024))
    assert as_we_see(path) == as_tarfile_sees(path)
    assert as_we_see(path)[0][5] == 9 << 30
    with pytest.raises(textbook_fast.ImageError, match="more bytes than any image"):
        _core.ImageStore([str(path)]).read("big")


# --- datasets


def vids(frames: list[Path]) -> list[tuple[str, str, bytes]]:
    return [(frame.name.rpartition("@")[0], frame.name, frame.read_bytes()) for frame in frames]


@pytest.fixture
def frames(example_data: Path) -> list[Path]:
    return sorted((example_data / "sample_100_images").glob("*.jpg"))[:12]


@pytest.mark.parametrize("prefix", ["", "./", "{vid}/", "dataset_images_interval_7/{vid}/"])
@pytest.mark.parametrize("form", FORMATS)
def test_a_dataset_reads_its_images_out_of_a_tar(
    tmp_path: Path,
    write_json: Writer,
    frames: list[Path],
    prefix: str,
    form: int,
) -> None:
    listed = vids(frames)
    spellings = ["/mnt/authors/interval_7/{vid}/{name}", "{vid}/{name}", "{name}"]
    paths = [spellings[k % 3].format(vid=vid, name=name) for k, (vid, name, _) in enumerate(listed)]
    corpus = write_json([record(*paths[:6]), record(*paths[6:])])

    files = [(prefix.format(vid=vid) + name, data) for vid, name, data in listed]
    tar = make(tmp_path / "images.tar", form, files)
    ds = textbook_fast.open(corpus, images=tar)
    flat = textbook_fast.open(corpus, images=frames[0].parent)
    for ours, theirs in zip(ds, flat, strict=True):
        for one, other in zip(ours.images, theirs.images, strict=True):
            assert (one is None and other is None) or np.array_equal(one, other)
    assert ds[0].image_bytes(0) == listed[0][2]
    # Beside the JSON it is found without being named.
    assert textbook_fast.open(corpus).image_roots == (str(tar),)


def test_tars_folders_and_globs_are_mixed(
    tmp_path: Path, write_json: Writer, frames: list[Path]
) -> None:
    listed = vids(frames)
    corpus = write_json([record(*[name for _, name, _ in listed])], "json/corpus.json")
    shards = tmp_path / "shards"
    shards.mkdir()
    for k in range(3):
        part = [(name, data) for _, name, data in listed[3 * k : 3 * k + 3]]
        make(shards / f"{k}.tar", tarfile.PAX_FORMAT, part)
    rest = tmp_path / "rest"
    rest.mkdir()
    for _, name, data in listed[9:]:
        (rest / name).write_bytes(data)
    expected = [data for *_, data in listed]
    tars = [str(path) for path in sorted(shards.iterdir())]
    mixes: list[list[str | Path]] = [
        [shards, rest],
        [rest, *tars],
        [tars[0], rest, *tars[1:]],
        [str(shards / "*.tar"), str(rest)],
    ]
    for images in mixes:
        ds = textbook_fast.open(corpus, images=images)
        assert [ds.read_image(name) for _, name, _ in listed] == expected
        with pytest.raises(textbook_fast.ImageNotFoundError) as caught:
            ds.read_image("x@0_1#1.jpg")
        assert all(name in str(caught.value) for name in [*tars, str(rest)])
    with pytest.raises(textbook_fast.errors.SourceNotFoundError, match="no file matches"):
        textbook_fast.open(corpus, images=str(tmp_path / "*.nothing"))


def test_a_pickled_dataset_refuses_another_archive(
    tmp_path: Path, write_json: Writer, frames: list[Path]
) -> None:
    (_, name, data), *_ = vids(frames)
    corpus = write_json([record(name)])
    tar = make(tmp_path / "x.tar", tarfile.PAX_FORMAT, [(name, data)])
    pickled = pickle.dumps(textbook_fast.open(corpus, images=tar))
    assert pickle.loads(pickled).read_image(name) == data
    time.sleep(0.01)
    make(tar, tarfile.PAX_FORMAT, [(name, data * 2)])
    with pytest.raises(textbook_fast.SourceChangedError, match=r"x\.tar has changed"):
        pickle.loads(pickled)


def test_damage_is_a_warning_and_what_comes_before_is_read(
    tmp_path: Path, write_json: Writer, frames: list[Path]
) -> None:
    listed = vids(frames)[:3]
    corpus = write_json([record(*[name for _, name, _ in listed])])
    files = [(name, data) for _, name, data in listed]
    tar = make(tmp_path / "x.tar", tarfile.GNU_FORMAT, files)
    whole = tar.read_bytes()
    last = as_tarfile_sees(tar)[2]
    for end in [last[3] + 100, last[4] + 100]:
        tar.write_bytes(whole[:end])
        with pytest.warns(
            RuntimeWarning, match=f"damaged at byte {last[3]}, .* the archive is cut"
        ):
            ds = textbook_fast.open(corpus, images=tar)
        assert ds.read_image(listed[1][1]) == listed[1][2]
        with pytest.raises(textbook_fast.ImageError, match="the archive is cut"):
            ds.read_image(listed[2][1])


def test_what_is_no_tar_is_refused(tmp_path: Path, write_json: Writer) -> None:
    corpus = write_json([record("a.jpg")])
    for content in [b"", b"x" * 5000, b"\xff\xd8\xff" * 1000]:
        (tmp_path / "x.tar").write_bytes(content)
        with pytest.raises(textbook_fast.SourceError, match="neither a folder nor a tar"):
            textbook_fast.open(corpus, images=tmp_path / "x.tar")
    (tmp_path / "x.tar").write_bytes(bytes(10240))
    with pytest.raises(textbook_fast.errors.FormatError, match="has no members"):
        textbook_fast.open(corpus, images=tmp_path / "x.tar")
    # Beside the JSON, files that are no archives are passed over.
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "a.jpg").write_bytes(b"")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert textbook_fast.open(corpus).image_roots == (str(tmp_path / "sub"),)
