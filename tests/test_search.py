"""Search: what is found, how it is shown, and what a bad pattern is told."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from conftest import Writer
from hypothesis import given, settings
from hypothesis import strategies as st

import textbook_fast
from textbook_fast.cli import main


def naive(
    records: list[dict[str, Any]], field: str, pattern: re.Pattern[str]
) -> list[tuple[int, int]]:
    return [
        (sample, item)
        for sample, record in enumerate(records)
        for item, text in enumerate(record.get(field) or [])
        if text is not None and pattern.search(text)
    ]


def places(hits: Any) -> list[tuple[int, int]]:
    return [(hit.sample, hit.item) for hit in hits]


@pytest.fixture
def records(example_data: Path) -> list[dict[str, Any]]:
    text = (example_data / "textbook_sample_100.json").read_text(encoding="utf-8")
    parsed: list[dict[str, Any]] = json.loads(text)
    return parsed


@pytest.mark.parametrize("field", ["texts", "text_ocr_list"])
@pytest.mark.parametrize(
    ("pattern", "regex"),
    [("the", False), ("Light", False), ("light", True), (r"\bgreen\b|\d{2}", True), ("²", False)],
)
@pytest.mark.parametrize("ignore_case", [True, False])
def test_it_finds_what_a_loop_finds(
    example: textbook_fast.Dataset,
    records: list[dict[str, Any]],
    field: Any,
    pattern: str,
    regex: bool,  # noqa: FBT001
    ignore_case: bool,  # noqa: FBT001
) -> None:
    expected = naive(
        records,
        field,
        re.compile(pattern if regex else re.escape(pattern), re.IGNORECASE if ignore_case else 0),
    )
    hits = list(example.search(pattern, field=field, regex=regex, ignore_case=ignore_case))
    assert places(hits) == expected
    for hit in hits:
        text = records[hit.sample][field][hit.item]
        assert hit.excerpt.strip("…") in text
        found = hit.excerpt[hit.start : hit.end]
        assert found.casefold() == pattern.casefold() or regex
        assert (hit.sample, hit.item, hit.excerpt) == tuple(hit)


def test_views_limits_and_order(example: textbook_fast.Dataset) -> None:
    every = places(example.search("the"))
    assert places(example.search("the", limit=5)) == every[:5]
    assert places(example.search("the", limit=0)) == []
    view = example[::-3]
    hits = list(view.search("the"))
    assert [hit.sample for hit in hits] == sorted(hit.sample for hit in hits)
    assert [(view[hit.sample].index, hit.item) for hit in hits] == [
        place for index in range(99, -1, -3) for place in every if place[0] == index
    ]
    assert all("the" in (view[hit.sample].texts[hit.item] or "").lower() for hit in hits)


# Every text can be spelled in many ways; json.dumps and this one give some.
def spelled(text: str, how: list[int]) -> str:
    out = []
    for place, letter in enumerate(text):
        choice = how[place % len(how)] if how else 0
        short = json.dumps(letter, ensure_ascii=choice == 1)[1:-1]
        if choice == 2 and ord(letter) < 0x10000:
            short = f"\\u{ord(letter):04X}"
        if choice == 3 and letter == "/":
            short = "\\/"
        out.append(short)
    return "".join(out)


letters = st.text(st.sampled_from('aAkK\u017f/"\\\né漢😀.1\x01'), min_size=1, max_size=4)


@given(
    texts=st.lists(letters, min_size=1, max_size=6),
    needle=letters,
    how=st.lists(st.integers(0, 3), max_size=7),
)
@settings(deadline=None)  # a file is written and opened each time
def test_every_spelling_of_json_is_searched(
    tmp_path_factory: pytest.TempPathFactory, texts: list[str], needle: str, how: list[int]
) -> None:
    path = tmp_path_factory.mktemp("spelled") / "x.json"
    body = ",\n".join(f'{{"texts": [null, "{spelled(text, how)}"]}}' for text in texts)
    path.write_text(f"[{body}]", encoding="utf-8")
    ds = textbook_fast.open(path, decode="never")
    assert [sample.texts[1] for sample in ds] == texts
    expected = [(k, 1) for k, text in enumerate(texts) if needle in text]
    assert places(ds.search(needle, ignore_case=False)) == expected
    assert places(ds.search(re.escape(needle), ignore_case=False, regex=True)) == expected


def test_bad_arguments(example: textbook_fast.Dataset) -> None:
    with pytest.raises(ValueError, match=r"(?s)'a\(b' cannot be used.*unclosed group"):
        example.search("a(b", regex=True)
    with pytest.raises(ValueError, match=r"(?s)size limit"):
        example.search(r"(\w{500}){500}", regex=True)
    with pytest.raises(ValueError, match="the pattern is empty"):
        example.search("")
    with pytest.raises(ValueError, match="field must be one of 'texts', 'text_ocr_list', not 'x'"):
        example.search("a", field="x")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="limit must be 0 or more"):
        example.search("a", limit=-1)
    with pytest.raises(ValueError, match="the pattern is no text"):
        example.search("\ud800")


def test_a_pattern_that_explodes_elsewhere_takes_linear_time(write_json: Writer) -> None:
    ds = textbook_fast.open(write_json([{"texts": ["a" * 1_000_000 + "b"]}]))
    begin = time.monotonic()
    (hit,) = ds.search(r"(a*)*b$", regex=True)
    assert not list(ds.search(r"(a|a)*c", regex=True))
    assert time.monotonic() - begin < 60
    assert len(hit.excerpt) < 400


def test_a_broken_sample_is_told_with_its_place(write_json: Writer) -> None:
    ds = textbook_fast.open(write_json('[{"texts": ["fine"]}, {"texts": ["fine", {}]}]'))
    with pytest.raises(textbook_fast.RecordError, match=r"sample 1 .*expected a string or null"):
        list(ds.search("fine"))


def test_a_file_that_changes_is_noticed(write_json: Writer) -> None:
    path = write_json([{"texts": ["fine"]}] * 3)
    ds = textbook_fast.open(path, access="read")
    path.write_bytes(path.read_bytes() + b" ")
    with pytest.raises(textbook_fast.SourceChangedError):
        list(ds.search("fine"))


def test_several_files_are_one(write_json: Writer) -> None:
    paths = [write_json([{"texts": ["one"]}, {"texts": ["x"]}], f"{k}.json") for k in range(3)]
    assert places(textbook_fast.open(paths).search("one")) == [(0, 0), (2, 0), (4, 0)]


def test_the_command(example: textbook_fast.Dataset, capsys: pytest.CaptureFixture[str]) -> None:
    (path,) = example.paths
    hits = list(example.search("light"))
    assert len(hits) > 5
    assert main(["search", "light", path]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines == [f"{hit.sample}:{hit.item}: {hit.excerpt}" for hit in hits]
    assert main(["search", "--json", "--limit", "2", "LIGHT", path]) == 0
    shown = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [(hit["sample"], hit["item"], hit["excerpt"]) for hit in shown] == [
        tuple(hit) for hit in hits[:2]
    ]
    assert main(["search", "--case-sensitive", "LIGHT", path]) == 0
    out, err = capsys.readouterr()
    assert (out, err) == ("", "nothing was found\n")
    assert main(["search", "--regex", "a[", path]) == 1
    assert "unclosed character class" in capsys.readouterr().err


def test_the_command_keeps_the_terminal_safe(
    write_json: Writer, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write_json([{"texts": ["a \x1b[31m red \u202e\n\tneedle é😀"]}])
    assert main(["search", "needle", str(path)]) == 0
    assert capsys.readouterr().out == "0:0: a \\u001b[31m red \\u202e  needle é😀\n"


def test_results_stream_into_a_pipe_that_closes(example: textbook_fast.Dataset) -> None:
    """As `| head -1` does."""
    command = [sys.executable, "-m", "textbook_fast", "search", "e", example.paths[0]]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline().startswith(b"0:")
        process.stdout.close()
        assert process.stderr is not None
        assert b"Traceback" not in process.stderr.read()
