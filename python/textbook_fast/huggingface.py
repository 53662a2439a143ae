"""Hugging Face: a dataset as `datasets.Dataset` and `datasets.IterableDataset`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, TypeAlias

from textbook_fast.errors import ImageError
from textbook_fast.jpeg import OnError, check_on_error
from textbook_fast.prompt import TextField, Tokenizer, TokensPerImage
from textbook_fast.sample import Sample
from textbook_fast.views import Samples

try:
    import datasets
except ImportError as error:
    raise ImportError(
        "textbook_fast.huggingface needs the package datasets: pip install datasets (it is in "
        "the extra 'test-frameworks' of textbook-fast)"
    ) from error

__all__ = ["as_dataset", "features", "to_dataset", "to_iterable_dataset"]

Row: TypeAlias = dict[str, Any]


def features() -> datasets.Features:
    """The Features of `to_dataset` and `to_iterable_dataset`.

    ``images``, ``texts`` and ``text_ocr_list`` are aligned lists, as in the JSON: null in
    ``images`` where a text stands, and the other way round. An image is its encoded
    bytes, which `datasets` decodes with Pillow when a row is read.
    """
    text = datasets.Value("string")
    return datasets.Features(
        {
            "index": datasets.Value("int64"),
            "images": datasets.List(datasets.Image()),
            "texts": datasets.List(text),
            "text_ocr_list": datasets.List(text),
            "image_num": datasets.Value("int64"),
            "text_num": datasets.Value("int64"),
            "token_num": datasets.Value("int64"),
        }
    )


def as_dataset(
    samples: Samples,
    *,
    image_token: str = "<image>",
    text: TextField = "texts",
    max_images: int | None = None,
    max_tokens: int | None = None,
    tokenizer: Tokenizer | None = None,
    tokens_per_image: TokensPerImage | None = None,
) -> datasets.Dataset:
    """The samples as a `datasets.Dataset` whose rows are read when they are asked for.

    Nothing is converted: the table has the samples' numbers alone, and a sample's images
    are decoded in parallel when its row is read. Rows are what a processor takes:
    ``processor(images=rows["images"], text=rows["text"])``. ``select``, ``shuffle``,
    ``train_test_split`` and ``filter(..., input_columns="index")`` keep it so.

    Args:
        samples: A dataset or view.
        image_token: As of `Sample.to_prompt`, as are the others.
        text: See `image_token`.
        max_images: See `image_token`.
        max_tokens: See `image_token`.
        tokenizer: See `image_token`.
        tokens_per_image: See `image_token`.

    Returns:
        Rows of ``index`` (`Sample.index`), ``images`` (a list of arrays, empty for a
        sample without images) and ``text`` (with as many placeholders).
    """

    def read(rows: Row) -> Row:
        found = samples.__getitems__(rows["number"])
        prompts = [
            sample.to_prompt(
                image_token,
                text,
                max_images=max_images,
                max_tokens=max_tokens,
                tokenizer=tokenizer,
                tokens_per_image=tokens_per_image,
            )
            for sample in found
        ]
        return {
            "index": [sample.index for sample in found],
            "images": [prompt.images for prompt in prompts],
            "text": [prompt.text for prompt in prompts],
        }

    numbers = datasets.Features({"number": datasets.Value("int64")})
    table = datasets.Dataset.from_dict({"number": range(len(samples))}, features=numbers)
    return table.with_transform(read)


def to_dataset(
    samples: Samples, *, on_error: OnError = "raise", **options: Any
) -> datasets.Dataset:
    """The samples converted into a `datasets.Dataset` of `features`, for what wants its
    rows in Arrow files. It takes the disk space of all images: `as_dataset` takes none.

    Args:
        samples: A dataset or view.
        on_error: ``"raise"``, or ``"mark"``: an image that cannot be read is null.
        options: Of `datasets.Dataset.from_generator`, as ``cache_dir`` and ``num_proc``.
    """
    shards = _shards(len(samples), options.get("num_proc") or 1)
    rows = {"samples": samples, "shards": shards, "on_error": check_on_error(on_error)}
    return datasets.Dataset.from_generator(_rows, features=features(), gen_kwargs=rows, **options)


def to_iterable_dataset(
    samples: Samples, *, num_shards: int = 1, on_error: OnError = "raise"
) -> datasets.IterableDataset:
    """The samples as a `datasets.IterableDataset` of `features`, read as it is iterated.

    Its shards are runs of samples, for workers and for ``split_dataset_by_node``.

    Args:
        samples: A dataset or view. One that was opened with ``decode="lazy"`` or
            ``"never"`` decodes nothing in vain in workers.
        num_shards: How many shards.
        on_error: As of `to_dataset`.

    Raises:
        ValueError: `num_shards` is less than 1.
    """
    if num_shards < 1:
        raise ValueError(f"num_shards must be at least 1, not {num_shards}")
    shards = _shards(len(samples), num_shards)
    rows = {"samples": samples, "shards": shards, "on_error": check_on_error(on_error)}
    return datasets.IterableDataset.from_generator(_rows, features=features(), gen_kwargs=rows)


def _shards(length: int, count: int) -> list[tuple[int, int]]:
    """So many runs, of equal lengths or nearly so."""
    return [(length * k // count, length * (k + 1) // count) for k in range(count)]


def _rows(samples: Samples, shards: list[tuple[int, int]], on_error: OnError) -> Iterator[Row]:
    for start, stop in shards:
        for number in range(start, stop):
            yield _row(samples[number], on_error)


def _row(sample: Sample, on_error: OnError) -> Row:
    paths = sample.image_paths
    texts = sample.texts
    return {
        "index": sample.index,
        "images": [
            _encoded(sample, position, path, on_error) for position, path in enumerate(paths)
        ],
        "texts": texts,
        "text_ocr_list": sample.text_ocr_list or [None] * len(texts),
        "image_num": sample.image_num,
        "text_num": sample.text_num,
        "token_num": sample.token_num,
    }


def _encoded(sample: Sample, position: int, path: str | None, on_error: OnError) -> Row | None:
    """An image as the Image feature takes it; null for a text, and for a marked one."""
    if path is None:
        return None
    try:
        return {"bytes": sample.image_bytes(position), "path": path}
    except ImageError:
        if on_error == "raise":
            raise
        return None
