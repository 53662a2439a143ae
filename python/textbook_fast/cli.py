"""The command `textbook-fast`: index, info, show, bench; see also cli_archive and cli_look."""

from __future__ import annotations

import argparse
import contextlib
import functools
import json
import re
import sys
import warnings
from collections.abc import Iterator, Sequence
from typing import Any

from textbook_fast import _core, cli_archive, cli_look
from textbook_fast.archives import index_archives
from textbook_fast.bench import Report, bench, bench_synthetic, format_table
from textbook_fast.dataset import Dataset, build_index
from textbook_fast.dataset import open as open_dataset
from textbook_fast.errors import ImageError, TextbookError
from textbook_fast.files import expand
from textbook_fast.index_info import ArchiveInfo, IndexInfo
from textbook_fast.sample import Sample

__all__ = ["main"]

# An argument of this form may be the id of a video that begins with a hyphen.
ID_LIKE_OPTION = re.compile(r"-[A-Za-z0-9_-]{10}")
PROTECTED = "\0"


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command and returns its exit code: 0 done, 1 an error, 2 a wrong call,
    130 interrupted.
    """
    parser, options = _parser()
    given = list(sys.argv[1:] if argv is None else argv)
    arguments = parser.parse_args([_protect(text, options) for text in given])
    try:
        with _plain_warnings():
            code: int | None = arguments.run(arguments)
    except (TextbookError, OSError, ValueError) as error:
        print(f"textbook-fast: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("textbook-fast: interrupted", file=sys.stderr)
        return 130
    return code or 0


@contextlib.contextmanager
def _plain_warnings() -> Iterator[None]:
    """Shows warnings without the line of source code that they come from."""
    kept = warnings.formatwarning
    warnings.formatwarning = lambda message, *_, **__: f"textbook-fast: warning: {message}\n"
    try:
        yield
    finally:
        warnings.formatwarning = kept


def _protect(text: str, options: set[str]) -> str:
    """Keeps argparse from taking an id for an option."""
    is_id = ID_LIKE_OPTION.fullmatch(text) is not None and text not in options
    return PROTECTED + text if is_id else text


def _plain(text: str) -> str:
    return text.removeprefix(PROTECTED)


def _parser() -> tuple[argparse.ArgumentParser, set[str]]:
    """The parser, and all its options."""
    parser = argparse.ArgumentParser(
        prog="textbook-fast", description="Index, look at and measure interleaved image-text data."
    )
    parser.add_argument("--version", action="version", version=_core.__version__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    added = [
        _add(commands, "index", _index,
             "build the index of JSON files, compressed or not, and gzipped archives beside each; "
             "over an archive a pass that was stopped goes on where it was",
             "textbook-fast index multimodal_textbook.json\n"
             "  textbook-fast index downloads/dataset_images_interval_7.tar.gz.part_*"),
        _add(commands, "info", _info, "say what a file holds and how it is indexed",
             "textbook-fast info multimodal_textbook.json"),
        _add(commands, "show", _show, "print a sample in reading order",
             "textbook-fast show multimodal_textbook.json 42\n"
             "  textbook-fast show multimodal_textbook.json -1uixJ1V-As"),
        _add(commands, "bench", _bench, "measure a corpus on this machine",
             "textbook-fast bench example_data/textbook_sample_100.json\n"
             "  textbook-fast bench --synthetic 1000 --keyframes DIR"),
    ]  # fmt: skip
    index, info, show, bench_ = added
    added += cli_archive.add_commands(functools.partial(_add, commands), _plain)
    added += cli_look.add_commands(functools.partial(_add, commands), _plain)
    index.add_argument(
        "paths", nargs="+", metavar="PATH",
        help="JSON files (also in .zip or .gz), gzipped tar files or their parts (the first "
        "stands for all), or globs",
    )  # fmt: skip
    info.add_argument("paths", nargs="+", metavar="PATH", help="a JSON file, several, or a glob")
    index.add_argument(
        "--index", metavar="FILE", help="where the index of an archive is kept (default: beside it)"
    )
    index.add_argument(
        "--sha256", metavar="FILE",
        help="SHA-256 sums of an archive's parts, as sha256sum writes them, to be compared "
        "along the way",
    )  # fmt: skip
    index.add_argument("--rebuild", action="store_true", help="build it anew even where it fits")
    show.add_argument("path", metavar="PATH", help="a JSON file or a glob")
    show.add_argument(
        "which", metavar="SAMPLE", help="an index (negative from the end), or the id of a video"
    )
    bench_.add_argument("paths", nargs="*", metavar="PATH", help="a JSON file, several, or a glob")
    bench_.add_argument(
        "--synthetic", type=int, metavar="N", help="make and measure a corpus of N samples"
    )
    bench_.add_argument(
        "--keyframes", metavar="DIR",
        help="JPEG files for --synthetic (default: TEXTBOOK_FAST_KEYFRAMES, else example_data/)",
    )  # fmt: skip
    for command in (info, show, bench_):
        cli_archive.add_images(command)
    for command in (index, bench_):
        command.add_argument("--threads", type=int, metavar="N", help="how many threads to use")
    for command in added:
        command.add_argument("--json", action="store_true", help="print JSON, for machines")
    return parser, {text for command in added for text in command._option_string_actions}  # noqa: SLF001


def _add(commands: Any, name: str, run: Any, purpose: str, example: str) -> argparse.ArgumentParser:
    command: argparse.ArgumentParser = commands.add_parser(
        name,
        help=purpose,
        description=purpose[0].upper() + purpose[1:] + ".",
        epilog=f"example:\n  {example}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    command.set_defaults(run=run)
    return command


def _print_json(value: object) -> None:
    print(json.dumps(value, ensure_ascii=True, indent=2))


# --- index


def _index(arguments: argparse.Namespace) -> None:
    paths = expand([_plain(path) for path in arguments.paths])
    archives, files = _core.group_archives(paths)
    if not archives and not files:
        raise ValueError(
            f"there is nothing to index in {', '.join(paths)}: no JSON file and no gzipped tar"
        )
    rebuild, threads = arguments.rebuild, arguments.threads
    if arguments.sha256 is not None and not archives:
        raise ValueError("--sha256 gives the sums of an archive's parts, and there is no archive")
    if arguments.index is not None and not archives:
        raise ValueError("--index names the index of an archive, and there is no archive")
    infos = build_index(files, rebuild=rebuild, threads=threads) if files else []
    of_archives = index_archives(
        archives, index=arguments.index, rebuild=rebuild, threads=threads, sha256=arguments.sha256
    )
    if arguments.json:
        _print_json([*infos, *of_archives])
        return
    for archive in of_archives:
        print(_archive_line(archive))
    for info in infos:
        print(f"{info['path']}: {info['samples']:,} samples, {_origin(info)}")
        if info["warning"]:
            print(f"warning: {info['warning']}", file=sys.stderr)


def _archive_line(info: ArchiveInfo) -> str:
    """What is known of an archive."""
    parts = info["parts"]
    more = f" and {len(parts) - 1} more parts" if len(parts) > 1 else ""
    seconds = info["built_in_seconds"]
    if not info["confirmed"]:
        state = f"NOT CONFIRMED: {info['damage']}"
    elif seconds is None:
        state = f"index read in {info['index']}"
    else:
        rate = (info["bytes"] - info["resumed_at"]) / 1e6 / max(seconds, 1e-6)
        before = _before(info["resumed_at"])
        state = (
            f"index built in {seconds:.2f} s ({rate:,.0f} MB/s{before}), kept in {info['index']}"
        )
    return f"{parts[0]}{more}: {info['members']:,} members, {info['bytes'] / 1e6:,.1f} MB, {state}"


def _origin(info: IndexInfo) -> str:
    seconds = info["built_in_seconds"]
    place = f" in {info['sidecar']}" if info["sidecar"] else " in memory"
    if seconds is None:
        return f"index read{place}"
    return f"index built in {seconds:.2f} s{_before(info['resumed_at'])}, kept{place}"


def _before(done: int) -> str:
    return f", after {done / 1e9:,.2f} GB of an earlier call" if done else ""


# --- info


def _info(arguments: argparse.Namespace) -> None:
    ds = open_dataset([_plain(path) for path in arguments.paths], images=arguments.images)
    roots, reason = _roots(ds)
    archives = ds.archive_info if roots else []
    keys = list(ds[0].to_dict()) if len(ds) else []
    if arguments.json:
        _print_json(
            {
                "samples": len(ds),
                "files": ds.index_info,
                "keys_of_first": keys,
                "images": roots,
                "archives": archives,
            }
        )
        return
    for info in ds.index_info:
        kind = {"array": "JSON array", "lines": "JSON Lines"}[info["layout"]]
        print(f"{info['path']}")
        size = f"{info['text_bytes'] / 1e6:,.1f} MB"
        if info["packing"]:
            size += f" ({info['packing']}, {info['bytes'] / 1e6:,.1f} MB in the file)"
        print(f"  {kind}, {size}, {info['samples']:,} samples")
        print(f"  {_origin(info)}")
    print(f"fields   {', '.join(keys)}")
    print(f"images   {', '.join(roots) if roots else reason}")
    for archive in archives:
        print(f"  {_archive_line(archive)}")


def _roots(ds: Dataset) -> tuple[list[str], str]:
    try:
        return list(ds.image_roots), ""
    except TextbookError as error:
        return [], str(error)


# --- show


def _show(arguments: argparse.Namespace) -> None:
    ds = open_dataset(_plain(arguments.path), images=arguments.images, on_error="mark")
    which = _plain(arguments.which)
    samples = [ds[int(which)]] if re.fullmatch(r"[+-]?\d+", which) else _of_video(ds, which)
    described = [_describe(sample) for sample in samples]
    if arguments.json:
        _print_json(described)
        return
    for sample in described:
        print(f"sample {sample['index']} of {sample['path']} (record {sample['position']})")
        print(
            ", ".join(f"{name} {sample[name]}" for name in ("image_num", "text_num", "token_num"))
        )
        for item in sample["items"]:
            print()
            print(item["text"] if "text" in item else _image_line(item))
        print()


def _of_video(ds: Dataset, vid: str) -> list[Sample]:
    found = [
        sample
        for sample in ds
        if any(frame is not None and frame.vid == vid for frame in sample.keyframes)
    ]
    if not found:
        raise ValueError(f"no sample has a keyframe of the video {vid!r}")
    return found


def _describe(sample: Sample) -> dict[str, Any]:
    items: list[dict[str, Any]] = []
    for k, (path, text) in enumerate(zip(sample.image_paths, sample.texts, strict=True)):
        if path is not None:
            items.append({"image": path} | _measure(sample, k))
        if text is not None:
            items.append({"text": text})
    path, position = sample.source
    numbers = {name: getattr(sample, name) for name in ("image_num", "text_num", "token_num")}
    return {"index": sample.index, "path": path, "position": position, **numbers, "items": items}


def _measure(sample: Sample, k: int) -> dict[str, Any]:
    """Bytes and dimensions of an image, or why it cannot be had."""
    try:
        data = sample.image_bytes(k)
        image = sample.image(k)
    except TextbookError as error:
        return {"error": str(error)}
    if isinstance(image, ImageError):
        return {"error": image.reason}
    if image is None or data is None:
        return {}
    frame = sample.keyframes[k]
    place = {} if frame is None else {"url": frame.url, "start_seconds": frame.start_seconds}
    return {"bytes": len(data), "width": image.shape[1], "height": image.shape[0], **place}


def _image_line(item: dict[str, Any]) -> str:
    name = item["image"].rpartition("/")[2]
    if "error" in item:
        return f"[image {name}: {item['error']}]"
    return f"[image {name}: {item['width']} x {item['height']}, {item['bytes'] / 1e3:.1f} kB]"


# --- bench


def _bench(arguments: argparse.Namespace) -> None:
    paths = [_plain(path) for path in arguments.paths]
    if bool(paths) == (arguments.synthetic is not None):
        raise ValueError("bench needs either PATH or --synthetic N")
    if arguments.synthetic is not None and arguments.synthetic < 1:
        raise ValueError("--synthetic needs a number of samples of 1 or more")
    report: Report
    if paths:
        report = bench(paths, images=arguments.images, threads=arguments.threads)
    else:
        report = bench_synthetic(
            arguments.synthetic, keyframes=arguments.keyframes, threads=arguments.threads
        )
    if arguments.json:
        _print_json(report.to_dict())
    else:
        print(format_table(report))
