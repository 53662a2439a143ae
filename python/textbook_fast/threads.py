"""How many threads a call uses, and why that many."""

from __future__ import annotations

import functools
import operator
import os
import sys

from textbook_fast import _core

__all__ = ["choose_threads", "in_data_loader_worker"]

MAX_THREADS: int = _core.MAX_THREADS


# Asking for affinity and quota reads a dozen files of the system.
available_threads = functools.cache(_core.available_threads)
os.register_at_fork(after_in_child=available_threads.cache_clear)


def in_data_loader_worker() -> bool:
    """Whether this process is a worker of a PyTorch DataLoader. Never imports torch."""
    data = sys.modules.get("torch.utils.data")
    worker_info = getattr(data, "get_worker_info", None)
    return worker_info is not None and worker_info() is not None


def check_threads(threads: int | None) -> int | None:
    """The argument as an int, or None.

    Raises:
        TypeError: It is no integer.
        ValueError: It is less than 1.
    """
    if threads is None:
        return None
    if isinstance(threads, bool):
        raise TypeError("threads must be an integer or None, not a bool")
    threads = operator.index(threads)
    if threads < 1:
        raise ValueError(f"threads must be at least 1, not {threads}")
    return min(threads, MAX_THREADS)


def choose_threads(threads: int | None) -> tuple[int, str]:
    """The number of threads and the reason for it.

    The argument decides, then ``TEXTBOOK_FAST_THREADS``, then 1 in a worker of a
    DataLoader (its workers are the parallelism), then what affinity and cgroup
    quota allow, divided by ``LOCAL_WORLD_SIZE``.
    """
    if threads is not None:
        return threads, "threads argument"
    text = os.environ.get("TEXTBOOK_FAST_THREADS", "").strip()
    if text:
        return _of_environment("TEXTBOOK_FAST_THREADS", text), "TEXTBOOK_FAST_THREADS"
    if in_data_loader_worker():
        return 1, "one in a DataLoader worker"
    available = available_threads()
    text = os.environ.get("LOCAL_WORLD_SIZE", "").strip()
    if text:
        ranks = _of_environment("LOCAL_WORLD_SIZE", text)
        if ranks > 1:
            return max(1, available // ranks), f"{available} available, LOCAL_WORLD_SIZE={ranks}"
    return available, "affinity and cgroup quota"


def _of_environment(name: str, text: str) -> int:
    try:
        number = int(text)
    except ValueError:
        number = 0
    if number < 1:
        raise ValueError(
            f"the environment variable {name} must be an integer of 1 or more, not {text!r}"
        )
    return min(number, MAX_THREADS)
