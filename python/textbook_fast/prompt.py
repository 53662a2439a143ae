"""Interleaved samples as the input of a model: a prompt with placeholders, or messages.

The rule that both keep: as many placeholders as images, in their order.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from textbook_fast.errors import ImageError, RecordError
from textbook_fast.jpeg import Image
from textbook_fast.transforms import Patches

if TYPE_CHECKING:
    from textbook_fast.sample import Sample

__all__ = [
    "Item",
    "Limits",
    "Prompt",
    "TextField",
    "Tokenizer",
    "TokensPerImage",
    "items_of",
    "messages_of",
    "render",
]

CHANNELS = 3

TextField: TypeAlias = Literal["texts", "text_ocr_list"]
Tokenizer: TypeAlias = Callable[[str], Any]
"""Anything that makes of a text a sequence of tokens, or an object with ``input_ids``."""

TokensPerImage: TypeAlias = int | Callable[[int, int], int]
"""Tokens of an image: a number, or a function of its height and width, in pixels; in
patches, where a transform cuts it into them."""


@dataclass(frozen=True, slots=True)
class Prompt:
    """A sample as the input of a model.

    Attributes:
        text: The texts, with one placeholder for each image.
        images: The images, in the order of their placeholders.
        positions: Their positions in the sample's lists.
        num_tokens: Tokens of the texts, each by itself, and of the images. Zero for
            what nobody counts.
    """

    text: str
    images: list[Image]
    positions: list[int]
    num_tokens: int


@dataclass(frozen=True, slots=True)
class Item:
    """An image or a text of a sample.

    Attributes:
        position: Its position in the sample's lists.
        image: The image, or None for a text.
        text: The text, escaped and without white space at its ends; empty for an image.
        tokens: How many tokens it has; 0 where they are not counted.
    """

    position: int
    image: Image | None
    text: str
    tokens: int


@dataclass(frozen=True, slots=True)
class Limits:
    """How much of a sample is taken. It is cut at the borders of items only.

    Attributes:
        max_images: The most images; later ones are left out, the texts stay.
        max_tokens: The most tokens; from the first item that exceeds them, all is left out.
        tokenizer: Counts a text's tokens. Needed for `max_tokens`.
        tokens_per_image: Counts an image's. Needed for `max_tokens`.
    """

    max_images: int | None = None
    max_tokens: int | None = None
    tokenizer: Tokenizer | None = None
    tokens_per_image: TokensPerImage | None = None

    def __post_init__(self) -> None:
        for name in ("max_images", "max_tokens"):
            value = getattr(self, name)
            if value is not None and (isinstance(value, bool) or value < 0):
                raise ValueError(f"{name} must be None or at least 0, not {value!r}")
        if self.max_tokens is not None and (
            self.tokenizer is None or self.tokens_per_image is None
        ):
            raise ValueError(
                "max_tokens needs a tokenizer (any callable that makes tokens of a text) and "
                "tokens_per_image (a number, or a function of height and width)"
            )

    def count_text(self, text: str) -> int:
        """How many tokens a text has; 0 where nobody counts."""
        if self.tokenizer is None:
            return 0
        tokens = self.tokenizer(text)
        if not isinstance(tokens, Sequence) or isinstance(tokens, str):
            tokens = _input_ids(tokens)
        try:
            return len(tokens)
        except TypeError:
            raise TypeError(
                "the tokenizer has to return a sequence of tokens, or what has input_ids, not "
                f"{type(tokens).__name__}"
            ) from None

    def count_image(self, image: Image) -> int:
        """How many tokens an image has; 0 where nobody counts."""
        per_image = self.tokens_per_image
        if per_image is None:
            return 0
        count = per_image(*_size(image)) if callable(per_image) else per_image
        if count < 0:
            raise ValueError(f"tokens_per_image has to be at least 0, not {count}")
        return count


def _input_ids(tokens: Any) -> Any:
    try:
        return tokens["input_ids"]
    except (TypeError, KeyError, IndexError):
        return getattr(tokens, "input_ids", getattr(tokens, "ids", tokens))


def _size(image: Any) -> tuple[int, int]:
    """Height and width, whichever way round the channels lie."""
    if isinstance(image, Patches):
        return image.grid[1:]
    shape = image.shape
    is_channels_first = shape[0] == CHANNELS != shape[-1]
    return (shape[1], shape[2]) if is_channels_first else (shape[0], shape[1])


def items_of(sample: Sample, text: TextField, image_token: str, limits: Limits) -> list[Item]:
    """The sample's images and texts in reading order, as far as the limits go.

    Images that are marked as errors and empty texts are left out.
    """
    if text not in {"texts", "text_ocr_list"}:
        raise ValueError(f"text must be 'texts' or 'text_ocr_list', not {text!r}")
    if not image_token:
        raise ValueError("image_token must not be empty")
    texts = sample.texts if text == "texts" else sample.text_ocr_list
    images = sample.images
    if texts is None:
        texts = [None] * len(images)
    if len(texts) != len(images):
        raise RecordError(
            f"'text_ocr_list' has {len(texts)} entries and 'images' has {len(images)}: "
            "a sample's lists have to have one length"
        ).at(sample.index, sample.source)
    items: list[Item] = []
    num_images = num_tokens = 0
    for position, (image, words) in enumerate(zip(images, texts, strict=True)):
        for item in _items_at(sample, position, image, words, image_token, limits):
            if item.image is not None:
                if limits.max_images is not None and num_images >= limits.max_images:
                    continue
                num_images += 1
            num_tokens += item.tokens
            if limits.max_tokens is not None and num_tokens > limits.max_tokens:
                return items
            items.append(item)
    return items


def _items_at(
    sample: Sample,
    position: int,
    image: Image | ImageError | None,
    words: str | None,
    image_token: str,
    limits: Limits,
) -> list[Item]:
    items = []
    if image is not None and not isinstance(image, ImageError):
        items.append(Item(position, image, "", limits.count_image(image)))
    words = escape(words or "", image_token).strip()
    if words:
        try:
            tokens = limits.count_text(words)
        except Exception as error:
            error.add_note(f"raised by the tokenizer, for sample {sample.index}, text {position}")
            raise
        items.append(Item(position, None, words, tokens))
    return items


def escape(text: str, image_token: str) -> str:
    """The text without literal placeholders: ``<image>`` becomes ``image``."""
    plain = image_token.strip("<>|[]{} ") or " "
    plain = " " if image_token in plain else plain
    while image_token in text:  # what is left of one may join to another
        text = text.replace(image_token, plain)
    return text


def render(items: Sequence[Item], image_token: str, separator: str) -> Prompt:
    """One text of items: joined by the separator, each image as one placeholder."""
    parts = [image_token if item.image is not None else item.text for item in items]
    text = separator.join(parts)
    images = [item for item in items if item.image is not None]
    if text.count(image_token) != len(images):
        raise ValueError(
            f"with the separator {separator!r} texts and placeholders {image_token!r} join to "
            f"{text.count(image_token)} placeholders for {len(images)} images"
        )
    return Prompt(
        text,
        [item.image for item in images if item.image is not None],
        [item.position for item in images],
        sum(item.tokens for item in items),
    )


def messages_of(items: Sequence[Item], role: str) -> list[dict[str, Any]]:
    """One message with content parts, as chat templates of Hugging Face take it."""
    content = [
        {"type": "text", "text": item.text} if item.image is None
        else {"type": "image", "image": item.image}
        for item in items
    ]  # fmt: skip
    return [{"role": role, "content": content}]
