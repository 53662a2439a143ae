"""The commands for those who look at a dataset: search, rewrite-paths, stats, view."""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import sys
from collections.abc import Callable

from textbook_fast.cli_archive import add_images
from textbook_fast.dataset import open as open_dataset
from textbook_fast.rewrite import rewrite_paths
from textbook_fast.search import SearchHit
from textbook_fast.viewer.page import write_page, write_whole

__all__ = ["add_commands", "printable"]

AddCommand = Callable[..., argparse.ArgumentParser]
COMPARED = 200
LOOKED_AT = 2000
BOLD, PLAIN = "\x1b[1m", "\x1b[0m"


def add_commands(add: AddCommand, plain: Callable[[str], str]) -> list[argparse.ArgumentParser]:
    """Adds the commands.

    Args:
        add: Makes a command's parser of its name, function, purpose and example.
        plain: Undoes what was done to an argument that might be the id of a video.
    """
    search = add(
        "search", lambda arguments: _search(arguments, plain), "find texts",
        'textbook-fast search multimodal_textbook.json "Pythagorean theorem"',
    )  # fmt: skip
    search.add_argument("pattern", metavar="PATTERN", help="what to look for")
    search.add_argument("paths", nargs="+", metavar="PATH", help="a JSON file, several, or a glob")
    search.add_argument(
        "--field", choices=["texts", "text_ocr_list"], default="texts",
        help="what is said, or that and what can be read in the keyframes (default: texts)",
    )  # fmt: skip
    search.add_argument("--regex", action="store_true", help="PATTERN is a regular expression")
    search.add_argument(
        "--case-sensitive", action="store_true", help="tell upper and lower case apart"
    )
    search.add_argument("--limit", type=int, metavar="N", help="stop after N hits")
    search.add_argument("--threads", type=int, metavar="N", help="how many threads to use")
    rewrite = add(
        "rewrite-paths", lambda arguments: _rewrite(arguments, plain),
        "copy a file, with another folder before the paths of its images",
        "textbook-fast rewrite-paths multimodal_textbook.json mine.json "
        "--image-root /data/dataset_images_interval_7",
    )  # fmt: skip
    rewrite.add_argument("source", metavar="IN", help="a JSON file")
    rewrite.add_argument("out", metavar="OUT", help="the copy")
    rewrite.add_argument(
        "--image-root", required=True, metavar="DIR", help="what the paths shall begin with"
    )
    rewrite.add_argument(
        "--prefix", metavar="OLD",
        help="what they begin with now (default: all before <vid>/<name> of a keyframe)",
    )  # fmt: skip
    rewrite.add_argument(
        "--missing", choices=["raise", "count", "skip"], default="raise",
        help="where an image is not there: leave no copy, say how many, or do not look "
        "(default: raise)",
    )  # fmt: skip
    rewrite.add_argument("--overwrite", action="store_true", help="replace OUT where it exists")
    rewrite.add_argument("--threads", type=int, metavar="N", help="how many threads to use")
    return [search, rewrite, _add_stats(add, plain), _add_view(add, plain)]


def _add_stats(add: AddCommand, plain: Callable[[str], str]) -> argparse.ArgumentParser:
    stats = add(
        "stats", lambda arguments: _stats(arguments, plain), "count what a dataset holds",
        "textbook-fast stats multimodal_textbook.json\n"
        "  textbook-fast stats multimodal_textbook.json --similarity --html statistics.html",
    )  # fmt: skip
    stats.add_argument("paths", nargs="+", metavar="PATH", help="a JSON file, several, or a glob")
    stats.add_argument(
        "--similarity", nargs="?", const=str(COMPARED), metavar="N",
        help="compare the images within samples (SSIM): of N samples for each number of images "
        f"from 4 to 8, or of all (default: {COMPARED})",
    )  # fmt: skip
    stats.add_argument(
        "--look-at", default=str(LOOKED_AT), metavar="N",
        help=f"look at N images for their sizes, or at all (default: {LOOKED_AT})",
    )  # fmt: skip
    stats.add_argument("--html", metavar="FILE", help="write a page with plots")
    stats.add_argument("--threads", type=int, metavar="N", help="how many threads to use")
    add_images(stats)
    return stats


def _add_view(add: AddCommand, plain: Callable[[str], str]) -> argparse.ArgumentParser:
    view = add(
        "view", lambda arguments: _view(arguments, plain), "show samples in the browser",
        "textbook-fast view multimodal_textbook.json\n"
        "  textbook-fast view multimodal_textbook.json --html samples.html --samples 0,5,7-9",
    )  # fmt: skip
    view.add_argument("paths", nargs="+", metavar="PATH", help="a JSON file, several, or a glob")
    add_images(view)
    view.add_argument(
        "--videos", action="append", metavar="FILE",
        help="video_meta_data*.json (default: found beside PATH)",
    )  # fmt: skip
    view.add_argument(
        "--port", type=int, default=0, help="the port of the server (default: any that is free)"
    )
    view.add_argument("--no-browser", action="store_true", help="open no browser")
    view.add_argument("--html", metavar="FILE", help="write one page of some samples instead")
    view.add_argument(
        "--samples", default="0-9", metavar="LIST",
        help="which samples are in the page, as 0,5,7-9 (default: 0-9)",
    )  # fmt: skip
    view.add_argument("--ocr", action="store_true", help="unfold what is read in the keyframes")
    return view


def printable(text: str) -> str:
    """The text on one line, without what could steer a terminal or turn its direction."""
    return "".join(
        letter if letter.isprintable() else " " if letter.isspace() else f"\\u{ord(letter):04x}"
        for letter in text
    )


# --- search


def _search(arguments: argparse.Namespace, plain: Callable[[str], str]) -> None:
    paths = [plain(path) for path in arguments.paths]
    ds = open_dataset(paths, decode="never", threads=arguments.threads)
    hits = ds.search(
        plain(arguments.pattern),
        field=arguments.field,
        ignore_case=not arguments.case_sensitive,
        regex=arguments.regex,
        limit=arguments.limit,
    )
    is_terminal = sys.stdout.isatty()
    found = 0
    for hit in hits:
        found += 1
        if arguments.json:
            # A line for each hit, as it is found.
            print(json.dumps(dataclasses.asdict(hit), ensure_ascii=True))
        else:
            print(f"{hit.sample}:{hit.item}: {_shown(hit, is_terminal=is_terminal)}")
    if not found and not arguments.json:
        print("nothing was found", file=sys.stderr)


def _shown(hit: SearchHit, *, is_terminal: bool) -> str:
    before, found, after = (
        printable(part)
        for part in (
            hit.excerpt[: hit.start],
            hit.excerpt[hit.start : hit.end],
            hit.excerpt[hit.end :],
        )
    )
    return f"{before}{BOLD}{found}{PLAIN}{after}" if is_terminal else before + found + after


# --- rewrite-paths


def _rewrite(arguments: argparse.Namespace, plain: Callable[[str], str]) -> None:
    report = rewrite_paths(
        plain(arguments.source),
        plain(arguments.out),
        image_root=plain(arguments.image_root),
        prefix=arguments.prefix,
        missing=arguments.missing,
        overwrite=arguments.overwrite,
        threads=arguments.threads,
    )
    if arguments.json:
        print(json.dumps(dataclasses.asdict(report), ensure_ascii=True, indent=2))
        return
    print(f"{report.rewritten:,} paths rewritten, {report.kept:,} left as they were")
    if report.missing:
        print(f"{report.missing:,} images are not there, as", file=sys.stderr)
        for index, path in report.examples:
            print(f"  sample {index}: {printable(path)}", file=sys.stderr)


# --- stats


def _stats(arguments: argparse.Namespace, plain: Callable[[str], str]) -> None:
    ds = open_dataset(
        [plain(path) for path in arguments.paths],
        images=arguments.images,
        threads=arguments.threads,
    )
    similarity = arguments.similarity
    statistics = ds.statistics(
        images=None if arguments.look_at == "all" else _number("--look-at", arguments.look_at),
        similarity="all"
        if similarity == "all"
        else similarity and _number("--similarity", similarity),
    )
    if arguments.html is not None:
        write_whole(arguments.html, [statistics.to_html()])
    if arguments.json:
        print(json.dumps(statistics.to_dict(), ensure_ascii=True, indent=2))
    else:
        print(statistics)
    if arguments.html is not None:
        print(f"written: {arguments.html}", file=sys.stderr)


def _number(option: str, text: str) -> int:
    if not text.isascii() or not text.isdigit():
        raise ValueError(f"{option} takes a number or 'all', not {text!r}")
    return int(text)


# --- view


def _view(arguments: argparse.Namespace, plain: Callable[[str], str]) -> None:
    ds = open_dataset(
        [plain(path) for path in arguments.paths],
        images=arguments.images,
        videos=arguments.videos,
        decode="lazy",
        on_error="mark",
    )
    if arguments.html is not None:
        chosen = _samples(arguments.samples, len(ds))
        title = f"{len(chosen)} samples of {os.path.basename(ds.paths[0])}"
        write_page((ds[index] for index in chosen), arguments.html, title=title, ocr=arguments.ocr)
        print(f"written: {arguments.html}", file=sys.stderr)
        return
    from textbook_fast.viewer.server import Viewer

    viewer = Viewer(ds, port=arguments.port)
    print(json.dumps({"url": viewer.url}) if arguments.json else viewer.url, flush=True)
    if not arguments.json:
        print("Ctrl-C ends it.", file=sys.stderr)
    try:
        viewer.serve(open_browser=not arguments.no_browser)
    except KeyboardInterrupt:
        print(file=sys.stderr)


def _samples(text: str, count: int) -> list[int]:
    """The indices that a list like ``0,5,7-9`` names; the last range may be cut."""
    chosen: list[int] = []
    for part in text.split(","):
        first, hyphen, last = part.strip().partition("-")
        if not (first.isascii() and first.isdigit() and (not hyphen or last.isdigit())):
            raise ValueError(f"--samples takes a list like 0,5,7-9, not {text!r}")
        if int(first) >= count:
            raise ValueError(f"there is no sample {first}: the dataset has {count}")
        end = int(last) if hyphen else int(first)
        chosen.extend(range(int(first), min(end, count - 1) + 1))
    return chosen
