"""Several samples in one sequence, under joint limits on tokens and images."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, TypeAlias

from textbook_fast.errors import StateError, TextbookError
from textbook_fast.jpeg import Image
from textbook_fast.loader import Loader, Pass
from textbook_fast.loader_position import at_least
from textbook_fast.prompt import (
    Limits,
    Prompt,
    TextField,
    Tokenizer,
    TokensPerImage,
    items_of,
    render,
)
from textbook_fast.sample import Sample

__all__ = ["Pack", "Packer", "TooLarge", "pack_sequences"]

TooLarge: TypeAlias = Literal["cut", "skip", "raise"]


@dataclass(frozen=True, slots=True)
class Pack:
    """Samples that make one sequence together.

    Attributes:
        prompts: The samples' texts and images, in order.
        indices: The samples' `Sample.index`.
        num_tokens: Tokens of all prompts.
    """

    prompts: list[Prompt] = field(default_factory=list)
    indices: list[int] = field(default_factory=list)
    num_tokens: int = 0

    @property
    def images(self) -> list[Image]:
        """All images, in order."""
        return [image for prompt in self.prompts for image in prompt.images]


@dataclass(frozen=True, slots=True)
class _Waiting:
    """A sample that no pack has taken yet, and its place."""

    epoch: int
    place: int
    index: int
    prompt: Prompt


def pack_sequences(  # noqa: PLR0913
    loader: Loader,
    *,
    max_tokens: int,
    tokenizer: Tokenizer,
    tokens_per_image: TokensPerImage,
    max_images: int | None = None,
    waiting: int = 32,
    too_large: TooLarge = "cut",
    image_token: str = "<image>",
    text: TextField = "texts",
    separator: str = " ",
) -> Packer:
    """Packs the samples of a loader into sequences, deterministically.

    A pack takes the sample that has waited longest, then each of the others, in order,
    that still fits. Iterating gives the packs of the rest of the epoch; at its end all
    that wait are packed.

    `Packer.state_dict` holds the loader's position and the samples that wait. With the
    same world size it goes on with just the same packs. With another one, give
    `Packer.load_state_dict` the states of all ranks: every sample still comes exactly
    once, in packs that may be composed otherwise. Ranks may differ in how many packs
    an epoch has.

    Args:
        loader: Yields lists of samples (no `collate`).
        max_tokens: The most tokens of a pack.
        tokenizer: As of `Sample.to_prompt`.
        tokens_per_image: As of `Sample.to_prompt`.
        max_images: The most images of a pack; None for any number.
        waiting: How many samples wait, at least, while there are more to come.
        too_large: What is done about a sample that exceeds the limits alone: ``"cut"``
            it at the border of its items (and leave it out if nothing remains),
            ``"skip"`` it, or ``"raise"``. `Packer.left_out` counts those left out.
        image_token: As of `Sample.to_prompt`.
        text: As of `Sample.to_prompt`.
        separator: As of `Sample.to_prompt`.

    Raises:
        ValueError: An argument is none of its choices, or the loader has a `collate`.
    """
    if loader.collates:
        raise ValueError("pack_sequences() takes a Loader without a collate function")
    if too_large not in {"cut", "skip", "raise"}:
        raise ValueError(f"too_large must be 'cut', 'skip' or 'raise', not {too_large!r}")
    if text not in {"texts", "text_ocr_list"}:
        raise ValueError(f"text must be 'texts' or 'text_ocr_list', not {text!r}")
    at_least("max_tokens", max_tokens, 1)
    at_least("waiting", waiting, 1)
    limits = Limits(max_images, max_tokens, tokenizer, tokens_per_image)
    return Packer(loader, limits, waiting, too_large, (image_token, text, separator))


class Packer:
    """Iterates over packs. Made by `pack_sequences`.

    Attributes:
        left_out: How many samples were left out because they are too large.
    """

    def __init__(
        self,
        loader: Loader,
        limits: Limits,
        least: int,
        too_large: TooLarge,
        form: tuple[str, TextField, str],
    ) -> None:
        self.left_out = 0
        self._loader = loader
        self._limits = limits
        self._least = least
        self._too_large = too_large
        self._form = form
        self._waiting: list[_Waiting] = []

    def __iter__(self) -> Iterator[Pack]:
        """The packs of the rest of the epoch."""
        batches = iter(self._loader)
        has_more = True
        while True:
            while has_more and len(self._waiting) < self._least:
                has_more = self._take_batch(batches)
            if not self._waiting:
                return
            yield self._pack()

    def _take_batch(self, batches: Pass) -> bool:
        samples = next(batches, None)
        if samples is None:
            return False
        for sample, place in zip(samples, batches.places, strict=True):
            prompt = self._prompt(sample)
            if prompt is not None:
                self._waiting.append(_Waiting(batches.epoch, place, sample.index, prompt))
        return True

    def _prompt(self, sample: Sample) -> Prompt | None:
        """The sample within the limits; None where it is left out."""
        token, text, separator = self._form
        limits = self._limits
        unbounded = replace(limits, max_images=None, max_tokens=None)
        items = items_of(sample, text, token, unbounded)
        images = sum(item.image is not None for item in items)
        tokens = sum(item.tokens for item in items)
        fits = self._fits(images, tokens)
        if not fits and self._too_large == "raise":
            raise TextbookError(
                f"sample {sample.index} has {tokens} tokens and {images} images, more than the "
                f"{limits.max_tokens} and {limits.max_images} of a whole pack: too_large='cut' "
                "or 'skip' goes on without it"
            )
        if not fits and self._too_large == "cut":
            items = items_of(sample, text, token, limits)
        if (not fits and self._too_large == "skip") or (not fits and not items):
            self.left_out += 1
            return None
        return render(items, token, separator)

    def _fits(self, images: int, tokens: int) -> bool:
        most_images, most_tokens = self._limits.max_images, self._limits.max_tokens
        return (most_images is None or images <= most_images) and (
            most_tokens is None or tokens <= most_tokens
        )

    def _pack(self) -> Pack:
        taken: list[_Waiting] = []
        left: list[_Waiting] = []
        images = tokens = 0
        for one in self._waiting:
            more_images, more_tokens = len(one.prompt.images), one.prompt.num_tokens
            if self._fits(images + more_images, tokens + more_tokens):
                images, tokens = images + more_images, tokens + more_tokens
                taken.append(one)
            else:
                left.append(one)
        self._waiting = left
        return Pack([one.prompt for one in taken], [one.index for one in taken], tokens)

    # --- state

    def state_dict(self) -> dict[str, Any]:
        """The loader's state, and this rank's samples that wait, by epoch and place."""
        rank, world_size = self._loader.ranks
        return {
            **self._loader.state_dict(),
            "packing": {
                **self._identity(),
                "rank": rank,
                "world_size": world_size,
                "waiting": [[one.epoch, one.place] for one in self._waiting],
            },
        }

    def load_state_dict(self, state: Mapping[str, Any] | Sequence[Mapping[str, Any]]) -> None:
        """Goes to the position of a state, reading the samples that waited.

        Args:
            state: This rank's state, with the same world size; or those of all ranks,
                with any.

        Raises:
            StateError: It does not fit; or the world size is another one, and the states
                of some ranks are not there.
        """
        states = [state] if isinstance(state, Mapping) else list(state)
        waiting = self._share(states)
        self._loader.load_state_dict(states[0])
        self._waiting = []
        for epoch, place in waiting:
            sample = self._loader.sample_at(epoch, place)
            prompt = self._prompt(sample)
            if prompt is not None:
                self._waiting.append(_Waiting(epoch, place, sample.index, prompt))

    def _identity(self) -> dict[str, Any]:
        token, text, separator = self._form
        return {
            "max_tokens": self._limits.max_tokens,
            "max_images": self._limits.max_images,
            "too_large": self._too_large,
            "image_token": token,
            "text": text,
            "separator": separator,
        }

    def _share(self, states: list[Mapping[str, Any]]) -> list[tuple[int, int]]:
        """The places of the waiting samples that are this rank's."""
        if not states or not all(isinstance(one.get("packing"), Mapping) for one in states):
            raise StateError("this is no state of a Packer: it has no 'packing'", differences=())
        packings = [one["packing"] for one in states]
        expected = self._identity()
        for packing in packings:
            different = [key for key in expected if packing.get(key) != expected[key]]
            if different:
                told = "; ".join(
                    f"{key}: {packing.get(key)!r} in the state, {expected[key]!r} here"
                    for key in different
                )
                raise StateError(
                    f"the state is of another packing: {told}", differences=tuple(different)
                )
        rank, world_size = self._loader.ranks
        by_rank = {packing["rank"]: packing["waiting"] for packing in packings}
        was = packings[0]["world_size"]
        if was == world_size and rank in by_rank:
            return [(epoch, place) for epoch, place in by_rank[rank]]
        if set(by_rank) != set(range(was)):
            raise StateError(
                f"the state is of world size {was}, and here it is {world_size} (rank {rank}): "
                f"give load_state_dict the states of all {was} ranks, so that the samples that "
                f"wait in each are dealt out; it has those of {sorted(by_rank)}",
                differences=("world_size",),
            )
        if len({(one["epoch"], one["position"]) for one in states}) > 1:
            raise StateError(
                "the states are not of one moment: their epochs and positions are "
                f"{[(one['epoch'], one['position']) for one in states]}",
                differences=("epoch", "position"),
            )
        every = sorted((epoch, place) for places in by_rank.values() for epoch, place in places)
        return every[rank::world_size]
