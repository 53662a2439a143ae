"""PyTorch: batches of tensors, an iterable dataset, and a DataLoader that says what it lost.

A `Dataset` is map-style as it is: with a DataLoader, its samplers and DistributedSampler.
In a worker a whole batch is decoded in one call. A `Loader` needs no workers at all.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from multiprocessing.connection import wait
from typing import Any, Self

import numpy as np

from textbook_fast.errors import ImageError
from textbook_fast.loader import Loader
from textbook_fast.sample import Sample
from textbook_fast.transforms import Patches

try:
    import torch
    from torch.utils import data
except ImportError as error:
    raise ImportError(
        "textbook_fast.torch needs PyTorch: pip install torch (it is in the extra "
        "'test-frameworks' of textbook-fast)"
    ) from error

__all__ = ["Batch", "DataLoader", "IterableLoader", "collate", "collate_stacked"]


@dataclass(frozen=True, slots=True)
class Batch:
    """Samples as tensors. The arrays' memory is shared, not copied.

    Attributes:
        images: All images, sample after sample: a list of tensors, each of its own shape,
            or one tensor of shape (images, ...) where `collate_stacked` made it.
        sample: int64 of shape (images,): of which sample of the batch each image is.
        position: int64 of shape (images,): at which position of its sample's lists.
        texts: Each sample's texts, None at the images' positions.
        index: int64 of shape (samples,): each sample's `Sample.index`.
        grid: int64 of shape (images, 3) where a transform cuts images into patches: how
            many along time, height and width. Else None.
    """

    images: Any
    sample: torch.Tensor
    position: torch.Tensor
    texts: list[list[str | None]]
    index: torch.Tensor
    grid: torch.Tensor | None = None

    def __len__(self) -> int:
        return len(self.texts)

    def _with(self, change: Any) -> Self:
        is_list = isinstance(self.images, list)
        images = [change(image) for image in self.images] if is_list else change(self.images)
        tensors = (change(self.sample), change(self.position))
        grid = None if self.grid is None else change(self.grid)
        return type(self)(images, *tensors, self.texts, change(self.index), grid)

    def pin_memory(self) -> Self:
        """The batch in page-locked memory. A DataLoader with ``pin_memory=True`` calls it."""
        return self._with(lambda tensor: tensor.pin_memory())

    def to(self, device: Any, *, non_blocking: bool = False) -> Self:
        """The batch on another device."""
        return self._with(lambda tensor: tensor.to(device, non_blocking=non_blocking))


def collate(samples: Sequence[Sample]) -> Batch:
    """A batch whose images may differ in size. Images marked as errors are left out.

    For `Loader(collate=...)` and for ``DataLoader(collate_fn=...)``.
    """
    images, places = _flat(samples)
    tensors = [torch.from_numpy(_values(image)) for image in images]
    return _batch(samples, tensors, places, _grid(images))


def collate_stacked(samples: Sequence[Sample]) -> Batch:
    """A batch whose images are one tensor of shape (images, ...).

    Raises:
        ValueError: They differ in shape; the message says which.
    """
    images, places = _flat(samples)
    arrays = [_values(image) for image in images]
    for array, (number, position) in zip(arrays, places, strict=True):
        if array.shape != arrays[0].shape or array.dtype != arrays[0].dtype:
            raise ValueError(
                f"sample {samples[number].index}, image {position} has the shape {array.shape} "
                f"({array.dtype}) and the first image {arrays[0].shape} ({arrays[0].dtype}): "
                "open(..., transform=...) makes them alike, and collate() keeps them apart"
            )
    stacked = np.stack(arrays) if arrays else np.zeros((0,), dtype=np.uint8)
    return _batch(samples, torch.from_numpy(stacked), places, _grid(images))


def _flat(samples: Sequence[Sample]) -> tuple[list[Any], list[tuple[int, int]]]:
    """All images of the samples, and of which sample and position each is."""
    found = [
        (image, (number, position))
        for number, sample in enumerate(samples)
        for position, image in enumerate(sample.images)
        if image is not None and not isinstance(image, ImageError)
    ]
    return [image for image, _ in found], [place for _, place in found]


def _values(image: Any) -> Any:
    return image.values if isinstance(image, Patches) else image


def _grid(images: list[Any]) -> torch.Tensor | None:
    """The patches of each image, where images are cut into them."""
    if not images or not isinstance(images[0], Patches):
        return None
    return torch.tensor([image.grid for image in images], dtype=torch.int64)


def _batch(
    samples: Sequence[Sample],
    images: Any,
    places: list[tuple[int, int]],
    grid: torch.Tensor | None,
) -> Batch:
    of_images = torch.tensor(places, dtype=torch.int64).reshape(-1, 2)
    index = torch.tensor([sample.index for sample in samples], dtype=torch.int64)
    texts = [sample.texts for sample in samples]
    sample, position = of_images[:, 0].contiguous(), of_images[:, 1].contiguous()
    return Batch(images, sample, position, texts, index, grid)


class IterableLoader(data.IterableDataset[Any]):  # type: ignore[misc,unused-ignore]
    """A `Loader` as an IterableDataset, for what wants a DataLoader around its data.

    Its items are the loader's batches, so the DataLoader gets ``batch_size=None``. With
    workers, each is a rank of its own: worker w of W in rank r takes the slice of rank
    r·W + w of r's world size times W. `state_dict` and `load_state_dict` are what
    torchdata's StatefulDataLoader asks for; it keeps one state for each worker. It has no
    length: how many batches there are depends on the workers.

    Args:
        loader: The loader. Give it a `collate` whose batches can be sent to the main
            process, as `collate` of this module.
    """

    def __init__(self, loader: Loader) -> None:
        super().__init__()
        self._loader = loader
        self._is_split = False

    def __iter__(self) -> Iterator[Any]:
        self._split()
        return iter(self._loader)

    def set_epoch(self, epoch: int) -> None:
        """As of `Loader.set_epoch`."""
        self._loader.set_epoch(epoch)

    def state_dict(self) -> dict[str, Any]:
        """As of `Loader.state_dict`."""
        return self._loader.state_dict()

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """As of `Loader.load_state_dict`."""
        self._loader.load_state_dict(state)

    def _split(self) -> None:
        """In a worker, makes the loader that of a rank of its own."""
        worker = data.get_worker_info()
        if worker is None or self._is_split:
            return
        rank, world_size = self._loader.ranks
        count = worker.num_workers
        self._loader = self._loader.with_ranks(rank * count + worker.id, world_size * count)
        self._is_split = True


class DataLoader(data.DataLoader[Any]):  # type: ignore[misc,unused-ignore]
    """torch's DataLoader of a map-style dataset; where a worker dies, the error tells
    which samples it was at.

    Takes what torch's takes. `collate_fn` is `collate` of this module, if none is given.
    """

    def __init__(self, dataset: Any, *args: Any, **options: Any) -> None:
        options.setdefault("collate_fn", collate)
        super().__init__(dataset, *args, **options)

    def __iter__(self) -> Any:
        return _Watched(super().__iter__())

    @property
    def _index_sampler(self) -> Any:
        # Only for one that batches: what is handed out is then a batch.
        sampler = super()._index_sampler
        return sampler if self.batch_sampler is None else _Recorded(sampler)


class _Recorded:
    """A batch sampler that remembers what it handed out, the last `MOST` batches."""

    MOST = 4096

    def __init__(self, sampler: Any) -> None:
        self._sampler = sampler
        self.handed_out: dict[int, Any] = {}

    def __iter__(self) -> Iterator[Any]:
        self.handed_out.clear()
        for number, batch in enumerate(self._sampler):
            self.handed_out.pop(number - self.MOST, None)
            self.handed_out[number] = batch
            yield batch

    def __len__(self) -> int:
        return len(self._sampler)


class _Watched(Iterator[Any]):
    """An iterator of torch's DataLoader that tells which samples a dead worker was at."""

    def __init__(self, iterator: Any) -> None:
        self._iterator = iterator

    def __len__(self) -> int:
        return len(self._iterator)

    def __next__(self) -> Any:
        try:
            try:
                return next(self._iterator)
            except (ConnectionError, EOFError) as error:
                # What a dying worker leaves of its pipe. torch has looked whether it is
                # dead already, which may have been a moment too early.
                if not self._has_died():
                    raise
                raise RuntimeError("a worker of the DataLoader exited unexpectedly") from error
        except RuntimeError as error:
            lost = self._lost()
            if lost:
                error.add_note(f"the samples that were lost with the worker: {lost}")
            raise

    def _has_died(self, patience_seconds: float = 1.0) -> bool:
        """Whether a worker is dead, or dies within that time."""
        workers = getattr(self._iterator, "_workers", ())
        return bool(wait([worker.sentinel for worker in workers], patience_seconds))

    def _lost(self) -> list[Any]:
        """The indices that dead workers had, by what torch's iterator remembers."""
        workers = getattr(self._iterator, "_workers", ())
        # By what `_has_died` looks at: for a moment more such a worker is_alive().
        ended = wait([worker.sentinel for worker in workers], 0)
        dead = {number for number, worker in enumerate(workers) if worker.sentinel in ended}
        tasks: dict[int, tuple[Any, ...]] = getattr(self._iterator, "_task_info", {})
        sampler = getattr(self._iterator, "_index_sampler", None)
        handed_out = sampler.handed_out if isinstance(sampler, _Recorded) else {}
        # A task of one entry is its worker's; what came back from it is a second entry.
        return [
            index
            for number, task in sorted(tasks.items())
            if len(task) == 1 and task[0] in dead
            for index in handed_out.get(number, ())
        ]
