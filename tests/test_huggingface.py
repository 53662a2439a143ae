"""textbook_fast.huggingface: rows, Features, processors. Runs in `.ci/frameworks`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import Writer, record

import textbook_fast
from textbook_fast import Dataset

pytestmark = [
    pytest.mark.frameworks,
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
]


@pytest.fixture
def hf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """textbook_fast.huggingface, offline, its caches in the test's folder."""
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    pytest.importorskip(
        "datasets", reason="datasets is not installed: pip install '.[test-frameworks]'"
    )
    import datasets

    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    datasets.disable_progress_bars()
    from textbook_fast import huggingface

    return huggingface


def arrays(images: list[Any]) -> list[Any]:
    return [image for image in images if isinstance(image, np.ndarray)]


def test_rows_are_what_processors_take(hf: Any, example: Dataset) -> None:
    view = example[::-4]
    table = hf.as_dataset(view, max_images=2)
    assert len(table) == 25
    rows = table[[3, 0, 3]]
    assert rows["index"] == [view[k].index for k in (3, 0, 3)]
    for sample, images, text in zip(
        [view[k] for k in (3, 0, 3)], rows["images"], rows["text"], strict=True
    ):
        prompt = sample.to_prompt(max_images=2)
        assert text == prompt.text
        assert text.count("<image>") == len(images) <= 2
        assert all(np.array_equal(a, b) for a, b in zip(images, prompt.images, strict=True))
    shuffled = table.shuffle(seed=1).select(range(5))
    assert len({row["index"] for row in shuffled}) == 5


def test_samples_without_images(hf: Any, write_json: Writer, tmp_path: Path) -> None:
    rows: list[dict[str, Any]] = [
        {"images": [None], "texts": ["alone"]},
        {"images": [], "texts": []},
    ]
    ds = textbook_fast.open(write_json(rows))
    assert hf.as_dataset(ds)[:] == {"index": [0, 1], "images": [[], []], "text": ["alone", ""]}
    for made in (hf.to_dataset(ds, cache_dir=str(tmp_path / "c")), hf.to_iterable_dataset(ds)):
        found = list(made)
        assert [row["images"] for row in found] == [[None], []]
        assert [row["texts"] for row in found] == [["alone"], []]
        assert found[0]["token_num"] is None
        assert made.features == hf.features()


def test_converted_rows_have_features_and_pixels(hf: Any, example: Dataset, tmp_path: Path) -> None:
    import datasets

    few = example[:6]
    table = hf.to_dataset(few, cache_dir=str(tmp_path / "cache"))
    stream = hf.to_iterable_dataset(few, num_shards=3)
    assert stream.num_shards == 3
    assert isinstance(table.features["images"].feature, datasets.Image)
    for sample, row, streamed in zip(few, table, stream, strict=True):
        for found in (row, streamed):
            assert found["index"] == sample.index
            assert found["texts"] == sample.texts
            assert found["text_ocr_list"] == sample.text_ocr_list
            assert found["token_num"] == sample.token_num
            pixels = [None if image is None else np.asarray(image) for image in found["images"]]
            for mine, theirs in zip(sample.images, pixels, strict=True):
                assert (mine is None) == (theirs is None)
                assert mine is None or np.array_equal(mine, theirs)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="num_shards must be at least 1"):
        hf.to_iterable_dataset(few, num_shards=0)


def test_a_broken_image_raises_or_is_null(hf: Any, write_json: Writer, tmp_path: Path) -> None:
    path = write_json([record("v@0_1#1.jpg")])
    marked = textbook_fast.open(path, images=tmp_path, on_error="mark")
    assert next(iter(hf.to_iterable_dataset(marked, on_error="mark")))["images"] == [None, None]
    assert hf.as_dataset(marked)[0]["images"] == []
    ds = textbook_fast.open(path, images=tmp_path)
    with pytest.raises(textbook_fast.ImageNotFoundError, match="sample 0, image 0"):
        hf.as_dataset(ds)[0]
    with pytest.raises(textbook_fast.ImageNotFoundError, match="sample 0, image 0"):
        next(iter(hf.to_iterable_dataset(ds)))


def test_messages_go_through_a_chat_template(example: Dataset) -> None:
    transformers = pytest.importorskip(
        "transformers", reason="transformers is not installed: pip install '.[test-frameworks]'"
    )
    tokenizers = pytest.importorskip("tokenizers")
    words = tokenizers.Tokenizer(tokenizers.models.WordLevel({"x": 0}, unk_token="x"))  # noqa: S106
    tokenizer = transformers.PreTrainedTokenizerFast(tokenizer_object=words)
    template = (
        "{% for m in messages %}{{ m.role }}:{% for c in m.content %}"
        "{% if c.type == 'image' %}<image>{% else %}{{ c.text }}{% endif %}"
        "{% endfor %}{% endfor %}"
    )
    sample = example[42]
    text = tokenizer.apply_chat_template(
        sample.to_messages(), chat_template=template, tokenize=False
    )
    prompt = sample.to_prompt(separator="")
    assert text == "user:" + prompt.text
    assert text.count("<image>") == len(prompt.images)
    # A tokenizer of Hugging Face counts tokens as it is.
    words.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    tokenizer = transformers.PreTrainedTokenizerFast(tokenizer_object=words)
    counted = sample.to_prompt(tokenizer=tokenizer, tokens_per_image=10)
    in_text = len(tokenizer(prompt.text.replace("<image>", " "))["input_ids"])
    assert counted.num_tokens == in_text + 10 * len(prompt.images)


def test_rows_go_through_a_processor(hf: Any, example: Dataset) -> None:
    pytest.importorskip(
        "transformers", reason="transformers is not installed: pip install '.[test-frameworks]'"
    )
    from transformers import CLIPImageProcessor

    processor = CLIPImageProcessor(size={"shortest_edge": 32}, crop_size=32)
    rows = hf.as_dataset(example)[[42, 7]]
    for images in rows["images"]:
        pixels = processor(images, return_tensors="np")["pixel_values"]
        assert pixels.shape == (len(images), 3, 32, 32)
