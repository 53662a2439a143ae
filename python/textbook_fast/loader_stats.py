"""What a Loader has done, how long each part took, and which part holds it up."""

from __future__ import annotations

from typing import Any

__all__ = ["Clock", "summarize"]

SUMS = ("read_seconds", "decode_seconds", "bytes_read", "reads", "images")
NOW = ("ready", "under_way", "held_bytes")
# A loader that is waited for less than this part of the time holds nobody up.
PATIENCE = 0.05


class Clock:
    """Counts and seconds of all iterations of a Loader."""

    def __init__(self) -> None:
        self.samples = 0
        self.batches = 0
        self.skipped = 0
        self.filled = 0
        self.seconds = 0.0
        self.wait_seconds = 0.0
        self.collate_seconds = 0.0
        self.consumer_seconds = 0.0
        self._current: tuple[int, dict[str, Any]] = (0, {})
        self._before = dict.fromkeys(SUMS, 0.0)
        self._most_held = 0

    def begin(self, now: float, returned_at: float | None) -> None:
        """A batch is asked for, some time after the last one was returned."""
        if returned_at is not None:
            self.consumer_seconds += now - returned_at
            self.seconds += now - returned_at

    def end(self, seconds: float) -> None:
        """A batch took so long."""
        self.seconds += seconds

    def note(self, key: int, totals: dict[str, Any]) -> None:
        """What the threads of the iteration `key` have done so far."""
        if self._current[0] != key:
            for name in SUMS:
                self._before[name] += self._current[1].get(name, 0)
        self._current = key, totals
        self._most_held = max(self._most_held, totals["most_held_bytes"])

    def totals(self) -> dict[str, Any]:
        """Sums over all iterations, and how it stands now."""
        current = self._current[1]
        sums = {name: self._before[name] + current.get(name, 0) for name in SUMS}
        now = {name: current.get(name, 0) for name in NOW}
        return {**sums, **now, "most_held_bytes": self._most_held}


def summarize(clock: Clock, threads: int, io_threads: int) -> dict[str, Any]:
    """What `Loader.stats` returns."""
    totals = clock.totals()
    seconds = clock.seconds
    return {
        "samples": clock.samples,
        "batches": clock.batches,
        "skipped": clock.skipped,
        "filled": clock.filled,
        "images": int(totals.pop("images")),
        "samples_per_second": clock.samples / seconds if seconds else 0.0,
        "seconds": seconds,
        "wait_seconds": clock.wait_seconds,
        "collate_seconds": clock.collate_seconds,
        "consumer_seconds": clock.consumer_seconds,
        **totals,
        "bytes_read": int(totals["bytes_read"]),
        "reads": int(totals["reads"]),
        "bottleneck": _bottleneck(clock, totals, threads, io_threads) if clock.batches else None,
    }


def _bottleneck(clock: Clock, totals: dict[str, Any], threads: int, io_threads: int) -> str:
    if clock.wait_seconds < PATIENCE * clock.seconds:
        is_collate = clock.collate_seconds > clock.consumer_seconds
        return "collate" if is_collate else "consumer"
    read = totals["read_seconds"] / io_threads
    decode = totals["decode_seconds"] / threads
    return "decode" if decode >= read else "read"
