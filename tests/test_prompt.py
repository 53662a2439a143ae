"""Samples as prompts, messages and packs: as many placeholders as images, each sample once."""

from __future__ import annotations

import json
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import Writer
from hypothesis import given
from hypothesis import strategies as st

import textbook_fast
from textbook_fast import Dataset, Loader, Pack, RecordError, Sample, StateError, pack_sequences
from textbook_fast.prompt import escape


def row(*items: str | None, **more: Any) -> dict[str, Any]:
    """A record of these texts; None stands for an image."""
    return {
        "images": ["p.jpg" if item is None else None for item in items],
        "texts": list(items),
        **more,
    }


@pytest.fixture
def images(tmp_path: Path, example_data: Path) -> Path:
    folder = tmp_path / "images"
    folder.mkdir()
    source = min((example_data / "sample_100_images").glob("*.jpg"))
    (folder / "p.jpg").write_bytes(source.read_bytes())
    return folder


@pytest.fixture
def one(images: Path, write_json: Writer) -> Any:
    def make(*items: str | None, **more: Any) -> Sample:
        return textbook_fast.open(write_json([row(*items, **more)]), images=images)[0]

    return make


def words(text: str) -> list[str]:
    return text.split()


def test_a_prompt_has_a_placeholder_for_each_image(one: Any) -> None:
    sample = one("Look", None, None, " at ", "", None)
    prompt = sample.to_prompt()
    assert prompt.text == "Look <image> <image> at <image>"
    assert (prompt.positions, prompt.num_tokens) == ([1, 2, 5], 0)
    assert all(np.array_equal(image, sample.image(1)) for image in prompt.images)
    assert sample.to_prompt("<|img|>", separator="").text == "Look<|img|><|img|>at<|img|>"
    assert one().to_prompt().text == ""
    assert one("a", None).to_prompt(max_images=0).text == "a"


def test_the_text_may_be_that_of_the_screen(one: Any) -> None:
    sample = one("said", None, text_ocr_list=["said and read", None])
    assert sample.to_prompt(text="text_ocr_list").text == "said and read <image>"
    assert one("said", None).to_prompt(text="text_ocr_list").text == "<image>"
    with pytest.raises(RecordError, match="'text_ocr_list' has 1 entries"):
        one("said", None, text_ocr_list=["x"]).to_prompt(text="text_ocr_list")
    with pytest.raises(ValueError, match="'texts' or 'text_ocr_list'"):
        sample.to_prompt(text="ocr")


def test_literal_placeholders_lose_their_brackets(one: Any) -> None:
    prompt = one("the <image> tag, <ima<image>ge>", None, "<image>").to_prompt()
    assert prompt.text == "the image tag, <imaimagege> <image> image"
    assert len(prompt.images) == 1
    # Texts that would join to one are refused, not counted wrongly.
    with pytest.raises(ValueError, match="2 placeholders for 1 images"):
        one("<ima", None, "x").to_prompt("<ima<i>", separator="<i>")


@given(st.text("<image>|# ab", max_size=40), st.sampled_from(["<image>", "#", "aa", "<|image|>"]))
def test_no_text_keeps_a_placeholder(text: str, token: str) -> None:
    assert token not in escape(text, token)
    if token not in text:
        assert escape(text, token) == text


def test_cuts_are_at_the_borders_of_items(one: Any) -> None:
    sample = one("one two three", None, "four five", None, "six")
    height, width = sample.image(1).shape[:2]

    def prompt(**options: Any) -> Any:
        return sample.to_prompt(tokenizer=words, tokens_per_image=10, **options)

    whole = "one two three <image> four five <image> six"
    for most, text, count in [
        (2, "", 0),
        (3, "one two three", 3),
        (12, "one two three", 3),
        (13, "one two three <image>", 13),
        (15, "one two three <image> four five", 15),
        (24, "one two three <image> four five", 15),
        (25, "one two three <image> four five <image>", 25),
        (26, whole, 26),
        (None, whole, 26),
    ]:
        found = prompt(max_tokens=most)
        assert (found.text, found.num_tokens) == (text, count)
        assert found.text.count("<image>") == len(found.images) == len(found.positions)
    # Images beyond the number are left out, and cost no tokens; the texts stay.
    found = prompt(max_tokens=16, max_images=1)
    assert (found.text, found.num_tokens) == ("one two three <image> four five six", 16)
    sizes = []

    def by_size(h: int, w: int) -> int:
        sizes.append((h, w))
        return 1

    sample.to_prompt(tokenizer=words, tokens_per_image=by_size)
    assert sizes == [(height, width)] * 2


def test_tokenizers_of_any_kind(one: Any) -> None:
    class Encoding:
        ids = (1, 2, 3)

    sample = one("a b")
    for tokenizer in (
        words,
        lambda text: {"input_ids": text.split()},
        lambda text: np.arange(len(text.split())),
    ):
        assert sample.to_prompt(tokenizer=tokenizer).num_tokens == 2
    assert sample.to_prompt(tokenizer=lambda _: Encoding()).num_tokens == 3
    with pytest.raises(TypeError, match="return a sequence of tokens"):
        sample.to_prompt(tokenizer=lambda _: 7)

    def fails(text: str) -> list[str]:
        raise KeyError(text)

    with pytest.raises(KeyError) as caught:
        sample.to_prompt(tokenizer=fails)
    assert caught.value.__notes__ == ["raised by the tokenizer, for sample 0, text 0"]


def test_wrong_limits(one: Any) -> None:
    sample = one("a", None)
    wrong: list[tuple[dict[str, Any], str]] = [
        ({"max_images": -1}, "max_images must be"),
        ({"max_tokens": -1}, "max_tokens must be"),
        ({"max_tokens": 5}, "max_tokens needs a tokenizer"),
        ({"max_tokens": 5, "tokenizer": words}, "tokens_per_image"),
        ({"image_token": ""}, "image_token must not be empty"),
        ({"tokens_per_image": -3}, "tokens_per_image has to be"),
    ]
    for options, message in wrong:
        with pytest.raises(ValueError, match=message):
            sample.to_prompt(**options)


def test_messages(one: Any) -> None:
    sample = one("Look: <image>", None, "there")
    messages = sample.to_messages()
    assert messages == [
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "Look: image"},
                {"type": "image", "image": messages[0]["content"][1]["image"]},
                {"type": "text", "text": "there"},
            ],
        }
    ]
    assert messages[0]["content"][1]["image"] is sample.images[1]
    assert sample.to_messages(role="assistant", max_images=0)[0] == {
        "role": "assistant",
        "content": [{"type": "text", "text": "Look: image"}, {"type": "text", "text": "there"}],
    }


# --- packs


def pack(loader: Loader, **options: Any) -> Any:
    defaults: dict[str, Any] = {"max_tokens": 700, "tokenizer": words, "tokens_per_image": 100}
    return pack_sequences(loader, **{**defaults, "waiting": 8, "too_large": "cut", **options})


def shape(packs: Any) -> list[tuple[list[int], int, int]]:
    return [(one.indices, one.num_tokens, len(one.images)) for one in packs]


def test_packs_keep_the_limits_and_have_every_sample_once(example: Dataset) -> None:
    packer = pack(Loader(example, 4, shuffle=True, threads=2), max_images=5)
    packs: list[Pack] = list(packer)
    assert packer.left_out == 0
    assert sorted(index for one in packs for index in one.indices) == list(range(100))
    assert len(packs) < 60
    for one in packs:
        assert one.num_tokens == sum(prompt.num_tokens for prompt in one.prompts) <= 700
        assert len(one.images) <= 5
        assert len(one.prompts) == len(one.indices) > 0
        for prompt in one.prompts:
            assert prompt.text.count("<image>") == len(prompt.images)
    other = pack(Loader(example, 4, shuffle=True, threads=1, prefetch_bytes=1), max_images=5)
    assert shape(packs) == shape(other)
    # The limits are used: packs that could take another one are few.
    assert np.mean([one.num_tokens for one in packs[:-8]]) > 400


def test_packs_resume_exactly(example: Dataset) -> None:
    def make() -> Any:
        return pack(Loader(example, 3, shuffle=True, seed=6))

    whole = shape(make())
    packer = make()
    seen = shape(islice(packer, 7))
    state = json.loads(json.dumps(packer.state_dict()))
    assert state["packing"]["waiting"]
    resumed = make()
    resumed.load_state_dict(state)
    assert resumed.state_dict() == state
    assert seen + shape(resumed) == whole


def test_another_world_size_deals_the_waiting_samples_out(example: Dataset) -> None:
    def make(rank: int, world_size: int) -> Any:
        return pack(Loader(example, 2, shuffle=True, rank=rank, world_size=world_size))

    packers = [make(rank, 3) for rank in range(3)]
    # All ranks stand at one step: they have taken as many batches.
    running = [iter(packer) for packer in packers]
    seen = [index for each in running for one in islice(each, 1) for index in one.indices]
    states = [packer.state_dict() for packer in packers]
    for world_size in (1, 2, 5):
        resumed = [make(rank, world_size) for rank in range(world_size)]
        for packer in resumed:
            packer.load_state_dict(states)
        rest = [index for packer in resumed for one in packer for index in one.indices]
        assert sorted(seen + rest) == list(range(100))
    with pytest.raises(StateError, match="the states of all 3 ranks"):
        make(0, 2).load_state_dict(states[0])
    with pytest.raises(StateError, match="not of one moment"):
        make(0, 2).load_state_dict([states[0], states[1], {**states[2], "position": 0}])
    with pytest.raises(StateError, match="max_images: None in the state, 3 here"):
        pack(Loader(example, 2, shuffle=True), max_images=3).load_state_dict(states)
    with pytest.raises(StateError, match="no state of a Packer"):
        make(0, 2).load_state_dict(Loader(example, 2).state_dict())


def test_a_sample_larger_than_a_whole_pack(images: Path, write_json: Writer) -> None:
    rows = [row("a b"), row("x " * 50), row("c", None), row(None, "d", None, None), row("e")]
    ds = textbook_fast.open(write_json(rows), images=images)

    def packs(too_large: str) -> Any:
        return pack(Loader(ds, 2), max_tokens=20, tokens_per_image=8, too_large=too_large)

    cut = packs("cut")
    assert shape(cut) == [([0, 2, 4], 12, 1), ([3], 17, 2)]
    assert cut.left_out == 1, "of the second nothing remains"
    skip = packs("skip")
    assert [index for one in skip for index in one.indices] == [0, 2, 4]
    assert skip.left_out == 2
    with pytest.raises(textbook_fast.TextbookError, match="sample 1 has 50 tokens and 0 images"):
        list(packs("raise"))


def test_wrong_packing(example: Dataset) -> None:
    with pytest.raises(ValueError, match="without a collate function"):
        pack(Loader(example, 2, collate=list))
    wrong: list[dict[str, Any]] = [
        {"max_tokens": 0},
        {"waiting": 0},
        {"too_large": "drop"},
        {"text": "ocr"},
    ]
    for options in wrong:
        with pytest.raises(ValueError, match=next(iter(options))):
            pack(Loader(example, 2), **options)
