"""Where in an epoch a Loader is: steps, ranks, and states. Reads no data."""

from __future__ import annotations

import operator
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from textbook_fast.errors import StateError

__all__ = [
    "STATE_VERSION",
    "Step",
    "at_least",
    "check_rank",
    "check_state",
    "find_ranks",
    "step_at",
]

STATE_VERSION = 1


@dataclass(frozen=True, slots=True)
class Step:
    """What one rank takes at one step: places of the epoch's order.

    Attributes:
        start: The first place of this rank.
        stop: The place after its last.
        end: The place after the last one of all ranks: where the next step begins.
    """

    start: int
    stop: int
    end: int


def step_at(
    position: int, length: int, batch_size: int, rank: int, world_size: int, *, drop_last: bool
) -> Step | None:
    """The step that begins at `position` of an epoch of `length` places; None at its end.

    A whole step takes world_size * batch_size places, of which rank r has the r-th
    slice. The last one is split by ceiling, so that a rank may get fewer, or none.
    """
    whole = batch_size * world_size
    count = min(whole, length - position)
    if count <= 0 or (drop_last and count < whole):
        return None
    each = batch_size if count == whole else -(-count // world_size)
    start, stop = (position + min(each * part, count) for part in (rank, rank + 1))
    return Step(start, stop, position + count)


def check_state(state: Mapping[str, Any], expected: Mapping[str, Any]) -> tuple[int, int]:
    """Epoch and position of a state that fits what is expected of it.

    Raises:
        StateError: It does not.
    """
    if not isinstance(state, Mapping) or "version" not in state:
        raise StateError("this is no state of a Loader: it has no 'version'", differences=())
    if state["version"] != expected["version"]:
        raise StateError(
            f"the state is of version {state['version']!r}, and this textbook_fast reads "
            f"version {expected['version']}",
            differences=("version",),
        )
    words = {
        "fingerprint": "the content of the files",
        "bytes": "the files' bytes",
        "records": "the files' samples",
        "files": "the number of files",
        "view": "the view (which of the samples, in which order)",
        "length": "the number of samples of an epoch",
    }
    missing = object()
    different = [key for key in expected if state.get(key, missing) != expected[key]]
    if different:
        told = "; ".join(
            f"{words.get(key, key)}: {state.get(key, 'nothing')!r} in the state, "
            f"{expected[key]!r} here"
            for key in different
        )
        raise StateError(
            f"the state does not fit this Loader, so it would go on with other samples: {told}",
            differences=tuple(different),
        )
    epoch, position = state.get("epoch"), state.get("position")
    if (
        isinstance(epoch, int)
        and isinstance(position, int)
        and epoch >= 0
        and 0 <= position <= expected["length"]
    ):
        return epoch, position
    raise StateError(
        f"the state has the epoch {epoch!r} and the position {position!r}, which is no "
        f"place in epochs of {expected['length']} samples",
        differences=("epoch", "position"),
    )


def at_least(name: str, value: int, least: int) -> int:
    """The argument as an int.

    Raises:
        TypeError: It is no integer.
        ValueError: It is less than that, or absurd.
    """
    if isinstance(value, bool):
        raise TypeError(f"{name} must be an integer, not a bool")
    value = operator.index(value)
    if not least <= value < 1 << 63:
        raise ValueError(f"{name} must be at least {least} and below 2**63, not {value}")
    return value


def check_rank(rank: int | None, world_size: int | None) -> tuple[int | None, int | None]:
    """The arguments, if they fit together.

    Raises:
        ValueError: They do not.
    """
    if (rank is None) != (world_size is None):
        raise ValueError(
            f"rank and world_size are given together or not at all, not rank={rank} "
            f"and world_size={world_size}"
        )
    if rank is None or world_size is None:
        return None, None
    return _fitting(at_least("rank", rank, 0), at_least("world_size", world_size, 1), "given")


def _fitting(rank: int, world_size: int, where: str) -> tuple[int, int]:
    if not 0 <= rank < world_size:
        raise ValueError(
            f"rank {rank} does not fit world_size {world_size} ({where}): ranks are 0 to "
            f"{world_size - 1}"
        )
    return rank, world_size


def find_ranks(rank: int | None, world_size: int | None) -> tuple[int, int]:
    """Rank and world size: as given, else of torch.distributed, else of the environment.

    Raises:
        ValueError: The environment's do not fit together.
    """
    if rank is not None and world_size is not None:
        return rank, world_size
    distributed = sys.modules.get("torch.distributed")
    if distributed is not None and distributed.is_available() and distributed.is_initialized():
        return distributed.get_rank(), distributed.get_world_size()
    texts = [os.environ.get(name, "").strip() for name in ("RANK", "WORLD_SIZE")]
    if not any(texts):
        return 0, 1
    try:
        rank, world_size = (int(text) for text in texts)
    except ValueError:
        raise ValueError(
            f"the environment variables RANK and WORLD_SIZE must both be integers, not "
            f"{texts[0]!r} and {texts[1]!r}; or pass rank and world_size"
        ) from None
    return _fitting(rank, world_size, "of the environment variables RANK and WORLD_SIZE")
