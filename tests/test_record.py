"""One record's JSON to Python objects: as `json.loads`, lazily, and no further than asked."""

from __future__ import annotations

import json
import math
import threading
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from textbook_fast import _core
from textbook_fast.errors import RecordError

FIELDS = ("images", "texts", "text_ocr_list", "metadata", "image_num", "text_num", "token_num")
# As deep as a record may be nested, the record itself included.
MAX_DEPTH = 1000

# Surrogates included: json.dumps writes lone ones as escapes, json.loads gives them back.
CHARACTERS = st.characters(min_codepoint=0, max_codepoint=0x10FFFF, categories=None)
TEXT = st.text(CHARACTERS, max_size=80) | st.text(
    'ab"\\/\b\f\n\r\t\x00\x1f[]{},: é€😀', max_size=150
)
NUMBERS = st.integers() | st.floats() | st.integers(-(10**400), 10**400) | st.just(-0.0)
# Longer than what is looked at in one go.
TEXT |= TEXT.map(lambda text: text * 9)
SCALARS = st.none() | st.booleans() | NUMBERS | TEXT
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=6) | st.dictionaries(TEXT, inner, max_size=6),
    max_leaves=40,
)
KEYS = st.sampled_from(FIELDS) | TEXT
OBJECTS = st.dictionaries(KEYS, VALUES, max_size=8)
SPACE = st.text(" \t\n\r", max_size=70)


def encode(value: object, **options: Any) -> bytes:
    """JSON in UTF-8. What UTF-8 cannot hold, lone surrogates, is written as escapes."""
    text = json.dumps(value, **options)
    return "".join(f"\\u{ord(c):04x}" if "\ud800" <= c <= "\udfff" else c for c in text).encode()


def plain_loads(text: bytes) -> Any:
    """What the standard library makes of it: strict about UTF-8."""
    return json.loads(text.decode())


def assert_same(ours: object, theirs: object) -> None:
    """Equal in value, type and order, NaN and the sign of zero included."""
    assert type(ours) is type(theirs)
    if isinstance(ours, dict) and isinstance(theirs, dict):
        assert list(ours) == list(theirs)
        for key in ours:
            assert_same(ours[key], theirs[key])
    elif isinstance(ours, list) and isinstance(theirs, list):
        assert len(ours) == len(theirs)
        for one, other in zip(ours, theirs, strict=True):
            assert_same(one, other)
    elif isinstance(ours, float) and isinstance(theirs, float):
        assert ours.hex() == theirs.hex()
    else:
        assert ours == theirs


@given(OBJECTS, st.sampled_from([None, 0, 4, "\t"]), st.sampled_from([False, True]), SPACE, SPACE)
def test_a_dict_is_what_json_loads_makes(
    value: dict[str, Any], indent: int | str | None, ascii_only: object, before: str, after: str
) -> None:
    text = encode(value, indent=indent, ensure_ascii=ascii_only)
    text = before.encode() + text + after.encode()
    assert_same(_core.Record(text).to_dict(), plain_loads(text))
    assert _core.Record(text).raw == text


@st.composite
def written_objects(draw: st.DrawFn) -> str:
    """JSON as no writer writes it: any space anywhere, any character escaped, equal keys."""

    def space() -> str:
        return draw(st.sampled_from(["", "", " ", "\n", "\r\n\t  ", " " * 17]))

    def string(text: str) -> str:
        escape = draw(st.sampled_from(["none", "all", "upper", "some"]))
        parts = ['"']
        for index, char in enumerate(text):
            units = char.encode("utf-16-be", "surrogatepass")
            escaped = "".join(
                f"\\u{units[k]:02x}{units[k + 1]:02x}" for k in range(0, len(units), 2)
            )
            needs = char in '"\\' or char < " " or "\ud800" <= char <= "\udfff"
            if escape == "upper":
                escaped = escaped.upper().replace("\\U", "\\u")
            parts.append(
                escaped
                if needs or escape in {"all", "upper"} or (escape == "some" and index % 3 == 0)
                else char
            )
        return "".join([*parts, '"'])

    def value(depth: int) -> str:
        kind = draw(st.integers(0, 3 if depth else 1))
        if kind == 0:
            return draw(
                st.sampled_from(
                    "null true false NaN Infinity -Infinity 0 -0 0.0 -0.0 1e5 1E+5 2.5e-300 1e999"
                    " 12345678901234567890123 0.1 2250.2200000000003 9007199254740993.0".split()
                )
            )
        if kind == 1:
            return string(draw(TEXT))
        if kind == 2:
            items = [space() + value(depth - 1) + space() for _ in range(draw(st.integers(0, 3)))]
            return "[" + (",".join(items) or space()) + "]"
        return obj(depth - 1)

    def obj(depth: int) -> str:
        pairs = [
            f"{space()}{string(draw(st.sampled_from([*FIELDS, '', 'a'])))}{space()}:"
            f"{space()}{value(depth)}{space()}"
            for _ in range(draw(st.integers(0, 4)))
        ]
        return "{" + (",".join(pairs) or space()) + "}"

    return space() + obj(3) + space()


@given(written_objects())
def test_any_layout_and_equal_keys(written: str) -> None:
    text = written.encode()
    assert_same(_core.Record(text).to_dict(), plain_loads(text))


PIECES = [
    *b'[]{},:"\\ \n\t\r\x00\x1f0123456789-+.eEnulltruefalseNaNInfinity\x7f\x80\xc3\xa9\xed\xa0\xff'
]
SEEDS = (
    '{"images": ["a@1_2#1.jpg", null], "texts": [null, "naïve “x” \\u00e9 \\"y\\" 😀"]}',
    '{"metadata": [{"vid": "v", "start_time": 2250.2200000000003}, {}], "n": [-0.5e-3, [], 1E4]}',
    '{"a": true, "b": false, "c": NaN, "d": -Infinity, "e": "\\ud800\\\\", "a": {"x": [[null]]}}',
)


@given(st.data())
def test_what_json_loads_refuses_is_refused_and_what_it_takes_is_taken(data: st.DataObject) -> None:
    text = bytearray(data.draw(st.sampled_from(SEEDS)).encode())
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(text) - 1))
        match data.draw(st.sampled_from(["set", "insert", "delete", "cut", "repeat"])):
            case "set":
                text[at] = data.draw(st.sampled_from(PIECES))
            case "insert":
                text.insert(at, data.draw(st.sampled_from(PIECES)))
            case "delete" if len(text) > 1:
                del text[at]
            case "cut" if at:
                del text[at:]
            case _:
                text[at:at] = text[at : at + 9]
    mutated = bytes(text)
    try:
        expected = plain_loads(mutated)
    except ValueError:
        expected = None
    if isinstance(expected, dict):
        assert_same(_core.Record(mutated).to_dict(), expected)
        assert _core.Record(mutated).raw == mutated
        return
    with pytest.raises(RecordError) as caught:
        _core.Record(mutated).to_dict()
    assert 0 <= caught.value.offset <= len(mutated)


@pytest.mark.parametrize(
    ("text", "offset"),
    [
        (b"", 0),
        (b'[{"a": 1}]', 0),
        (b'{"a":1}{"b":2}', 7),
        (b'{"a":1}}', 7),
        (b'{"a" 1}', 5),
        (b'{"a":1,}', 7),
        (b"{,}", 1),
        (b'\xef\xbb\xbf{"a":1}', 0),
        (b'{"a":1\x0c}', 6),
        (b'{"a":[1,]}', 8),
        (b'{"a":[1 2]}', 8),
        (b'{"a":[01]}', 7),
        (b'{"a":["\\x"]}', 7),
        (b'{"a":["\n"]}', 7),
        (b'{"a":["ok \xff"]}', 10),
        (b'{"a":["\\n\\n \xff"]}', 12),
        (b'{"a":["\xed\xa0\x80"]}', 7),  # a surrogate in bytes is no UTF-8
        (b'{"a":["\\n\xed\xa0\x80"]}', 9),
        (b'{"a":[nul]}', 6),
        (b'{"a":[{"b":1,}]}', 13),
        (b'{"a":[{1:1}]}', 7),
    ],
)
def test_an_error_says_where(text: bytes, offset: int) -> None:
    if not text.startswith(b"["):
        with pytest.raises(ValueError):  # noqa: PT011 - either of two
            plain_loads(text)
    with pytest.raises(RecordError, match=f"at byte {offset} of the record") as caught:
        _core.Record(text).to_dict()
    assert caught.value.offset == offset


def test_only_what_is_touched_is_read() -> None:
    text = b'{"images": ["a", null], "texts": ["\xff", "\\x"], "image_num": 1, "metadata": [01]}'
    record = _core.Record(text)
    for _ in range(2):
        assert record.images == ["a", None]
        assert record.image_num == 1
        assert record.raw == text
        for name in ("texts", "metadata"):
            with pytest.raises(RecordError):
                getattr(record, name)
        with pytest.raises(RecordError):
            record.to_dict()


def test_a_record_that_is_no_object_gives_no_field() -> None:
    record = _core.Record(b'{"images": ["a"], "texts": ["b"]} x')
    for name in (*FIELDS, "raw"):
        with pytest.raises(RecordError, match="at byte 34"):
            getattr(record, name)


@pytest.mark.parametrize("name", ["images", "texts", "text_ocr_list"])
@pytest.mark.parametrize("value", [3, "x", {}, True, [3], [None, {}], ["a", ["b"]], [True], [1.5]])
def test_a_list_of_texts_holds_strings_and_nulls(name: str, value: object) -> None:
    text = encode({"first": 1, name: value})
    assert_same(_core.Record(text).to_dict(), plain_loads(text))
    with pytest.raises(RecordError, match=f"field '{name}") as caught:
        getattr(_core.Record(text), name)
    assert caught.value.offset > text.index(name.encode())


@pytest.mark.parametrize("name", ["image_num", "text_num", "token_num"])
@pytest.mark.parametrize("value", [1.0, "1", [1], {}, True, math.nan])
def test_a_count_is_an_integer(name: str, value: object) -> None:
    with pytest.raises(RecordError, match=f"field '{name}': expected an integer") as caught:
        getattr(_core.Record(encode({name: value})), name)
    assert caught.value.offset == len(name) + 5


@given(OBJECTS, st.lists(st.none() | TEXT), st.none() | st.integers(-(10**30), 10**30))
def test_each_field_is_what_the_dict_has(
    value: dict[str, Any], texts: list[str | None], count: int | None
) -> None:
    value |= {"images": texts, "texts": texts[::-1], "text_num": count}
    text = encode(value, indent=4, ensure_ascii=False)
    record, expected = _core.Record(text), plain_loads(text)
    for name in ("images", "texts", "text_num"):
        assert_same(getattr(record, name), expected[name])


def test_missing_fields_and_null_are_none() -> None:
    for text in (b"{}", encode(dict.fromkeys(FIELDS))):
        record = _core.Record(text)
        assert [getattr(record, name) for name in FIELDS] == [None] * len(FIELDS)


@pytest.mark.parametrize(
    ("metadata", "expected"),
    [
        ('[{"vid": "v\\n", "start_time": 0.5}]', [{"vid": "v\n", "start_time": 0.5}]),
        (' {"vid": NaN', ' {"vid": NaN'),
        ('{"a": 1}', {"a": 1}),
        ("17", "17"),
        ("[1] and more", "[1] and more"),
        ("words", "words"),
        ("", ""),
        ({"vid": "[1]"}, {"vid": "[1]"}),
        ([None], [None]),
    ],
)
def test_metadata_may_be_json_in_a_string(metadata: object, expected: object) -> None:
    text = encode({"metadata": metadata})
    assert_same(_core.Record(text).metadata, expected)
    assert _core.Record(text).to_dict() == {"metadata": metadata}


def on_a_small_stack(run: Callable[[], None]) -> None:
    """Runs it in a thread with the smallest stack that Python makes threads with."""
    before = threading.stack_size(64 * 1024)
    failures: list[BaseException] = []

    def guarded() -> None:
        try:
            run()
        except BaseException as error:  # noqa: BLE001 - handed on
            failures.append(error)

    try:
        thread = threading.Thread(target=guarded)
        thread.start()
    finally:
        threading.stack_size(before)
    thread.join()
    if failures:
        raise failures[0]


@pytest.mark.parametrize(("opening", "closing"), [("[", "]"), ('{"k":', "}")])
def test_deep_nesting_needs_no_stack_and_has_a_limit(opening: str, closing: str) -> None:
    def nested(depth: int) -> bytes:
        middle = "1" if opening != "[" else ""
        return f'{{"metadata": {opening * depth}{middle}{closing * depth}}}'.encode()

    # Freed on the main stack: some CPythons free nested dicts by recursion.
    kept: list[Any] = []

    def run() -> None:
        value = _core.Record(nested(MAX_DEPTH - 1)).to_dict()
        kept.append(value)
        depth = 0
        inner: Any = value
        while inner and inner != 1:
            inner = inner[0] if isinstance(inner, list) else next(iter(inner.values()))
            depth += 1
        assert depth >= MAX_DEPTH - 1
        for depth in (MAX_DEPTH, 100_000):
            record = _core.Record(nested(depth))
            with pytest.raises(RecordError, match="nested more than 1000 deep"):
                record.to_dict()
            with pytest.raises(RecordError, match="nested more than 1000 deep"):
                _ = record.images

    on_a_small_stack(run)


def test_many_threads_read_one_record() -> None:
    value = {"images": ["a"] * 50, "texts": [None, "é"] * 25, "metadata": [{"vid": "v"}] * 50}
    record = _core.Record(encode(value, ensure_ascii=False))
    results: list[Any] = []
    barrier = threading.Barrier(8)

    def read() -> None:
        barrier.wait()
        results.extend((record.images, record.texts, record.to_dict()) for _ in range(50))

    threads = [threading.Thread(target=read) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == 8 * 50
    assert all(result == (value["images"], value["texts"], value) for result in results)


def test_lists_are_the_callers_own() -> None:
    record = _core.Record(b'{"images": ["a"], "metadata": {"b": [1]}}')
    images = record.images
    assert images == ["a"]
    images.append("x")
    record.metadata["b"].append(2)
    assert record.images == ["a"]
    assert record.metadata == {"b": [1]}
