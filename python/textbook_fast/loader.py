"""Batches for a training run, from one process, in an order that is resumed exactly."""

from __future__ import annotations

import warnings
import weakref
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from copy import copy
from time import perf_counter
from typing import Any, Literal, Self, TypeAlias

from textbook_fast import _core
from textbook_fast.errors import (
    ImageError,
    RecordError,
    SourceNotFoundError,
    TextbookError,
)
from textbook_fast.loader_position import (
    STATE_VERSION,
    Step,
    at_least,
    check_rank,
    check_state,
    find_ranks,
    step_at,
)
from textbook_fast.loader_stats import Clock, summarize
from textbook_fast.mix import Mix
from textbook_fast.order import Order, Shuffle, order_of
from textbook_fast.sample import Sample
from textbook_fast.threads import check_threads, choose_threads
from textbook_fast.views import Samples

__all__ = ["Loader", "OnSampleError"]

OnSampleError: TypeAlias = Literal["raise", "skip"]
# Samples are ordered so far ahead of the one that is delivered next; how many of them are
# read and decoded is for prefetch_bytes to say.
LOOKAHEAD = 1024
MAX_SKIPS_IN_A_ROW = 100
SHUFFLES: dict[Any, Shuffle] = {False: "none", True: "all", "block": "block"}


class Loader:
    """Batches of samples, read and decoded ahead by threads of this process.

    Iterating gives the rest of the current epoch; the next iteration gives the next
    epoch, in another order. The order depends on the seed, the epoch and the number of
    samples alone: not on threads, ranks or the size of batches.

    `state_dict` is the position after the last batch that was delivered. From it, any
    world size and batch size goes on with just the samples that are left. After a
    ``break``, iterating goes on there, too.

    No worker processes: samples are not pickled and need no shared memory. The threads
    end with the iterator, however it ends. A fork is survived by the parent alone.

    Args:
        ds: A dataset or view, or what `concat` or `mix` make.
        batch_size: Samples of a batch, of each rank.
        shuffle: False, True for any sample anywhere, or ``"block"`` for runs of 64
            neighbors that stay together, as disks and archives like to be read.
        seed: Decides the order.
        threads: How many threads decode; None as of `open`.
        io_threads: How many threads read, apart from those.
        prefetch_bytes: The most bytes that are held for samples to come, encoded and
            decoded. (A single sample that is larger is held alone.)
        drop_last: Leave out the last step of an epoch where it is not whole.
        rank: Which of the ranks this is. None: asked at the first iteration, of
            torch.distributed where it is initialized, else of ``RANK`` and
            ``WORLD_SIZE``, else it is the only one.
        world_size: How many ranks there are; given together with `rank`.
        collate: Makes of a list of samples what is yielded; None for the list itself.
        on_sample_error: ``"raise"``, or ``"skip"``: a sample whose record or images are
            broken is left out of its batch, which is shorter then, so that steps stay
            the same on all ranks. Skips are counted, in `stats` and in `skipped`; a
            hundred of them in a row raise.

    Raises:
        ValueError: An argument is none of its choices, or not positive.
        TypeError: `ds` is no dataset.
    """

    def __init__(  # noqa: PLR0913
        self,
        ds: Samples | Mix,
        batch_size: int,
        *,
        shuffle: bool | Literal["block"] = False,
        seed: int = 0,
        threads: int | None = None,
        io_threads: int = 16,
        prefetch_bytes: int = 1 << 30,
        drop_last: bool = False,
        rank: int | None = None,
        world_size: int | None = None,
        collate: Callable[[list[Sample]], Any] | None = None,
        on_sample_error: OnSampleError = "raise",
    ) -> None:
        if not isinstance(ds, Samples | Mix):
            raise TypeError(f"a Loader takes a dataset, not {type(ds).__name__}")
        if shuffle not in SHUFFLES:
            raise ValueError(f"shuffle must be False, True or 'block', not {shuffle!r}")
        if on_sample_error not in {"raise", "skip"}:
            raise ValueError(f"on_sample_error must be 'raise' or 'skip', not {on_sample_error!r}")
        self.batch_size = at_least("batch_size", batch_size, 1)
        self.drop_last = bool(drop_last)
        self._ds = ds
        self._shuffle = SHUFFLES[shuffle]
        self._seed = at_least("seed", seed, 0)
        self._threads = check_threads(threads)
        self._io_threads = at_least("io_threads", io_threads, 1)
        self._prefetch_bytes = at_least("prefetch_bytes", prefetch_bytes, 1)
        self._rank, self._world_size = check_rank(rank, world_size)
        self._collate = collate
        self._on_sample_error = on_sample_error
        self._order = order_of(ds, self._shuffle, self._seed)
        self._identity = self._order.identity()
        self._epoch, self._position = 0, 0
        self._reset()

    def _reset(self) -> None:
        """What is not part of a copy."""
        self._pass: weakref.ref[Pass] | None = None
        self._ranks: tuple[int, int] | None = None
        self._clock = Clock()
        self.skipped: deque[tuple[int, str]] = deque(maxlen=MAX_SKIPS_IN_A_ROW)

    def __getstate__(self) -> dict[str, Any]:
        left_out = {"_pass", "_ranks", "_clock", "skipped"}
        return {name: value for name, value in vars(self).items() if name not in left_out}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._reset()

    def __repr__(self) -> str:
        return (
            f"<textbook_fast.Loader: {self._order.length:,} samples in batches of "
            f"{self.batch_size}, epoch {self._epoch}, position {self._position:,}>"
        )

    def __len__(self) -> int:
        """Steps of a whole epoch, the same on every rank."""
        whole = self.batch_size * self.ranks[1]
        length = self._order.length
        return length // whole if self.drop_last else -(-length // whole)

    def __iter__(self) -> Pass:
        """The rest of the current epoch. An iterator from before comes to its end."""
        self._end_pass()
        new = Pass(self)
        self._pass = weakref.ref(new)
        return new

    @property
    def epoch(self) -> int:
        """The epoch that the next batch is of."""
        return self._epoch

    def set_epoch(self, epoch: int) -> None:
        """Goes to the beginning of another epoch; in the current one it does nothing."""
        epoch = at_least("epoch", epoch, 0)
        if epoch != self._epoch:
            self._end_pass()
            self._epoch, self._position = epoch, 0

    @property
    def ranks(self) -> tuple[int, int]:
        """This rank and the world size.

        Raises:
            ValueError: They do not fit together.
        """
        if self._ranks is None:
            self._ranks = find_ranks(self._rank, self._world_size)
        return self._ranks

    @property
    def collates(self) -> bool:
        """Whether there is a collate function."""
        return self._collate is not None

    def sample_at(self, epoch: int, place: int) -> Sample:
        """The sample at a place of an epoch's order, read by itself.

        Raises:
            IndexError: There is no such place.
            RecordError: As of `Sample`.
        """
        if not 0 <= place < self._order.length:
            raise IndexError(f"an epoch has {self._order.length} places, there is no {place}")
        sources, positions = self._order.places(epoch, place, place + 1)
        return self._order.sources[int(sources[0])]._sample(int(positions[0]))

    def with_ranks(self, rank: int, world_size: int) -> Loader:
        """A copy at the same position that is another rank.

        Raises:
            ValueError: They do not fit together.
        """
        new = copy(self)
        new._rank, new._world_size = check_rank(rank, world_size)
        return new

    def state_dict(self) -> dict[str, Any]:
        """The position after the last delivered batch: plain numbers and strings, the same
        on every rank. For JSON, or beside a model's checkpoint.
        """
        state = {
            "version": STATE_VERSION,
            **self._identity,
            "shuffle": self._shuffle,
            "seed": self._seed,
            "epoch": self._epoch,
            "position": self._position,
        }
        parts = self._order.progress(self._epoch, self._position)
        return {**state, "parts": parts} if parts else state

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Goes to the position of a state. Takes the same time wherever that is.

        Raises:
            StateError: It is of another dataset, view, order or seed, or no state; the
                message says what differs. The Loader stays as it was.
        """
        expected = {
            "version": STATE_VERSION,
            **self._identity,
            "shuffle": self._shuffle,
            "seed": self._seed,
        }
        self._epoch, self._position = check_state(state, expected)
        self._end_pass()

    def stats(self) -> dict[str, Any]:
        """What was done so far and how long it took, and the bottleneck.

        Returns:
            ``samples``, ``batches``, ``skipped``, ``images``, and how many of these were
            ``filled`` (see `open`, `truncated`); ``samples_per_second``
            over ``seconds`` of iterating; of these ``wait_seconds`` for samples,
            ``collate_seconds``, and ``consumer_seconds`` between batches. ``read_seconds``
            and ``decode_seconds`` are sums over threads. ``bytes_read``, in so many
            ``reads`` (neighbors in an archive share one); ``ready`` samples in a row, ``under_way`` in all, ``held_bytes`` for them, and
            ``most_held_bytes`` at any time. ``bottleneck`` is ``"consumer"``,
            ``"collate"``, ``"decode"`` or ``"read"``; None before the first batch.
        """
        current = self._pass() if self._pass is not None else None
        if current is not None:
            current.note_totals()
        threads, _ = choose_threads(self._threads)
        return summarize(self._clock, threads, self._io_threads)

    def close(self) -> None:
        """Ends the iterator and its threads, if there is one, and gives the memory of freed
        arrays back to the system. Else it is kept for the next ones: as much as the last
        2,048 to 4,096 images needed at once, 1 GiB at most, for the whole process.
        """
        self._end_pass()
        _core.free_kept()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _end_pass(self) -> None:
        current = self._pass() if self._pass is not None else None
        if current is not None:
            current.close()
        self._pass = None


class Pass(Iterator[Any]):
    """One iteration of a Loader: the rest of an epoch.

    Attributes:
        epoch: The epoch.
        places: The places in it of the last batch's samples.
    """

    def __init__(self, loader: Loader) -> None:
        self._loader = loader
        self._order: Order = loader._order
        self._readers = [source._reader for source in self._order.sources]
        self._paths = [source._files.paths for source in self._order.sources]
        self._makers = [source._make_sample for source in self._order.sources]
        self._rank, self._world_size = loader.ranks
        self.epoch = loader._epoch
        self.places: list[int] = []
        self._pushed_to = loader._position
        self._steps: deque[Step] = deque()
        self._ahead = 0
        self._in_a_row = 0
        self._failed = False
        self._feed: _core.Feed | None = self._open_feed()
        self._clock = loader._clock
        self._returned_at: float | None = None

    def _open_feed(self) -> _core.Feed:
        loader = self._loader
        sources = []
        for source in self._order.sources:
            store = None
            if source._reader.decodes:
                try:
                    store = source._reader.store
                except SourceNotFoundError:
                    store = None  # it is told with the first sample that has an image
            reader = source._reader
            sources.append((source._files, store, reader.core_transform, reader.truncated))
        threads, _ = choose_threads(loader._threads)
        return _core.Feed(
            sources,
            threads=threads,
            io_threads=loader._io_threads,
            prefetch_bytes=loader._prefetch_bytes,
        )

    def __next__(self) -> Any:
        if self._feed is None:
            if self._failed:
                raise RuntimeError(
                    "this iterator of the Loader ended with an error; iterating the Loader "
                    "anew goes on after the last batch that was delivered"
                )
            raise StopIteration
        begin = perf_counter()
        self._clock.begin(begin, self._returned_at)
        try:
            batch = self._next_batch(self._feed)
        except StopIteration:
            self._loader._epoch, self._loader._position = self.epoch + 1, 0
            self.close()
            raise
        except BaseException:
            self._failed = True
            self.close()
            raise
        self._returned_at = perf_counter()
        self._clock.end(self._returned_at - begin)
        return batch

    def _next_batch(self, feed: _core.Feed) -> Any:
        self._push_ahead(feed)
        if not self._steps:
            raise StopIteration
        step = self._steps.popleft()
        samples, places = [], []
        for place in range(step.start, step.stop):
            sample = self._next_sample(feed)
            if sample is not None:
                samples.append(sample)
                places.append(place)
        self._ahead -= step.stop - step.start
        batch: Any = samples
        count = len(samples)
        if self._loader._collate is not None:
            batch = self._collate(samples, step)
        del samples
        self._clock.samples += count
        self._clock.batches += 1
        self._loader._position = step.end
        self.places = places
        return batch

    def _push_ahead(self, feed: _core.Feed) -> None:
        loader = self._loader
        while self._ahead < LOOKAHEAD or not self._steps:
            step = step_at(
                self._pushed_to,
                self._order.length,
                loader.batch_size,
                self._rank,
                self._world_size,
                drop_last=loader.drop_last,
            )
            if step is None:
                return
            if step.stop > step.start:
                feed.push(*self._order.places(self.epoch, step.start, step.stop))
            self._pushed_to = step.end
            self._steps.append(step)
            self._ahead += step.stop - step.start

    def _next_sample(self, feed: _core.Feed) -> Sample | None:
        begin = perf_counter()
        found = feed.next()
        self._clock.wait_seconds += perf_counter() - begin
        if found is None:
            raise TextbookError("a bug in textbook_fast, please report it: the feed ran dry")
        index = found[1]
        try:
            sample = self._sample(*found)
        except (RecordError, ImageError) as error:
            if self._loader._on_sample_error == "raise":
                raise
            self._skip(index, error)
            return None
        self._in_a_row = 0
        return sample

    def _sample(
        self, source: int, index: int, file: int, place: int, record: Any, images: Any
    ) -> Sample:
        where = (self._paths[source][file], place)
        if isinstance(record, RecordError):
            raise record.at(index, where)
        if isinstance(record, Exception):
            raise record
        reader = self._readers[source]
        sample = self._makers[source](record, index, where)
        if reader.decodes:
            paths = sample._checked_paths()
            if images is None:
                _ = sample.images  # raises what is wrong, or finds nothing to decode
            else:
                images = reader.finish(paths, images)
                sample._images = sample._settle(images, range(len(images)))
                self._clock.filled += len(sample._damages)
        return sample

    def _skip(self, index: int, error: TextbookError) -> None:
        loader = self._loader
        if not self._clock.skipped:
            warnings.warn(
                f"a sample is skipped (others will be without a word; Loader.stats() counts "
                f"them): {error}",
                RuntimeWarning,
                stacklevel=5,
            )
        self._clock.skipped += 1
        loader.skipped.append((index, str(error)))
        self._in_a_row += 1
        if self._in_a_row >= MAX_SKIPS_IN_A_ROW:
            raise TextbookError(
                f"{self._in_a_row} samples in a row are broken, so something is wrong with all "
                f"of them; the last one: {error}"
            ) from error

    def _collate(self, samples: list[Sample], step: Step) -> Any:
        begin = perf_counter()
        indices = [sample.index for sample in samples]
        try:
            return self._loader._collate(samples)  # type: ignore[misc]
        except Exception as error:
            error.add_note(
                f"raised by the collate function of a Loader, for the samples {indices} "
                f"(epoch {self.epoch}, places {step.start} to {step.stop})"
            )
            raise
        finally:
            self._clock.collate_seconds += perf_counter() - begin

    def note_totals(self) -> None:
        """Tells the clock what the threads have done so far."""
        if self._feed is not None:
            self._clock.note(id(self), self._feed.totals())

    def close(self) -> None:
        """Ends the threads."""
        if self._feed is not None:
            with suppress(RuntimeError):  # in a forked child there are none
                self.note_totals()
            feed, self._feed = self._feed, None
            feed.close()
