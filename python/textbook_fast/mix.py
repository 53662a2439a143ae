"""Several datasets drawn from by weight, in an order that arithmetic gives."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from textbook_fast import _core
from textbook_fast.views import Samples

__all__ = ["Mix", "mix"]

# Draws come in rounds of so many, and in each round every dataset has its exact share.
ROUND = 4096
KEPT_ROUNDS = 4


def mix(
    datasets: Mapping[str, tuple[Samples, float]], *, seed: int = 0, length: int | None = None
) -> Mix:
    """Datasets for a `Loader` to draw from by weight, for ever and deterministically.

    In each 4,096 draws every dataset has its share, to the nearest 1/4096; which draw is
    whose is shuffled. Each dataset goes through its own epochs, all of its samples before
    one comes again, whatever happens in the others.

    Args:
        datasets: By name, a dataset and its weight: ``{"textbook": (ds, 0.7), ...}``.
            Weights need not sum to one.
        seed: Decides whose each draw is. The order inside a dataset is the Loader's.
        length: How many draws the Loader takes for an epoch; None for as many as there
            are samples in all. The next epoch goes on where the last one ended.

    Raises:
        ValueError: There are none, one is empty, a weight is not positive, or so small
            beside the others that its share is less than 1/4096.
        TypeError: One is no dataset.
    """
    if not datasets:
        raise ValueError("mix() needs at least one dataset")
    if not 0 <= seed < 1 << 63:
        raise ValueError(f"mix(): seed must be at least 0 and below 2**63, not {seed}")
    for name, (samples, weight) in datasets.items():
        if not isinstance(samples, Samples):
            raise TypeError(f"mix(): {name!r} is no dataset but {type(samples).__name__}")
        if not len(samples):
            raise ValueError(f"mix(): {name!r} has no samples to draw")
        if not (np.isfinite(weight) and weight > 0):
            raise ValueError(f"mix(): the weight of {name!r} has to be positive, not {weight!r}")
    shares = _shares({name: float(weight) for name, (_, weight) in datasets.items()})
    if length is None:
        length = sum(len(samples) for samples, _ in datasets.values())
    if length < 1:
        raise ValueError(f"mix(): length has to be at least 1, not {length}")
    return Mix({name: samples for name, (samples, _) in datasets.items()}, shares, seed, length)


def _shares(weights: dict[str, float]) -> list[int]:
    """Of each dataset, how many draws of a round are its: rounded so that they sum up."""
    names = list(weights)
    exact = np.array([weights[name] for name in names]) / sum(weights.values()) * ROUND
    shares = np.floor(exact).astype(np.int64)
    # The largest remainders get what is left; of equal ones the first.
    order = np.argsort(shares - exact, kind="stable")
    shares[order[: ROUND - int(shares.sum())]] += 1
    for name, share in zip(names, shares, strict=True):
        if share < 1:
            raise ValueError(f"mix(): the weight of {name!r} is less than 1/{ROUND} of all")
    return [int(share) for share in shares]


class Mix:
    """Datasets and their shares. Made by `mix`, for a `Loader`.

    Attributes:
        datasets: The datasets by name.
        shares: How many of 4,096 draws are each one's, by name.
        seed: Decides whose each draw is.
    """

    def __init__(
        self, datasets: dict[str, Samples], shares: list[int], seed: int, length: int
    ) -> None:
        self.datasets = datasets
        self.shares = dict(zip(datasets, shares, strict=True))
        self.seed = seed
        self._length = length
        self._rounds: dict[int, NDArray[np.int64]] = {}

    def __getstate__(self) -> dict[str, Any]:
        return {**vars(self), "_rounds": {}}

    def __len__(self) -> int:
        return self._length

    def __repr__(self) -> str:
        parts = ", ".join(f"{name} {share / ROUND:.1%}" for name, share in self.shares.items())
        return f"<textbook_fast.Mix: {parts}>"

    def __getattr__(self, name: str) -> Any:
        if name in {"batch", "search", "statistics", "column", "filter", "select"}:
            raise AttributeError(
                f"a Mix has no {name}(): it is an order for a Loader to draw in, without end. Ask "
                f"one of its datasets ({', '.join(map(repr, self.datasets))}), as in "
                f"mix.datasets[{next(iter(self.datasets))!r}].{name}(...), or concat() of them"
            )
        raise AttributeError(f"'Mix' object has no attribute {name!r}")

    def counts(self, draws: int) -> dict[str, int]:
        """How many of the first `draws` draws are each dataset's."""
        rounds, rest = divmod(draws, ROUND)
        inside = np.bincount(self._round(rounds)[:rest], minlength=len(self.shares))
        return {
            name: rounds * share + int(count)
            for (name, share), count in zip(self.shares.items(), inside, strict=True)
        }

    def _round(self, number: int) -> NDArray[np.int64]:
        """Whose each draw of a round is, by the datasets' numbers. The last few are kept."""
        if number not in self._rounds:
            while len(self._rounds) >= KEPT_ROUNDS:
                del self._rounds[next(iter(self._rounds))]
            places = _core.permute("all", self.seed, number, ROUND, 0, ROUND)
            ends = np.cumsum(list(self.shares.values()))
            self._rounds[number] = np.searchsorted(ends, places, side="right")
        return self._rounds[number]

    def _draws(self, start: int, stop: int) -> NDArray[np.int64]:
        """Whose the draws from `start` to `stop` are."""
        first, last = start // ROUND, max(start, stop - 1) // ROUND
        rounds = [self._round(number) for number in range(first, last + 1)]
        offset = first * ROUND
        return np.concatenate(rounds)[start - offset : stop - offset]

    def _sources(self) -> list[Any]:
        return [source for part in self.datasets.values() for source in part._sources()]


def seed_of(seed: int, name: str) -> int:
    """A dataset's own seed, so that others beside it do not change its order."""
    digest = hashlib.sha256(f"{seed} {name}".encode()).digest()
    return int.from_bytes(digest[:8], "little")
