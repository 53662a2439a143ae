"""What the viewer's pages show. Knows requests' arguments, and no server."""

from __future__ import annotations

import functools
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import urlencode

import numpy as np
from numpy.typing import NDArray

from textbook_fast.dataset import Dataset
from textbook_fast.errors import SourceNotFoundError, TextbookError
from textbook_fast.sample import Sample
from textbook_fast.viewer.sample_html import (
    Shown,
    error_html,
    image_name,
    items_html,
    title_of,
)
from textbook_fast.viewer.text import escaped, marked, representable

if TYPE_CHECKING:
    from jinja2 import Environment

__all__ = ["PageError", "Pages"]

PER_PAGE = 24
MOST_HITS = 100
BEGINNING = 160
SCORES = {
    "deepseek": "min_deepseek_score",
    "llama": "min_llama_score",
    "long_context": "min_long_context_score",
}


class PageError(Exception):
    """A request that cannot be answered as it is; the message says why."""


@dataclass(frozen=True, slots=True)
class Filter:
    """Which samples are browsed, as the address says it."""

    language: str = ""
    keyword: str = ""
    score: str = "deepseek"
    least: str = ""

    @classmethod
    def of(cls, arguments: Mapping[str, str]) -> Filter:
        score = arguments.get("score", "deepseek")
        return cls(
            language=arguments.get("language", ""),
            keyword=arguments.get("keyword", "").strip(),
            score=score if score in SCORES else "deepseek",
            least=arguments.get("least", "").strip(),
        )

    @property
    def is_empty(self) -> bool:
        return not (self.language or self.keyword or self.least)

    def query(self, **more: str | int) -> str:
        """As a part of an address."""
        given = {
            "language": self.language,
            "keyword": self.keyword,
            "score": self.score if self.least else "",
            "least": self.least,
        }
        pairs = {name: value for name, value in (given | more).items() if value != ""}
        return f"?{urlencode(pairs)}" if pairs else ""


class Pages:
    """The pages of one dataset."""

    def __init__(self, ds: Dataset, templates: Environment) -> None:
        """Makes pages of `ds` with templates that escape what they are given."""
        self._ds = ds
        self._templates = templates
        self._filtered = functools.lru_cache(maxsize=16)(self._filter)
        self._title = representable(ds.paths[0].rpartition("/")[2])

    def _render(self, template: str, wanted: Filter, **values: Any) -> str:
        languages, without = self._languages
        return self._templates.get_template(template).render(
            dataset=self._title,
            count=len(self._ds),
            filter=wanted,
            languages=languages,
            without_videos=without,
            **values,
        )

    @functools.cached_property
    def _languages(self) -> tuple[list[tuple[str, int]], str]:
        """The languages of the video records, or why there are none."""
        try:
            return list(self._ds.videos.languages.items()), ""
        except TextbookError as error:
            return [], representable(str(error))

    def _filter(self, wanted: Filter) -> NDArray[np.int64]:
        """The indices of the samples that a filter leaves, ascending."""
        if wanted.is_empty:
            return np.arange(len(self._ds))
        least: dict[str, Any] = {}
        if wanted.least:
            try:
                least = {SCORES[wanted.score]: float(wanted.least)}
            except ValueError:
                raise PageError(f"the least score is a number, not {wanted.least!r}") from None
        try:
            vids = self._ds.filter_videos(
                language=wanted.language or None, keyword=wanted.keyword or None, **least
            )
        except SourceNotFoundError as error:
            raise PageError(str(error)) from error
        own = {position: index for index, position in enumerate(self._positions(self._ds))}
        return np.array([own[position] for position in self._positions(vids)], dtype=np.int64)

    @staticmethod
    def _positions(ds: Dataset) -> list[int]:
        return [int(position) for position in ds._positions()]  # noqa: SLF001

    def _sample(self, index: int) -> Sample | None:
        """The sample without its images, whatever the dataset decodes eagerly."""
        if not 0 <= index < len(self._ds):
            return None
        return self._ds._sample(self._ds._position(index))  # noqa: SLF001

    # --- pages

    def browse(self, arguments: Mapping[str, str]) -> str | None:
        """A page of the list of samples; None for one that does not exist."""
        wanted = Filter.of(arguments)
        indices = self._filtered(wanted)
        text = arguments.get("page", "1")
        number = int(text) if re.fullmatch(r"\d{1,9}", text) else 0
        pages = max(1, -(-len(indices) // PER_PAGE))
        if not 1 <= number <= pages:
            return None
        shown = indices[(number - 1) * PER_PAGE : number * PER_PAGE]
        return self._render(
            "browse.html",
            wanted,
            cards=[self._card(int(index), wanted) for index in shown],
            found=len(indices),
            page=number,
            pages=pages,
            before=f"/{wanted.query(page=number - 1)}" if number > 1 else None,
            after=f"/{wanted.query(page=number + 1)}" if number < pages else None,
        )

    def _card(self, index: int, wanted: Filter) -> dict[str, Any]:
        sample = self._sample(index)
        card: dict[str, Any] = {"index": index, "url": f"/sample/{index}{wanted.query()}"}
        if sample is None:
            return card
        try:
            paths = sample.image_paths
            text = " ".join(text for text in sample.texts if text)
            first = next((k for k, path in enumerate(paths) if path is not None), None)
            card |= {
                "title": representable(title_of(sample)),
                "images": sum(path is not None for path in paths),
                "text": escaped(text[:BEGINNING]) + ("…" if len(text) > BEGINNING else ""),
                "thumbnail": None if first is None else f"/thumbnail/{index}/{first}",
            }
        except TextbookError as error:
            card |= {"title": f"Sample {index}", "error": representable(str(error))}
        return card

    def sample(self, index: int, arguments: Mapping[str, str]) -> str | None:
        """The page of a sample; None where there is none."""
        begin = time.perf_counter()
        sample = self._sample(index)
        if sample is None:
            return None
        wanted = Filter.of(arguments)
        view = "grid" if arguments.get("view") == "grid" else "read"
        ocr = arguments.get("ocr") == "1"
        before, after = self._neighbors(index, wanted)
        kept: dict[str, str | int] = {
            "view": "grid" if view == "grid" else "",
            "ocr": int(ocr) or "",
        }
        address = functools.partial(self._address, wanted=wanted, kept=kept)
        try:
            title = title_of(sample)
            content = self._grid(sample) if view == "grid" else self._items(sample, ocr=ocr)
            metadata, videos = self._metadata(sample), self._videos(sample)
        except TextbookError as error:
            title, content, metadata, videos = f"Sample {index}", error_html(error), [], []
        return self._render(
            "sample.html",
            wanted,
            index=index,
            title=representable(title),
            content=content,
            metadata=metadata,
            videos=videos,
            view=view,
            ocr=ocr,
            before=None if before is None else address(before),
            after=None if after is None else address(after),
            other_view=address(index, view="" if view == "grid" else "grid"),
            other_ocr=address(index, ocr="" if ocr else 1),
            milliseconds=(time.perf_counter() - begin) * 1000,
        )

    @staticmethod
    def _address(index: int, wanted: Filter, kept: dict[str, str | int], **more: str | int) -> str:
        return f"/sample/{index}{wanted.query(**(kept | more))}"

    def _neighbors(self, index: int, wanted: Filter) -> tuple[int | None, int | None]:
        """The samples before and after, among those that the filter leaves."""
        try:
            indices = self._filtered(wanted)
        except (TextbookError, PageError):
            indices = self._filtered(Filter())
        place = int(np.searchsorted(indices, index))
        is_in = place < len(indices) and int(indices[place]) == index
        after = place + is_in
        return (
            int(indices[place - 1]) if place > 0 else None,
            int(indices[after]) if after < len(indices) else None,
        )

    def _show(self, sample: Sample, k: int, kind: Literal["image", "thumbnail"]) -> Shown:
        """An image by its address, if it is in the store."""
        path = sample.image_paths[k] or ""
        try:
            self._ds.read_image(path)
        except TextbookError as error:
            return Shown(None, getattr(error, "reason", str(error)))
        index = self._index_of(sample)
        return Shown(f"/{kind}/{index}/{k}", link=f"/image/{index}/{k}")

    def _index_of(self, sample: Sample) -> int:
        """A sample's index in the dataset that is shown, which may be a view."""
        return self._own_indices[sample.index]

    @functools.cached_property
    def _own_indices(self) -> dict[int, int] | range:
        positions = self._ds._view  # noqa: SLF001
        if isinstance(positions, range) and positions == range(len(positions)):
            return positions
        return {int(position): index for index, position in enumerate(positions)}

    def _items(self, sample: Sample, *, ocr: bool) -> str:
        return items_html(
            sample, lambda sample, k: self._show(sample, k, "image"), ocr=ocr, whole=True
        )

    def _grid(self, sample: Sample) -> str:
        cells = []
        for k, path in enumerate(sample.image_paths):
            if path is None:
                continue
            shown = self._show(sample, k, "thumbnail")
            name = escaped(image_name(sample, k))
            if shown.url is None:
                cells.append(
                    f'<li><p class="tf-missing">{name} cannot be shown: '
                    f"{escaped(shown.reason)}</p></li>"
                )
                continue
            cells.append(
                f'<li><a href="{escaped(shown.link or "")}"><img src="{escaped(shown.url)}" '
                f'alt="{name}" loading="lazy" decoding="async"></a><span>{name}</span></li>'
            )
        return f'<ul class="grid">{"".join(cells)}</ul>' if cells else "<p>No keyframes.</p>"

    @staticmethod
    def _metadata(sample: Sample) -> list[tuple[str, str]]:
        path, position = sample.source
        rows = [("file", path), ("record", f"{position:,}")]
        for name in ("image_num", "text_num", "token_num"):
            value = getattr(sample, name)
            rows.append((name, "none" if value is None else f"{value:,}"))
        known = {"images", "texts", "text_ocr_list", "image_num", "text_num", "token_num"}
        for key, value in sample.to_dict().items():
            if key not in known and key != "conversations":
                rows.append((key, repr(value)[:2000]))
        return [(escaped(name), escaped(value)) for name, value in rows]

    @staticmethod
    def _videos(sample: Sample) -> list[dict[str, Any]]:
        try:
            videos = sample.videos
        except TextbookError:
            videos = dict.fromkeys(frame.vid for frame in sample.keyframes if frame is not None)
        shown = []
        for vid, video in videos.items():
            rows: list[tuple[str, str]] = []
            if video is not None:
                rows = [
                    (escaped(key), escaped(str(value)[:2000]))
                    for key, value in video.to_dict().items()
                    if value is not None
                ]
            shown.append({"vid": representable(vid), "rows": rows})
        return shown

    def search(self, arguments: Mapping[str, str]) -> str:
        """The page of a search."""
        wanted = Filter.of(arguments)
        pattern = arguments.get("q", "")
        is_regex, is_exact = arguments.get("regex") == "1", arguments.get("case") == "1"
        field: Literal["texts", "text_ocr_list"] = (
            "text_ocr_list" if arguments.get("field") == "text_ocr_list" else "texts"
        )
        values = {"pattern": pattern, "regex": is_regex, "case": is_exact, "field": field}
        hits: list[dict[str, Any]] = []
        if pattern:
            indices = self._filtered(wanted)
            searched = self._ds if wanted.is_empty else self._ds.select(indices)
            try:
                found = searched.search(
                    pattern, field=field, regex=is_regex, ignore_case=not is_exact, limit=MOST_HITS
                )
            except ValueError as error:
                raise PageError(str(error)) from error
            for hit in found:
                index = int(indices[hit.sample])
                shown = "1" if field == "text_ocr_list" else ""
                hits.append(
                    {
                        "index": index,
                        "item": hit.item,
                        "url": f"/sample/{index}{wanted.query(ocr=shown)}#item-{hit.item}",
                        "excerpt": marked(hit.excerpt, hit.start, hit.end),
                    }
                )
        return self._render("search.html", wanted, hits=hits, most=MOST_HITS, **values)

    def jump(self, arguments: Mapping[str, str]) -> str:
        """The address of the sample with an index, or of the first one of a video."""
        wanted = Filter.of(arguments)
        to = arguments.get("to", "").strip()
        if re.fullmatch(r"-?\d{1,18}", to) and len(to) != len("-1uixJ1V-As"):
            index = int(to) + (len(self._ds) if to.startswith("-") else 0)
            if not 0 <= index < len(self._ds):
                raise PageError(f"There is no sample {to}: the dataset has {len(self._ds):,}.")
            return f"/sample/{index}{wanted.query()}"
        found = self._ds.of_videos([to])
        if not len(found):
            raise PageError(f"No sample has a keyframe of the video {to!r}.")
        return f"/sample/{self._own_indices[self._positions(found)[0]]}{wanted.query()}"

    def failure(self, message: str) -> str:
        """A page that says what is wrong."""
        return self._render("failure.html", Filter(), message=representable(message))

    # --- images

    def image(self, index: int, position: int) -> bytes | None:
        """The encoded bytes of an image; None where the sample has none there.

        Raises:
            TextbookError: It cannot be had.
        """
        sample = self._sample(index)
        if sample is None or position >= len(sample.image_paths):
            return None
        return sample.image_bytes(position)
