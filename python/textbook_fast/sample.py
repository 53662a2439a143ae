"""One sample: its JSON record, read lazily, and its images."""

from __future__ import annotations

import operator
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any, Literal

from textbook_fast import _core
from textbook_fast.errors import ImageError, RecordError, TextbookError
from textbook_fast.images import Filled, ImageReader
from textbook_fast.keyframe import Keyframe
from textbook_fast.prompt import (
    Limits,
    Prompt,
    TextField,
    Tokenizer,
    TokensPerImage,
    items_of,
    messages_of,
    render,
)
from textbook_fast.videos import Video, VideoSource

__all__ = ["Sample"]


class Sample:
    """A sample of interleaved keyframes and texts.

    Its record is a copy of its bytes in the file, so a sample stays valid whatever
    happens to the dataset. A field is parsed and checked when it is first touched,
    and kept. Fields keep the names and the meaning of the dataset's card. A field
    that is missing in the record is None; unknown fields are in `to_dict`.

    Reading from several threads is safe; two threads that touch `images` first at
    the same moment may both decode, and get the same list.

    Attributes:
        index: The sample's position in what was opened, unchanged by views.
        source: The path of its file, and its position in that file.

    Raises:
        RecordError: On access to a field, where the record or the field is broken.
            The message says which sample, where in it, and why.
    """

    __slots__ = (
        "_damages",
        "_fields",
        "_images",
        "_reader",
        "_record",
        "_videos",
        "index",
        "source",
    )

    def __init__(
        self,
        record: _core.Record,
        index: int,
        source: tuple[str, int],
        reader: ImageReader,
        videos: VideoSource,
    ) -> None:
        self._record = record
        self._reader = reader
        self._videos = videos
        self._fields: dict[str, Any] = {}
        self._images: list[Any] | None = None
        self._damages: dict[int, ImageError] = {}
        self.index = index
        self.source = source

    def __getstate__(self) -> tuple[object, ...]:
        place = (self._record.unchecked, self.index, self.source)
        return *place, self._reader, self._images, self._damages, self._videos

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        raw, self.index, self.source, self._reader, *kept = state
        self._images, self._damages, self._videos = kept
        self._record = _core.Record(raw)
        self._fields = {}

    def __repr__(self) -> str:
        path, position = self.source
        try:
            paths = self.image_paths
            images = sum(path is not None for path in paths)
            content = f"{images} images, {len(paths) - images} texts"
        except TextbookError:
            content = "broken record"
        name = type(self).__name__
        return f"<textbook_fast.{name} {self.index}: {content}; {path!r}[{position}]>"

    def _repr_html_(self) -> str:
        """For notebooks: its images, small, and its texts in reading order."""
        from textbook_fast.viewer.notebook import sample_html

        return sample_html(self)

    # --- the record's fields

    def _field(self, name: str) -> Any:
        fields = self._fields
        if name not in fields:
            try:
                fields[name] = getattr(self._record, name)
            except RecordError as error:
                raise error.at(self.index, self.source) from None
        return fields[name]

    def _aligned(self, name: str, other: str) -> list[str | None]:
        """A list that has the other's length; where it is missing, one of None."""
        values: list[str | None] | None = self._field(name)
        if other in self._fields or values is None:
            partner: list[str | None] | None = self._field(other)
            if values is None:
                values = self._fields[name] = [None] * len(partner or ())
            elif partner is not None and len(partner) != len(values):
                raise RecordError(
                    f"'{name}' has {len(values)} entries and '{other}' has {len(partner)}: "
                    "a sample's lists have to have one length, so that each position is "
                    "an image or a text"
                ).at(self.index, self.source)
        return values

    @property
    def image_paths(self) -> list[str | None]:
        """The images' paths as they stand in the JSON; None at the texts' positions."""
        return self._aligned("images", "texts")

    @property
    def texts(self) -> list[str | None]:
        """What is said in the lesson (ASR); None at the images' positions."""
        return self._aligned("texts", "images")

    @property
    def text_ocr_list(self) -> list[str | None] | None:
        """ASR and OCR text of each position; None at the images' positions."""
        values: list[str | None] | None = self._field("text_ocr_list")
        return values

    @property
    def metadata(self) -> Any:
        """The metadata, whatever it is. A string that holds JSON is given parsed.

        It is not always as long as `texts`: do not rely on its alignment.
        """
        return self._field("metadata")

    @property
    def image_num(self) -> int | None:
        """Number of images, as the record says."""
        value: int | None = self._field("image_num")
        return value

    @property
    def text_num(self) -> int | None:
        """Number of text tokens, as the record says."""
        value: int | None = self._field("text_num")
        return value

    @property
    def token_num(self) -> int | None:
        """Number of text and image tokens (576 an image), as the record says."""
        value: int | None = self._field("token_num")
        return value

    @property
    def keyframes(self) -> list[Keyframe | None]:
        """Video, time and number of each image, by its name; None at the texts'
        positions and for a name that is no keyframe's.
        """
        frames = [None if path is None else Keyframe.parse(path) for path in self.image_paths]
        for position, error in self._damages.items():
            frame = frames[position]
            frames[position] = frame and replace(frame, damage=error.reason)
        return frames

    @property
    def videos(self) -> dict[str, Video | None]:
        """The records of the videos whose keyframes are in the sample, by their ids in the
        order in which they appear; None for a video that has no record.

        Raises:
            SourceNotFoundError: No video records were given to `open`, and none were
                found beside the JSON.
        """
        vids = dict.fromkeys(frame.vid for frame in self.keyframes if frame is not None)
        if not vids:
            return {}
        videos = self._videos.open()
        return {vid: videos.get(vid) for vid in vids}

    def to_dict(self) -> dict[str, Any]:
        """The whole record as ``json.loads`` gives it, unknown keys included. Not kept."""
        try:
            return self._record.to_dict()
        except RecordError as error:
            raise error.at(self.index, self.source) from None

    def raw(self) -> bytes:
        """The record's bytes as they are in the file, proved to be one JSON object."""
        try:
            return self._record.raw
        except RecordError as error:
            raise error.at(self.index, self.source) from None

    # --- images

    @property
    def images(self) -> list[Any]:
        """The images: uint8 arrays of shape (height, width, 3), RGB, or what the transform
        makes of them that `open` was given; None at the texts' positions.

        They are decoded in parallel at the first access, and live as long as the
        sample. `image` decodes a single one.

        Raises:
            ImageError: An image cannot be had, with ``on_error="raise"``. With
                ``on_error="mark"`` the error itself, which is falsy, stands in the
                image's place.
        """
        if self._images is None:
            self._images = self._load(range(len(self._checked_paths())))
        return self._images

    def image(self, k: int) -> Any:
        """The image at position `k` of `images`, decoding no other; None for a text.

        Raises:
            IndexError: There is no such position.
            ImageError: As of `images`.
        """
        k = self._position(k)
        return self._load([k])[0] if self._images is None else self._images[k]

    @property
    def damages(self) -> dict[int, ImageError]:
        """By position, what is broken of the images that were filled: of those that are
        decoded, where the dataset was opened with ``truncated="fill"``.
        """
        return dict(self._damages)

    def image_bytes(self, k: int) -> bytes | None:
        """The encoded bytes of the image at position `k`, as they are in the store;
        None for a text.

        Raises:
            IndexError: There is no such position.
            ImageError: The image cannot be read.
        """
        k = self._position(k)
        path = self.image_paths[k]
        if path is None:
            return None
        try:
            return self._open_reader(decodes=False).read(path)
        except ImageError as error:
            raise error.at(self.index, k) from None

    def interleaved(
        self,
    ) -> Iterator[tuple[Literal["image"], Any] | tuple[Literal["text"], str]]:
        """The images and texts in reading order: ``("image", array)``, ``("text", str)``.

        Images that are marked as errors are left out.
        """
        for image, text in zip(self.images, self.texts, strict=True):
            if image is not None and not isinstance(image, ImageError):
                yield "image", image
            if text is not None:
                yield "text", text

    def to_prompt(
        self,
        image_token: str = "<image>",
        text: TextField = "texts",
        *,
        separator: str = " ",
        max_images: int | None = None,
        max_tokens: int | None = None,
        tokenizer: Tokenizer | None = None,
        tokens_per_image: TokensPerImage | None = None,
    ) -> Prompt:
        """The sample as one text with a placeholder for each image, and those images.

        There are always as many placeholders as images, in the same order: a literal
        placeholder in a text loses its brackets. Texts lose the white space at their
        ends; empty texts, and images that are marked as errors, are left out.

        Args:
            image_token: The placeholder.
            text: ``"texts"``, or ``"text_ocr_list"`` for what can be read on the screen, too.
            separator: What joins texts and placeholders.
            max_images: The most images. Later ones are left out, the texts stay.
            max_tokens: The most tokens of texts and images. The sample is cut before the
                item that would exceed them: never inside a text or before an image's end.
            tokenizer: Makes tokens of a text: any callable that returns a sequence of
                them, or what has ``input_ids``, as a tokenizer of Hugging Face does.
            tokens_per_image: A number, or a function of an image's height and width.

        Raises:
            ValueError: An argument is none of its choices; `max_tokens` without a way
                to count; or the joined texts would make more placeholders than images.
            RecordError: As of `texts`; or 'text_ocr_list' has another length.
            ImageError: As of `images`.

        >>> import textbook_fast
        >>> ds = textbook_fast.open("example_data/textbook_sample_100.json")
        >>> prompt = ds[42].to_prompt(max_images=1)
        >>> prompt.text.count("<image>"), len(prompt.images)
        (1, 1)
        """
        limits = Limits(max_images, max_tokens, tokenizer, tokens_per_image)
        return render(items_of(self, text, image_token, limits), image_token, separator)

    def to_messages(
        self,
        text: TextField = "texts",
        *,
        role: str = "user",
        image_token: str = "<image>",
        max_images: int | None = None,
        max_tokens: int | None = None,
        tokenizer: Tokenizer | None = None,
        tokens_per_image: TokensPerImage | None = None,
    ) -> list[dict[str, Any]]:
        """The sample as a chat of one message, for ``processor.apply_chat_template``.

        Its content parts are ``{"type": "text", "text": str}`` and ``{"type": "image",
        "image": array}`` in reading order. Arguments and errors are as of `to_prompt`;
        `image_token` is what texts must not contain: the placeholder of the processor.
        """
        limits = Limits(max_images, max_tokens, tokenizer, tokens_per_image)
        return messages_of(items_of(self, text, image_token, limits), role)

    def _checked_paths(self) -> list[str | None]:
        """The images' paths, once they are known to be aligned with the texts."""
        paths = self.image_paths
        _ = self.texts
        return paths

    def _position(self, k: int) -> int:
        count = len(self.image_paths)
        k = operator.index(k)
        if not -count <= k < count:
            raise IndexError(f"sample {self.index} has {count} positions, there is no {k}")
        return k % count

    def _open_reader(self, *, decodes: bool) -> ImageReader:
        if decodes and not self._reader.decodes:
            raise TextbookError(
                f"sample {self.index}: the dataset was opened with decode='never', so there "
                "are no arrays; image_bytes(k) gives an image's encoded bytes"
            )
        return self._reader

    def _load(self, positions: Sequence[int]) -> list[Any]:
        paths = self.image_paths
        reader = self._open_reader(decodes=True)
        images = reader.load([paths[k] for k in positions])
        return self._settle(images, positions)

    def _settle(self, images: list[Any], positions: Sequence[int]) -> list[Any]:
        """Gives errors their place, and raises the first where that is wanted. Notes what was
        filled.
        """
        errors: list[ImageError] = []
        for place, image in enumerate(images):
            if isinstance(image, Filled):
                damage = image.error.at(self.index, positions[place])
                self._damages[positions[place]] = damage
                images[place] = image.image
                self._reader.warn_of(damage)
            if isinstance(image, ImageError):
                errors.append(image.at(self.index, positions[place]))
                images[place] = errors[-1]
        if errors and self._reader.on_error == "raise":
            if len(errors) > 1:
                errors[0].add_note(f"{len(errors) - 1} more of this sample's images cannot be had")
            raise errors[0]
        return images


def decode_together(samples: Sequence[Sample]) -> None:
    """Decodes all images of samples of one dataset in one parallel call."""
    waiting = [sample for sample in samples if sample._images is None]
    if not waiting:
        return
    paths = [sample._checked_paths() for sample in waiting]
    reader = waiting[0]._open_reader(decodes=True)
    images = iter(reader.load([path for of_sample in paths for path in of_sample]))
    for sample, of_sample in zip(waiting, paths, strict=True):
        mine = [next(images) for _ in of_sample]
        sample._images = sample._settle(mine, range(len(mine)))
