"""Chosen samples as one page that needs nothing else."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable, Iterator

from textbook_fast.errors import SourceError, TextbookError
from textbook_fast.sample import Sample
from textbook_fast.viewer.images import Embedded
from textbook_fast.viewer.sample_html import error_html, items_html, title_of
from textbook_fast.viewer.style import PAGE_STYLE
from textbook_fast.viewer.text import escaped

__all__ = ["write_page", "write_whole"]

STYLE = ".sample { border-top: 1px solid var(--line); padding: 1rem 0; max-width: 52rem; }"


def write_page(samples: Iterable[Sample], path: str, *, title: str, ocr: bool) -> None:
    """Writes a page of samples. The images are in it as they are in the store.

    Raises:
        SourceError: It cannot be written.
        IndexError: One of the samples does not exist.
    """
    write_whole(path, _parts(samples, title, ocr=ocr))


def write_whole(path: str, parts: Iterable[str]) -> None:
    """Writes a file to a temporary name first, so that there is a whole one or none.

    Raises:
        SourceError: It cannot be written.
    """
    path = os.path.abspath(path)
    folder, name = os.path.split(path)
    try:
        handle, temporary = tempfile.mkstemp(prefix=f".{name}.", suffix=".tmp", dir=folder)
    except OSError as error:
        raise SourceError(
            f"cannot write {path}: {error.strerror}", path=path, errno=error.errno
        ) from error
    try:
        with open(handle, "w", encoding="utf-8") as file:
            file.writelines(parts)
            file.flush()
            os.fsync(file.fileno())
            mask = os.umask(0)
            os.umask(mask)
            os.fchmod(file.fileno(), 0o666 & ~mask)
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise


def _parts(samples: Iterable[Sample], title: str, *, ocr: bool) -> Iterator[str]:
    yield (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escaped(title)}</title><style>{PAGE_STYLE}{STYLE}</style></head>"
        f'<body><main class="page tf"><h1>{escaped(title)}</h1>\n'
    )
    show = Embedded(limit=None, size="file")
    for sample in samples:
        try:
            heading = escaped(title_of(sample))
        except TextbookError:
            heading = f"Sample {sample.index}"
        try:
            items = items_html(sample, show, ocr=ocr, whole=True, name=f"item-{sample.index}")
        except TextbookError as error:
            items = error_html(error)
        yield f'<section class="sample"><h2>{heading}</h2>{items}</section>\n'
    yield "</main></body></html>\n"
