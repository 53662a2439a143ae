"""Which sample stands at which place of an epoch, and what has to be the same for it."""

from __future__ import annotations

import hashlib
import json
from typing import Any, Literal, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from textbook_fast import _core
from textbook_fast.dataset import Dataset
from textbook_fast.mix import Mix, seed_of
from textbook_fast.views import Samples

__all__ = ["Order", "Shuffle", "order_of"]

Shuffle: TypeAlias = Literal["none", "all", "block"]
Places: TypeAlias = tuple[NDArray[np.int64], NDArray[np.int64]]


class Order(Protocol):
    """The order of a Loader's samples."""

    length: int
    sources: list[Dataset]

    def places(self, epoch: int, start: int, stop: int) -> Places:
        """Of the places `start` to `stop` of an epoch: sources, and positions there."""

    def identity(self) -> dict[str, Any]:
        """What has to be the same for a position to mean the same samples."""

    def progress(self, epoch: int, position: int) -> dict[str, Any]:
        """What a state says beside the position, for people to read."""


def order_of(samples: Samples | Mix, shuffle: Shuffle, seed: int) -> Order:
    """The order of what a Loader was given."""
    if isinstance(samples, Mix):
        return _MixOrder(samples, shuffle, seed)
    return _PlainOrder(samples, shuffle, seed)


class _PlainOrder:
    def __init__(self, samples: Samples, shuffle: Shuffle, seed: int) -> None:
        self.length = len(samples)
        self.sources = samples._sources()
        self._samples = samples
        self._shuffle = shuffle
        self._seed = seed

    def places(self, epoch: int, start: int, stop: int) -> Places:
        items = _core.permute(self._shuffle, self._seed, epoch, self.length, start, stop)
        view = self._samples._view
        if isinstance(view, range):
            return self._samples._places(view.start + view.step * items)
        return self._samples._places(view[items])

    def identity(self) -> dict[str, Any]:
        return identity_of(self._samples)

    def progress(self, epoch: int, position: int) -> dict[str, Any]:  # noqa: ARG002
        return {}


class _MixOrder:
    def __init__(self, samples: Mix, shuffle: Shuffle, seed: int) -> None:
        self.length = len(samples)
        self.sources = samples._sources()
        self._mix = samples
        self._parts = [
            _PlainOrder(part, shuffle, seed_of(seed, name))
            for name, part in samples.datasets.items()
        ]

    def places(self, epoch: int, start: int, stop: int) -> Places:
        start, stop = (epoch * self.length + at for at in (start, stop))
        whose = self._mix._draws(start, stop)
        sources, positions = np.empty_like(whose), np.empty_like(whose)
        before = 0
        for number, (part, drawn) in enumerate(
            zip(self._parts, self._mix.counts(start).values(), strict=True)
        ):
            mine = np.flatnonzero(whose == number)
            runs = list(_runs(drawn, drawn + len(mine), part.length))
            if runs:
                found = [part.places(*run) for run in runs]
                sources[mine] = np.concatenate([run[0] for run in found]) + before
                positions[mine] = np.concatenate([run[1] for run in found])
            before += len(part.sources)
        return sources, positions

    def identity(self) -> dict[str, Any]:
        mixed = self._mix
        parts = {name: identity_of(samples) for name, samples in mixed.datasets.items()}
        shares = ", ".join(f"{name}: {share}/4096" for name, share in mixed.shares.items())
        return {
            "fingerprint": _hash([part["fingerprint"] for part in parts.values()]),
            **{
                key: sum(part[key] for part in parts.values())
                for key in ("files", "bytes", "records")
            },
            "view": _hash([part["view"] for part in parts.values()]),
            "length": self.length,
            "shares": shares,
            "mix_seed": mixed.seed,
        }

    def progress(self, epoch: int, position: int) -> dict[str, Any]:
        counts = self._mix.counts(epoch * self.length + position)
        return {
            name: dict(zip(("epoch", "position"), divmod(counts[name], len(samples)), strict=True))
            for name, samples in self._mix.datasets.items()
        }


def _runs(start: int, stop: int, length: int) -> list[tuple[int, int, int]]:
    """The draws `start` to `stop` of a dataset, as epochs and places of each."""
    runs = []
    while start < stop:
        epoch, place = divmod(start, length)
        end = min(length, place + stop - start)
        runs.append((epoch, place, end))
        start += end - place
    return runs


def _hash(value: Any) -> str:
    return hashlib.sha256(json.dumps(value).encode()).hexdigest()[:32]


def identity_of(samples: Samples) -> dict[str, Any]:
    """What tells a dataset and its view from others: lengths and hashes, no paths."""
    files = [file for source in samples._sources() for file in source._files.fingerprints()]
    return {
        "fingerprint": _hash(files),
        "files": len(files),
        "bytes": sum(size for size, _, _ in files),
        "records": sum(records for _, _, records in files),
        "view": _hash(_views(samples)),
        "length": len(samples),
    }


def _views(samples: Samples) -> list[Any]:
    view = samples._view
    if isinstance(view, range):
        own: list[Any] = [view.start, view.stop, view.step]
    else:
        own = [hashlib.sha256(view.astype("<i8").tobytes()).hexdigest()]
    return own + [_views(part) for part in getattr(samples, "_parts", ())]
