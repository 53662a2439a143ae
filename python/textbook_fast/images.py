"""Where a dataset's images are, and how they become arrays. Knows no samples."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from textbook_fast import _core
from textbook_fast.errors import (
    DamagedJpegWarning,
    ImageError,
    IndexMissingError,
    SourceNotFoundError,
    TextbookError,
)
from textbook_fast.index_info import Identity
from textbook_fast.jpeg import Image, OnError, Truncated
from textbook_fast.other_formats import decode_others
from textbook_fast.threads import choose_threads
from textbook_fast.transforms import ImageTransform, Transform

__all__ = ["Filled", "ImageReader", "apply_transform"]

# A folder beside the JSON with more entries than this is not searched for images.
MAX_SIBLINGS = 1000


@dataclass(slots=True)
class Filled:
    """An image that was made of a broken file all the same, and what is broken of it."""

    image: Any
    error: ImageError


class ImageReader:
    """Reads and decodes images by their paths in the JSON.

    Attributes:
        roots: The folders and tar files, or None as long as they have to be found beside
            the JSON.
    """

    __slots__ = (
        "_beside",
        "_probe",
        "_store",
        "_warned",
        "decodes",
        "on_error",
        "roots",
        "threads",
        "transform",
        "truncated",
    )

    def __init__(
        self,
        roots: Sequence[str] | None,
        *,
        beside: Sequence[str],
        probe: Sequence[str],
        decodes: bool,
        on_error: OnError,
        threads: int | None,
        archives: Sequence[tuple[str, Identity]] | None = None,
        transform: Transform | None = None,
        truncated: Truncated = "raise",
    ) -> None:
        """Remembers what is needed to open the images, and opens them where they are given.

        Args:
            roots: The folders and tar files; None to find them when first needed.
            beside: The JSON files, beside which the images may lie.
            probe: Some image paths, by which a folder is recognized.
            decodes: Whether arrays are wanted at all.
            on_error: What `load` does about an image that cannot be had.
            threads: How many threads decode; None for the process's number.
            archives: Which files the tar files have to be, where they were open before.
            transform: What becomes of each image.
            truncated: What is done about an image that is cut or broken.
        """
        self.roots = None if roots is None else tuple(roots)
        self.decodes = decodes
        self.on_error = on_error
        self.threads = threads
        self.transform = transform
        self.truncated = truncated
        self._warned = False
        self._beside = tuple(beside)
        self._probe = tuple(probe)
        self._store = None if self.roots is None else _open(self.roots, archives)

    def __getstate__(self) -> tuple[object, ...]:
        archives = None if self._store is None else self._store.archives
        options = (self.decodes, self.on_error, self.threads, self.transform, self.truncated)
        return self.roots, self._beside, self._probe, options, archives

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        roots, beside, probe, options, archives = state
        decodes, on_error, threads, transform, truncated = options
        self.__init__(  # type: ignore[misc]
            roots,
            beside=beside,
            probe=probe,
            decodes=decodes,
            on_error=on_error,
            threads=threads,
            archives=archives,
            transform=transform,
            truncated=truncated,
        )

    @property
    def store(self) -> _core.ImageStore:
        """The open folders and tar files.

        Raises:
            SourceNotFoundError: None were given and none were found.
        """
        if self._store is None:
            root = self._discover()
            self._store = _found(root)
            self.roots = (root,)
        return self._store

    def find_roots(self) -> tuple[str, ...]:
        """The folders and tar files, found if they were not given.

        Raises:
            SourceNotFoundError: None were given and none were found.
        """
        return tuple(self.store.roots)

    def read(self, path: str) -> bytes:
        """The encoded bytes of the image with this path.

        Raises:
            ImageNotFoundError: It is in none of the folders.
            ImageError: It cannot be read.
        """
        return self.store.read(path)

    def load(self, paths: Sequence[str | None]) -> list[Any]:
        """The images of these paths as arrays, decoded (and transformed) in parallel; None
        stays None.

        An image that cannot be had is an `ImageError` in its place, and one of a broken file
        a `Filled`. PNG and WebP images
        under a JPEG's name go through Pillow, if that is installed, one after the other.
        """
        if all(path is None for path in paths):
            return [None] * len(paths)
        threads, _ = choose_threads(self.threads)
        images = _core.load_images(
            self.store, list(paths), threads, self.core_transform, self.truncated
        )
        return self.finish(paths, images)

    @property
    def core_transform(self) -> _core.Transform | None:
        """The transform that goes along with decoding, if it is one of ours."""
        transform = self.transform
        return transform._core if isinstance(transform, ImageTransform) else None

    def finish(self, paths: Sequence[str | None], images: list[Any]) -> list[Any]:
        """Decodes and transforms what the core has not: images of other formats, and what
        is for the caller's own function.
        """
        transform, core = self.transform, self.core_transform
        # A plain tuple comes from the core alone: what the transforms make is made later.
        images = [Filled(*image) if type(image) is tuple else image for image in images]
        done = [core is not None and not isinstance(image, ImageError) for image in images]
        images = list[Any](decode_others(images, paths, self.read))
        if transform is not None:
            for place, (path, image) in enumerate(zip(paths, images, strict=True)):
                if path is None or image is None or done[place] or isinstance(image, ImageError):
                    continue
                if isinstance(image, Filled):
                    made = apply_transform(transform, path, image.image)
                    is_made = not isinstance(made, ImageError)
                    images[place] = Filled(made, image.error) if is_made else made
                else:
                    images[place] = apply_transform(transform, path, image)
        return images

    def warn_of(self, error: ImageError) -> None:
        """Warns of the first image that was filled."""
        if not self._warned:
            self._warned = True
            warnings.warn(
                DamagedJpegWarning(
                    f"{error}: what is missing was filled (of other images that will be without "
                    "a word; Sample.damages and Loader.stats() tell them)",
                    kind=error.kind,
                ),
                stacklevel=4,
            )

    def _discover(self) -> str:
        best, hits = "", 0
        not_indexed = None
        for place in self._candidates():
            try:
                store = _found(place)
            except IndexMissingError as error:
                not_indexed = error
                continue
            except TextbookError:  # a file that only looks like an archive
                continue
            found = sum(store.has(path) for path in self._probe)
            if found > hits:
                best, hits = place, found
                if hits == len(self._probe):
                    break
        if not hits and not_indexed is not None:
            raise not_indexed
        if not hits:
            places = ", ".join(sorted({os.path.dirname(path) for path in self._beside}))
            raise SourceNotFoundError(
                f"no folder or archive with the images was found beside the JSON (in {places}): "
                f"pass images=FOLDER to open(); an image is called {self._probe[0]!r}"
                if self._probe
                else "the first samples have no images to find a folder by: "
                "pass images=FOLDER to open()",
                path=places,
            )
        return best

    def _candidates(self) -> list[str]:
        folders = [_core.image_root_of(path) for path in self._probe]
        candidates = [folder for folder in folders if folder is not None and os.path.isdir(folder)]
        archives: list[str] = []
        for file in self._beside:
            parent = Path(file).resolve().parent
            candidates.append(str(parent))
            with os.scandir(parent) as entries:
                siblings = [entry for _, entry in zip(range(MAX_SIBLINGS), entries, strict=False)]
            candidates.extend(sorted(entry.path for entry in siblings if entry.is_dir()))
            files = sorted(entry.path for entry in siblings if entry.is_file())
            archives.extend(path for path in files if path.endswith(".tar"))
            archives.extend(parts[0] for parts in _core.group_archives(files)[0])
        return list(dict.fromkeys(candidates + archives))


def _open(
    roots: Sequence[str], archives: Sequence[tuple[str, Identity]] | None = None
) -> _core.ImageStore:
    store = _core.ImageStore(list(roots), expected=archives)
    for damage in store.damages:
        warnings.warn(damage, RuntimeWarning, stacklevel=5)
    return store


def _found(place: str) -> _core.ImageStore:
    """A place beside the JSON. Archives are candidates of their own."""
    return _core.ImageStore.of_folders([place]) if os.path.isdir(place) else _open([place])


def apply_transform(transform: Callable[[Image], Any], path: str, image: Image) -> Any:
    """What the caller's own function makes of an image; its error as an `ImageError`."""
    try:
        return transform(image)
    except Exception as error:  # noqa: BLE001
        reason = f"the transform failed: {type(error).__name__}: {error}"
        failure = ImageError(
            f"image {path!r}: {reason}", image=path, reason=reason, kind="transform"
        )
        failure.__cause__ = error
        return failure
