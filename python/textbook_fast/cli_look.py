"""The commands for those who look at a dataset: search, rewrite-paths."""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
from collections.abc import Callable

from textbook_fast.dataset import open as open_dataset
from textbook_fast.rewrite import rewrite_paths
from textbook_fast.search import SearchHit

__all__ = ["add_commands", "printable"]

AddCommand = Callable[..., argparse.ArgumentParser]
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
    return [search, rewrite]


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
