"""Compressed JSON opened as it is: against Python's gzip and zipfile, and in all that a
plain file can be used for.
"""

from __future__ import annotations

import gzip
import io
import itertools
import json
import multiprocessing
import os
import pickle
import random
import resource
import signal
import struct
import subprocess
import sys
import time
import warnings
import zipfile
import zlib
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

import textbook_fast
from textbook_fast.check import check
from textbook_fast.cli import main
from textbook_fast.dataset import build_index
from textbook_fast.pack import pack
from textbook_fast.synthetic import records
from textbook_fast.unpack import unpack

NAME = "corpus.json"


@pytest.fixture(scope="module")
def truth() -> list[dict[str, Any]]:
    return list(records(160, seed=5))


@pytest.fixture(scope="module")
def text(truth: list[dict[str, Any]]) -> bytes:
    made = json.dumps(truth, ensure_ascii=False, indent=4).encode()
    assert len(made) > 2 << 20, "several checkpoints"
    return made


class _OneWay(io.RawIOBase):
    """A file that cannot seek: what is written to it gets data descriptors."""

    def __init__(self) -> None:
        self.data = bytearray()

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self.data += data
        return len(data)


def zipped(
    text: bytes, method: int = zipfile.ZIP_DEFLATED, *, level: int = 6, zip64: bool = False
) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method, compresslevel=level) as archive:
        archive.writestr("folder/", "")
        archive.writestr("__MACOSX/._corpus.json", "junk")
        archive.writestr("folder/README.txt", "read me")
        with archive.open(f"folder/{NAME}", "w", force_zip64=zip64) as entry:
            entry.write(text)
        archive.comment = b"a comment"
    return file.getvalue()


def one_way(text: bytes) -> bytes:
    file = _OneWay()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(NAME, text)
    return bytes(file.data)


def bgzip(text: bytes) -> bytes:
    made = b""
    for start in [*range(0, len(text), 65_280), len(text)]:
        piece = text[start : start + 65_280]
        body = zlib.compress(piece, wbits=-15)
        extra = struct.pack("<BBHH", ord("B"), ord("C"), 2, len(body) + 25)
        head = struct.pack("<BBBBIBBH", 31, 139, 8, 4, 0, 0, 255, len(extra))
        made += head + extra + body + struct.pack("<II", zlib.crc32(piece), len(piece))
    return made


def members(text: bytes) -> bytes:
    cuts = [0, 0, 1, 70_000, 1 << 20, (1 << 20) + 5, 2 << 20, len(text), len(text)]
    return b"".join(
        gzip.compress(text[a:b], compresslevel=1 + k)
        for k, (a, b) in enumerate(itertools.pairwise(cuts))
    )


def named(text: bytes) -> bytes:
    file = io.BytesIO()
    with gzip.GzipFile("a name.json", "wb", fileobj=file) as stream:
        stream.write(text)
    return file.getvalue()


KINDS: dict[str, Callable[[bytes], bytes]] = {
    **{f"gz-{level}": partial(gzip.compress, compresslevel=level) for level in (0, 1, 6, 9)},
    **{f"zip-{level}": partial(zipped, level=level) for level in (1, 6, 9)},
    "gz-named": named,
    "gz-members": members,
    "gz-bgzip": bgzip,
    "gz-zeros": lambda t: gzip.compress(t) + bytes(5000),
    "zip-stored": lambda t: zipped(t, zipfile.ZIP_STORED),
    "zip-64": lambda t: zipped(t, zip64=True),
    "zip-stored-64": lambda t: zipped(t, zipfile.ZIP_STORED, zip64=True),
    "zip-descriptor": one_way,
    "zip-behind-other-bytes": lambda t: b"PK is how this begins" + zipped(t),
}


def write(tmp_path: Path, kind: str, text: bytes) -> Path:
    path = tmp_path / f"{NAME}.{kind.partition('-')[0]}"
    path.write_bytes(KINDS[kind](text))
    return path


def python_reads(path: Path) -> bytes:
    if path.suffix == ".gz":
        return gzip.decompress(path.read_bytes())
    with zipfile.ZipFile(path) as archive:
        name = next(n for n in archive.namelist() if n.endswith(NAME) and "MACOSX" not in n)
        return archive.read(name)


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_reads_as_python_reads_it(
    tmp_path: Path, text: bytes, truth: list[dict[str, Any]], kind: str
) -> None:
    path = write(tmp_path, kind, text)
    assert python_reads(path) == text
    plain = tmp_path / "plain.json"
    plain.write_bytes(text)
    expected = textbook_fast.open(plain)
    built = textbook_fast.open(path, threads=2)
    (info,) = built.index_info
    assert info["built_in_seconds"] is not None
    assert info["sidecar"] == f"{path}.tfidx"
    assert (info["bytes"], info["text_bytes"]) == (path.stat().st_size, len(text))
    assert info["packing"] == ("stored" if "stored" in kind else "deflate")
    order = random.Random(1).choices(range(len(truth)), k=100)
    for access in ("map", "read"):
        ds = textbook_fast.open(path, access=access)
        assert ds.index_info[0]["built_in_seconds"] is None
        assert len(ds) == len(truth)
        for index in order:
            assert ds.record(index) == expected.record(index)
        assert [sample.to_dict() for sample in ds] == truth
    assert Path(unpack(path).path).read_bytes() == text


def test_lines_and_a_single_object(tmp_path: Path, truth: list[dict[str, Any]]) -> None:
    path = tmp_path / "corpus.jsonl.gz"
    path.write_bytes(gzip.compress(b"".join(json.dumps(r).encode() + b"\n" for r in truth)))
    ds = textbook_fast.open(path)
    assert ds.index_info[0]["layout"] == "lines"
    assert [sample.to_dict() for sample in ds] == truth
    with zipfile.ZipFile(tmp_path / "one.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("one.jsonl", json.dumps(truth[0], indent=4))
    assert textbook_fast.open(tmp_path / "one.zip")[0].to_dict() == truth[0]


# --- all that a plain file is used for


@pytest.fixture(params=["gz-6", "zip-6", "zip-stored"])
def both(
    request: pytest.FixtureRequest, tmp_path: Path, example_data: Path
) -> tuple[textbook_fast.Dataset, textbook_fast.Dataset]:
    """The example data, plain and compressed."""
    text = (example_data / "textbook_sample_100.json").read_bytes()
    plain = tmp_path / "plain.json"
    plain.write_bytes(text)
    packed = write(tmp_path, request.param, text)
    options: dict[str, Any] = {
        "images": example_data / "sample_100_images",
        "videos": sorted((example_data / "video_meta_data").glob("*.json")),
    }
    return textbook_fast.open(plain, **options), textbook_fast.open(packed, **options)


Both = tuple[textbook_fast.Dataset, textbook_fast.Dataset]


def test_views_passes_and_images_are_those_of_the_plain_file(both: Both) -> None:
    plain, packed = both
    for one, other in zip(plain[5:80:3].select([3, 1]), packed[5:80:3].select([3, 1]), strict=True):
        assert one.raw() == other.raw()
        assert one.index == other.index
    assert (plain[4].image(0) == packed[4].image(0)).all()
    assert plain.column("token_num").tolist() == packed.column("token_num").tolist()
    long = [ds.filter(lambda sample: sample.image_num > 2) for ds in both]
    assert [sample.index for sample in long[0]] == [sample.index for sample in long[1]]
    for field in ("texts", "text_ocr_list"):
        hits = [list(ds.search("the", field=field)) for ds in both]
        assert hits[0] == hits[1]
        assert hits[0]
    counts = [ds.statistics(images=20).to_dict() for ds in both]
    for name in ("samples", "images", "texts", "tokens", "videos"):
        assert counts[0][name] == counts[1][name]
    assert counts[0]["hours"] == pytest.approx(counts[1]["hours"])
    english = [ds.filter_videos(language="en") for ds in both]
    assert [sample.index for sample in english[0]] == [sample.index for sample in english[1]]
    vid = next(iter(plain[0].videos))
    assert packed[0].videos[vid] == plain[0].videos[vid]
    name = Path(packed.index_info[0]["path"]).name
    assert plain._repr_html_() == packed._repr_html_().replace(name, "plain.json")


def test_the_loader_gives_the_same_batches_and_resumes(both: Both) -> None:
    def batches(ds: textbook_fast.Dataset, skip: int) -> list[list[bytes]]:
        loader = textbook_fast.Loader(ds, batch_size=8, shuffle=True, seed=3)
        for _, _batch in zip(range(skip), loader, strict=False):
            pass
        state = loader.state_dict()
        loader = textbook_fast.Loader(ds, batch_size=8, shuffle=True, seed=3)
        loader.load_state_dict(state)
        return [[sample.raw() for sample in batch] for batch in loader]

    plain, packed = both
    assert batches(plain, 0) == batches(packed, 0)
    assert batches(plain, 5) == batches(packed, 5)


def test_check_pack_and_extract(
    both: Both, tmp_path: Path, capsys: pytest.CaptureFixture[str], example_data: Path
) -> None:
    plain, packed = both
    path = packed.index_info[0]["path"]
    images = example_data / "sample_100_images"
    found = [check(ds.index_info[0]["path"], images=images).to_dict() for ds in both]
    assert found[0] == found[1]
    for ds, name in ((plain, "plain.tar"), (packed, "packed.tar")):
        pack(ds, tmp_path / name, order="sample")
    assert (tmp_path / "plain.tar").read_bytes() == (tmp_path / "packed.tar").read_bytes()
    out = tmp_path / "out"
    call = ["extract", path, "--images", str(images), "--out", str(out), "--sample", "3"]
    assert main(call) == 0
    written = sorted(file.read_bytes() for file in out.rglob("*.jpg"))
    assert written == sorted(packed[3].image_bytes(k) or b"" for k in range(len(packed[3].images))
                             if packed[3].image_paths[k])  # fmt: skip
    capsys.readouterr()
    assert main(["info", path, "--images", str(images)]) == 0
    said = capsys.readouterr().out
    assert "JSON array" in said
    assert packed.index_info[0]["packing"] in said  # type: ignore[operator]
    assert main(["show", path, "3", "--images", str(images)]) == 0
    assert "sample 3 of" in capsys.readouterr().out
    root = str(tmp_path)
    rewritten = tmp_path / "rewritten.json"
    for ds in both:
        source = ds.index_info[0]["path"]
        target = f"{rewritten}.{source[-3:]}"
        textbook_fast.rewrite_paths(source, target, image_root=root, missing="skip")
    one, other = sorted(tmp_path.glob("rewritten.json.*"))
    assert one.read_bytes() == other.read_bytes()


def _raw(ds: textbook_fast.Dataset, index: int) -> bytes:
    return ds[index].raw()


def test_pickled_forked_and_spawned(both: Both) -> None:
    plain, packed = both
    view = pickle.loads(pickle.dumps(packed[10:50]))
    assert [sample.raw() for sample in view] == [sample.raw() for sample in plain[10:50]]
    expected = [sample.raw() for sample in plain]
    assert packed[7].raw() == expected[7]  # a segment is kept by this thread
    for method in ("fork", "spawn"):
        with warnings.catch_warnings():
            # Of a process with threads; the tests' own.
            warnings.simplefilter("ignore", DeprecationWarning)
            with multiprocessing.get_context(method).Pool(2) as pool:
                calls = [(packed, index) for index in (0, 7, 99, 50)]
                assert pool.starmap(_raw, calls) == [expected[index] for _, index in calls]


def test_videos_may_be_compressed(tmp_path: Path, example_data: Path) -> None:
    files = sorted((example_data / "video_meta_data").glob("*.json"))
    expected = textbook_fast.open_videos(files)
    one, other = tmp_path / "video_meta_data1.json.zip", tmp_path / "video_meta_data2.json.gz"
    with zipfile.ZipFile(one, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.write(files[0], files[0].name)
    other.write_bytes(gzip.compress(files[1].read_bytes()))
    videos = textbook_fast.open_videos([one, other])
    assert [video.to_dict() for video in videos] == [video.to_dict() for video in expected]
    # Found beside the JSON; a plain file goes before a compressed one of its name.
    corpus = tmp_path / "corpus.json"
    corpus.write_bytes((example_data / "textbook_sample_100.json").read_bytes())
    (tmp_path / "video_meta_data1.json").write_bytes(files[0].read_bytes())
    one.write_bytes(b"PK broken")
    assert len(textbook_fast.open(corpus).videos) == len(expected)


# --- the index


def test_the_index_command(tmp_path: Path, text: bytes, capsys: pytest.CaptureFixture[str]) -> None:
    path = write(tmp_path, "zip-6", text)
    assert main(["index", str(path)]) == 0
    assert "160 samples, index built in" in capsys.readouterr().out
    assert main(["index", str(path), "--json"]) == 0
    (info,) = json.loads(capsys.readouterr().out)
    assert info["built_in_seconds"] is None
    before = Path(info["sidecar"]).read_bytes()
    assert main(["index", "--rebuild", str(path)]) == 0
    assert Path(info["sidecar"]).read_bytes() == before


def test_a_large_file_is_not_inflated_unasked(tmp_path: Path) -> None:
    path = tmp_path / "large.json.gz"
    path.write_bytes(gzip.compress(b"[]"))
    os.truncate(path, 1_000_000_001)  # zeros may follow a gzip stream
    with pytest.raises(textbook_fast.IndexMissingError) as caught:
        textbook_fast.open(path)
    assert caught.value.command == f"textbook-fast index {path}"
    assert caught.value.command in str(caught.value)


@pytest.mark.slow
def test_a_large_file_is_inflated_when_asked(tmp_path: Path) -> None:
    path = tmp_path / "large.json.gz"
    path.write_bytes(gzip.compress(b"[{}]"))
    os.truncate(path, 1_000_000_001)
    assert main(["index", str(path)]) == 0
    assert len(textbook_fast.open(path)) == 1


def test_a_changed_file_is_indexed_anew_and_refused_while_it_is_open(
    tmp_path: Path, text: bytes
) -> None:
    path = write(tmp_path, "gz-6", text)
    ds = textbook_fast.open(path)
    state = pickle.dumps(ds)
    path.write_bytes(gzip.compress(b'[{"images": []}]'))
    with pytest.raises(textbook_fast.SourceChangedError):
        ds[0].raw()
    with pytest.raises(textbook_fast.SourceChangedError):
        pickle.loads(state)
    assert len(textbook_fast.open(path)) == 1


def test_where_the_index_cannot_be_kept(
    tmp_path: Path, text: bytes, truth: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(tmp_path, "gz-6", text)
    (tmp_path / f"{path.name}.tfidx").mkdir()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    ds = textbook_fast.open(path)
    assert str(ds.index_info[0]["sidecar"]).startswith(str(tmp_path / "cache"))
    assert textbook_fast.open(path).index_info[0]["built_in_seconds"] is None
    monkeypatch.setenv("XDG_CACHE_HOME", "/proc/none")
    monkeypatch.setenv("HOME", "/proc/none")
    with pytest.warns(RuntimeWarning, match="could not be kept"):
        ds = textbook_fast.open(path)
    assert ds.index_info[0]["sidecar"] is None
    assert ds[159].to_dict() == truth[159]


def test_a_full_disk_leaves_no_half_index(
    tmp_path: Path, text: bytes, truth: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """No file may grow beyond a limit: writes fail as on a full disk."""
    path = write(tmp_path, "zip-6", text)
    (info,) = build_index(path)
    sidecar = Path(str(info["sidecar"]))
    size = sidecar.stat().st_size
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    kept = resource.getrlimit(resource.RLIMIT_FSIZE)
    for limit in (10, size // 2, size - 1):
        sidecar.unlink(missing_ok=True)
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, kept[1]))
        try:
            with pytest.warns(RuntimeWarning, match="could not be kept"):
                ds = textbook_fast.open(path)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, kept)
        assert ds[-1].to_dict() == truth[-1]
        assert not [file for file in tmp_path.rglob("*") if "tfidx" in file.name]


OPEN = """
import sys
import textbook_fast
print("begun", flush=True)
ds = textbook_fast.open(sys.argv[1], threads=2)
print(len(ds), flush=True)
"""


def start(path: Path, program: str = OPEN) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-c", program, str(path)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stdout.readline() == b"begun\n"
    return process


def test_processes_that_build_at_once(tmp_path: Path, text: bytes) -> None:
    path = write(tmp_path, "gz-6", text)
    processes = [start(path) for _ in range(4)]
    for process in processes:
        out, _ = process.communicate(timeout=60)
        assert (process.returncode, out) == (0, b"160\n")
    assert {file.name for file in tmp_path.iterdir()} == {path.name, f"{path.name}.tfidx"}
    assert textbook_fast.open(path).index_info[0]["built_in_seconds"] is None


INDEX = """
import sys
from textbook_fast import _core
print("begun", flush=True)
_core.Files(
    sys.argv[1:], access="map", recover=False, threads=2, allows_long_pass=True, save_every=0.0
)
"""


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["gz-6", "zip-6", "lines"])
def test_killed_at_random_moments(tmp_path: Path, text: bytes, kind: str) -> None:
    # The records ten times.
    records = [text.strip()[1:-1]] * 10
    if kind == "lines":
        lines = b"\n".join(json.dumps(record).encode() for record in json.loads(text)) + b"\n"
        path = tmp_path / "text.jsonl.gz"
        path.write_bytes(gzip.compress(lines * 10, 6))
    else:
        path = write(tmp_path, kind, b"[" + b",".join(records) + b"]")
    began = time.monotonic()
    (info,) = build_index(path)
    seconds = time.monotonic() - began
    sidecar = Path(str(info["sidecar"]))
    undisturbed = sidecar.read_bytes()
    sidecar.unlink()
    moments = random.Random(2)
    killed = resumed = 0
    for _ in range(300):
        process = start(path, INDEX)
        time.sleep(moments.random() * seconds * 0.6)
        process.send_signal(signal.SIGKILL)
        process.communicate()
        if not sidecar.exists():
            killed += 1
            if killed < 20:
                continue
            (info,) = build_index(path)
            resumed = info["resumed_at"]
        # It came to the end, mostly in several turns: again from the beginning.
        assert sidecar.read_bytes() == undisturbed
        if resumed:
            break
        sidecar.unlink()
    assert killed >= 20
    assert 0 < resumed < path.stat().st_size
    assert len(textbook_fast.open(path)) == 1600
    # Leftovers of killed processes are gone.
    assert {file.name for file in tmp_path.iterdir()} == {path.name, sidecar.name}


# --- damage


@pytest.mark.parametrize("kind", ["gz-6", "zip-6", "gz-members"])
def test_damage_is_told_of_with_its_place(tmp_path: Path, text: bytes, kind: str) -> None:
    path = write(tmp_path, kind, text)
    good = path.read_bytes()
    places = random.Random(4)
    for _ in range(25):
        # Not in the header of a gzip file, and of a zip in the data.
        bad = bytearray(good)
        at = places.randrange(400, len(good) - 1000)
        bad[at] ^= 1 << places.randrange(8)
        path.write_bytes(bad)
        try:
            same = python_reads(path) == text
        except (OSError, EOFError, zlib.error, zipfile.BadZipFile):
            same = False
        if same:  # a byte that means nothing, as the time in a member's header
            assert kind == "gz-members"
            continue
        with pytest.raises(textbook_fast.FormatError, match=r"at byte|ends at byte") as caught:
            textbook_fast.open(path)
        assert 0 < caught.value.offset <= len(good)
        with pytest.raises(textbook_fast.FormatError, match=r"broken or cut: .*fetch it again"):
            unpack(path)
        assert {file.name for file in tmp_path.iterdir()} == {path.name}


def test_a_cut_file_opens_as_far_as_it_is_whole_when_asked(
    tmp_path: Path, text: bytes, truth: list[dict[str, Any]]
) -> None:
    path = tmp_path / f"{NAME}.gz"
    good = gzip.compress(text)
    for share in (0.1, 0.5, 0.9, 0.999):
        length = int(len(good) * share)
        path.write_bytes(good[:length])
        with pytest.raises(textbook_fast.TruncatedError) as caught:
            textbook_fast.open(path)
        assert caught.value.offset == length
        ds = textbook_fast.open(path, recover=True)
        assert len(ds) == caught.value.records
        assert 0 < len(ds) <= len(truth)
        assert [sample.to_dict() for sample in ds] == truth[: len(ds)]


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_a_cut_zip_is_told_of(tmp_path: Path, text: bytes, method: int) -> None:
    path = tmp_path / f"{NAME}.zip"
    good = zipped(text, method)
    for length in (3, 30, 1000, len(good) // 2, len(good) - 200, len(good) - 12):
        path.write_bytes(good[:length])
        with pytest.raises(textbook_fast.FormatError, match=r"broken or cut.*fetch it again"):
            textbook_fast.open(path)


def flagged(data: bytes, method: int | None = None, flag: int | None = None) -> bytes:
    """A zip of one entry with another method or flag in its directory."""
    made = bytearray(data)
    at = made.rindex(b"PK\x01\x02")
    if flag is not None:
        made[at + 8] |= flag
    if method is not None:
        made[at + 10 : at + 12] = method.to_bytes(2, "little")
    return bytes(made)


def test_what_a_zip_holds_is_named(tmp_path: Path) -> None:
    path = tmp_path / "x.zip"

    def expect(words: str) -> None:
        for call in (textbook_fast.open, unpack):
            with pytest.raises(textbook_fast.FormatError, match=words):
                call(path)

    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a.json", "[]")
        archive.writestr("deep/b.jsonl", "{}")
    expect(r"one JSON file is expected in the zip, there are 2 \(a\.json, deep/b\.jsonl\)")
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a.txt", "[]")
    expect(r"there are 0 \(it holds a\.txt\)")
    with zipfile.ZipFile(path, "w"):
        pass
    expect(r"there are 0 \(it holds nothing\)")
    with zipfile.ZipFile(path, "w", zipfile.ZIP_LZMA) as archive:
        archive.writestr("a.json", "[]")
    expect(r"'?a\.json.* method 14 \(LZMA\)")
    with zipfile.ZipFile(path, "w", zipfile.ZIP_BZIP2) as archive:
        archive.writestr("a.json", "[]")
    expect(r"method 12 \(BZIP2\)")
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.json", "[]")
    good = path.read_bytes()
    path.write_bytes(flagged(good, method=99))
    expect(r"method 99 \(AES\)")
    path.write_bytes(flagged(good, flag=1))
    expect(r"a\.json.* is encrypted")
    path.write_bytes(flagged(good, method=0))
    expect("two lengths")
    path.write_bytes(good)
    assert len(textbook_fast.open(path)) == 0


def test_a_wrong_crc_or_length_in_the_directory_is_noticed(tmp_path: Path, text: bytes) -> None:
    path = tmp_path / "x.zip"
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(NAME, text)
    good = file.getvalue()
    entry = good.rindex(b"PK\x01\x02")
    for place, words in ((16, "CRC-32"), (24, "length")):
        for change in (1, -1):
            made = bytearray(good)
            (value,) = struct.unpack_from("<I", made, entry + place)
            struct.pack_into("<I", made, entry + place, value + change)
            path.write_bytes(made)
            with pytest.raises(textbook_fast.FormatError, match=words):
                textbook_fast.open(path)


def test_a_bomb_costs_no_memory(tmp_path: Path) -> None:
    path = tmp_path / "bomb.json.gz"
    squeeze = zlib.compressobj(9, wbits=31)
    data = b"".join(squeeze.compress(b" " * (1 << 20)) for _ in range(500)) + squeeze.flush()
    path.write_bytes(data)
    call = "import sys, textbook_fast\ntry:\n textbook_fast.open(sys.argv[1])\n"
    call += "except textbook_fast.FormatError as e: print(e)\n"
    call += "print(*(line for line in open('/proc/self/status') if line.startswith('VmHWM')))"
    run = subprocess.run([sys.executable, "-c", call, str(path)], capture_output=True, text=True)
    said, peak, *_ = run.stdout.splitlines()
    assert "only white space" in said
    assert int(peak.split()[1]) < 150_000, peak
