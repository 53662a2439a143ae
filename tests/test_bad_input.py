"""Files that are not as they should be: a clear error, and nothing lost."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from conftest import Writer, record

import textbook_fast
from textbook_fast import FormatError, RecordError, TruncatedError


@pytest.mark.parametrize(
    ("data", "words", "offset"),
    [
        (b"", "the file is empty", 0),
        (b" \n\t\r ", "only white space", 5),
        (b"not json", "begins with 'not json'", 0),
        (b"\x1f\x8b\x08\x00", "the file is cut", 4),
        (b"<html>", "HTML", 0),
        (b'{"images": []}', "a JSON object, not an array", 0),
        (b"[1, 2]", "element 0 of the array has to be an object, found a number", 1),
        (b'[{}, "a"]', "element 1 of the array has to be an object, found a string", 5),
        (b"[{} {}]", "expected ',' or ']' after element 0", 4),
        (b"[{},]", "element 1 of the array has to be an object", 4),
        (b"[{}] {}", "expected nothing after the array's end", 5),
    ],
)
def test_other_files_are_named(write_json: Writer, data: bytes, words: str, offset: int) -> None:
    path = write_json(data)
    with pytest.raises(FormatError) as caught:
        textbook_fast.open(path)
    assert words in str(caught.value)
    assert str(path) in str(caught.value)
    assert (caught.value.path, caught.value.offset) == (str(path), offset)
    assert not path.with_name("corpus.json.tfidx").exists()


def test_what_is_no_file(tmp_path: Path, write_json: Writer) -> None:
    with pytest.raises(FileNotFoundError, match=r"nothing\.json"):
        textbook_fast.open(tmp_path / "nothing.json")
    with pytest.raises(OSError, match="directory"):
        textbook_fast.open(tmp_path)
    os.mkfifo(tmp_path / "fifo.json")
    with pytest.raises(OSError, match="no regular file"):
        textbook_fast.open(tmp_path / "fifo.json")
    path = write_json([record("a")])
    path.chmod(0)
    if os.geteuid() == 0:
        # Root reads everything, so another user has to try.
        path.parent.chmod(0o755)
        code = (
            f"import os, textbook_fast; os.setuid(65534)\n"
            f"try: textbook_fast.open({str(path)!r})\n"
            f"except PermissionError as error: print(error)"
        )
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
        assert "ermission denied" in done.stdout, done.stderr
    else:
        with pytest.raises(PermissionError):
            textbook_fast.open(path)


def test_an_empty_array_has_no_samples(write_json: Writer) -> None:
    ds = textbook_fast.open(write_json(b" [ ] "))
    assert len(ds) == 0
    with pytest.raises(IndexError):
        _ = ds[0]
    assert list(ds[:]) == []


def test_a_cut_file_says_what_is_whole_and_recovers(write_json: Writer) -> None:
    whole = json.dumps([record("a"), record("b"), record("c")], indent=4).encode()
    ends = [k + 6 for k in range(len(whole)) if whole.startswith(b"\n    }", k)]
    path = write_json(whole[: ends[2] - 20])
    with pytest.raises(TruncatedError, match="the file is cut") as caught:
        textbook_fast.open(path)
    assert (caught.value.records, caught.value.end_of_last) == (2, ends[1])
    assert caught.value.offset == ends[2] - 20
    ds = textbook_fast.open(path, recover=True)
    assert [sample.image_paths[0] for sample in ds] == ["a", "b"]
    assert not path.with_name("corpus.json.tfidx").exists()


def test_deep_nesting_is_that_samples_error(write_json: Writer) -> None:
    deep = b'{"images": [], "texts": [], "x": ' + b"[" * 100_000 + b"]" * 100_000 + b"}"
    fine = b'{"images": [], "texts": [], "x": ' + b"[" * 900 + b"]" * 900 + b"}"
    ds = textbook_fast.open(write_json(b"[" + deep + b"," + fine + b"]"))
    with pytest.raises(RecordError, match=r"sample 0 .*nested more than 1000 deep"):
        _ = ds[0].texts
    with pytest.raises(RecordError):
        ds[0].to_dict()
    assert ds[1].texts == []
    assert ds[1].to_dict()["x"]


def test_invalid_utf8_is_that_fields_error(write_json: Writer) -> None:
    bad = b'{"images": [null], "texts": ["caf\xe9"], "text_num": 3}'
    ds = textbook_fast.open(write_json(b"[" + bad + b', {"texts": ["x"]}]'))
    with pytest.raises(RecordError, match="not valid UTF-8") as caught:
        _ = ds[0].texts
    assert caught.value.offset == bad.index(b"\xe9")
    assert (caught.value.sample, caught.value.position) == (0, 0)
    assert ds[0].text_num == 3
    assert ds[1].texts == ["x"]


def test_lists_of_different_length(write_json: Writer) -> None:
    broken = record("a") | {"texts": [None]}
    ds = textbook_fast.open(write_json([broken, record("b")]))
    sample = ds[0]
    assert sample.image_paths == ["a", None]
    with pytest.raises(RecordError, match="'texts' has 1 entries and 'images' has 2"):
        _ = sample.texts
    with pytest.raises(RecordError):
        list(ds[0].interleaved())
    assert ds[1].texts == [None, "said b"]


def test_wrong_types_name_the_field(write_json: Writer) -> None:
    for field, value, words in (
        ("images", [7], "field 'images[0]': expected a string or null, found '7'"),
        ("texts", {}, "field 'texts': expected a list, found '{'"),
        ("image_num", "3", "field 'image_num': expected an integer, found a string"),
        ("token_num", 1.5, "field 'token_num': expected an integer"),
        ("text_num", True, "field 'text_num': expected an integer"),
    ):
        sample = textbook_fast.open(write_json([record("a") | {field: value}], f"{field}.json"))[0]
        with pytest.raises(RecordError, match="sample 0") as caught:
            getattr(sample, {"images": "image_paths"}.get(field, field))
        assert words in str(caught.value)


def test_missing_and_unknown_fields(write_json: Writer) -> None:
    ds = textbook_fast.open(
        write_json('[{}, {"texts": ["a"], "ssim_score": NaN}, {"images": ["x"]}, {"images": null}]')
    )
    assert (ds[0].image_paths, ds[0].texts, ds[0].text_ocr_list) == ([], [], None)
    assert (ds[0].metadata, ds[0].image_num, ds[0].keyframes, ds[0].images) == (None, None, [], [])
    assert (ds[1].image_paths, ds[1].texts) == ([None], ["a"])
    assert ds[1].to_dict()["ssim_score"] != ds[1].to_dict()["ssim_score"]
    assert (ds[2].texts, ds[3].image_paths) == ([None], [])


def test_metadata_in_all_its_forms(write_json: Writer) -> None:
    forms = [[1, {"a": None}], '[{"vid": "x"}]', "{broken", "text", None, {"a": 1}]
    ds = textbook_fast.open(write_json([{"metadata": form} for form in forms]))
    expected = [forms[0], [{"vid": "x"}], "{broken", "text", None, {"a": 1}]
    assert [sample.metadata for sample in ds] == expected
    assert ds[1].to_dict() == {"metadata": forms[1]}


@pytest.mark.parametrize("access", ["map", "read"])
def test_a_changed_file_is_noticed(
    write_json: Writer, access: textbook_fast.dataset.Access
) -> None:
    path = write_json([record("a"), record("b")])
    text = path.read_bytes()
    ds = textbook_fast.open(path, access=access)
    held = ds[0]
    replaced = path.with_name("new.json")
    replaced.write_bytes(b"[]")
    backup = path.with_name("kept.json")
    os.link(path, backup)
    replaced.rename(path)
    assert ds[1].image_paths == ["b", None], "renamed over: the old file is still there"
    backup.write_bytes(text[: len(text) // 2])
    with pytest.raises(textbook_fast.SourceChangedError, match="its length was"):
        _ = ds[1]
    assert held.texts == [None, "said a"]
    time.sleep(0.02)
    backup.write_bytes(text)
    with pytest.raises(textbook_fast.SourceChangedError, match="time of modification"):
        ds.record(0)


def test_a_record_that_is_no_object_is_never_handed_out(write_json: Writer) -> None:
    ds = textbook_fast.open(write_json('[{"a": [1}, {"b": 2]}]'))
    for index in range(len(ds)):
        for touch in (lambda index=index: ds.record(index), lambda index=index: ds[index].texts):
            with pytest.raises(RecordError, match=f"sample {index}"):
                touch()


def test_a_writer_killed_at_any_moment_leaves_no_half_index(tmp_path: Path) -> None:
    corpus = tmp_path / "corpus.json"
    corpus.write_bytes(b"[" + b",\n".join([b'{"images": ["a", null]}'] * 300_000) + b"]")
    code = f"import textbook_fast; textbook_fast.open({str(corpus)!r}); print('done')"
    ended = 0
    for attempt in range(12):
        process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)
        time.sleep(0.12 + 0.015 * attempt)
        process.send_signal(signal.SIGKILL)
        ended += process.communicate()[0] == b"done\n"
        sidecar = tmp_path / "corpus.json.tfidx"
        if sidecar.exists():
            assert sidecar.stat().st_size == 80 + 8 * 300_000
        assert len(textbook_fast.dataset.open_unkept(corpus)) == 300_000
    assert len(textbook_fast.open(corpus)) == 300_000
    assert {path.name for path in tmp_path.iterdir()} == {"corpus.json", "corpus.json.tfidx"}


def test_a_disk_that_takes_no_more_leaves_no_half_index(tmp_path: Path) -> None:
    corpus = tmp_path / "corpus.json"
    corpus.write_bytes(b"[" + b",".join([b"{}"] * 400_000) + b"]")
    # A limit on files' size fails a write in its middle, as a full disk does.
    code = (
        "import resource, signal, sys, warnings, textbook_fast\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 20))\n"
        "with warnings.catch_warnings(record=True) as caught:\n"
        "    warnings.simplefilter('always')\n"
        "    print(len(textbook_fast.open(sys.argv[1])))\n"
        "print(caught[0].message)\n"
    )
    environment = os.environ | {"XDG_CACHE_HOME": str(tmp_path / "cache")}
    command = [sys.executable, "-c", code, str(corpus)]
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr
    count, warning = done.stdout.splitlines()
    assert count == "400000"
    assert "could not be kept" in warning
    assert warning.count("File too large") == 2, "beside the file, and in the cache folder"
    left = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert left == [corpus]
