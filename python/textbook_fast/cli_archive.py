"""The commands for the files as a whole: check, extract, pack, unpack."""

from __future__ import annotations

import argparse
import dataclasses
import datetime as dt
import json
import os
import re
import shutil
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence

from textbook_fast import _core
from textbook_fast.archives import index_archives
from textbook_fast.check import CheckReport, Finding, check
from textbook_fast.dataset import Dataset
from textbook_fast.dataset import open as open_dataset
from textbook_fast.errors import IndexMissingError
from textbook_fast.extract import extract, images_of
from textbook_fast.files import expand
from textbook_fast.pack import bytes_needed, pack
from textbook_fast.pack_parts import PartsPlan, is_begun, pack_parts, plan_parts
from textbook_fast.unpack import unpack

__all__ = ["add_commands"]

AddCommand = Callable[..., argparse.ArgumentParser]

# Of one kind so many findings are printed, unless all are asked for.
SHOWN = 20
SHOWN_SIZES = 5
TICK_SECONDS = 0.5
# An estimate of what a pack needs is no reason to refuse what might just fit.
MOST_OF_ROOM = 1.1
# A number of so many digits may be the id of a video.
ID_LENGTH = 11


def add_commands(add: AddCommand, plain: Callable[[str], str]) -> list[argparse.ArgumentParser]:
    """Adds the commands.

    Args:
        add: Makes a command's parser of its name, function, purpose and example.
        plain: Undoes what was done to an argument that might be the id of a video.
    """
    checking = add(
        "check", lambda arguments: _check(arguments, plain),
        "look at every sample and every image, and say what is wrong",
        "textbook-fast check multimodal_textbook.json --images dataset_images_interval_7\n\n"
        "exit code: 0 nothing is wrong, 1 there are errors (notices alone are none)",
    )  # fmt: skip
    checking.add_argument(
        "paths", nargs="+", metavar="PATH", help="a JSON file, several, or a glob"
    )
    add_images(checking)
    checking.add_argument(
        "--pixels", action="store_true", help="decode every image, not only look at its header"
    )
    checking.add_argument(
        "--all", action="store_true", help=f"print more than {SHOWN} findings of a kind"
    )
    checking.add_argument("--threads", type=int, metavar="N", help="how many threads to use")
    unpacking = add(
        "unpack", lambda arguments: _unpack(arguments, plain),
        "write the JSON in a zip or gzip file beside it (to read it, open it as it is); a call "
        "that was interrupted begins anew",
        "textbook-fast unpack multimodal_textbook_meta_data.json.zip",
    )  # fmt: skip
    unpacking.add_argument("path", metavar="PATH", help="a .json.zip, .json.gz or .jsonl.gz file")
    unpacking.add_argument(
        "--out", metavar="FILE", help="the JSON file (default: its own name, beside PATH)"
    )
    return [checking, _add_extract(add, plain), _add_pack(add, plain), unpacking]


def _add_extract(add: AddCommand, plain: Callable[[str], str]) -> argparse.ArgumentParser:
    command = add(
        "extract", lambda arguments: _extract(arguments, plain),
        "write images as files; repeated, it goes on where it was",
        "textbook-fast extract multimodal_textbook.json --images images.tar --out DIR "
        "--sample 42\n"
        "  textbook-fast extract multimodal_textbook.json --images images.tar --out DIR "
        "--vid -1uixJ1V-As",
    )  # fmt: skip
    command.add_argument("path", metavar="PATH", help="a JSON file or a glob")
    add_images(command)
    command.add_argument("--out", required=True, metavar="DIR", help="the folder; it is made")
    which = command.add_mutually_exclusive_group(required=True)
    which.add_argument(
        "--sample", type=int, action="append", metavar="N",
        help="the images of this sample; may be given several times",
    )  # fmt: skip
    which.add_argument("--vid", metavar="ID", help="the keyframes of this video")
    which.add_argument("--all", action="store_true", help="the images of all samples")
    return command


def _add_pack(add: AddCommand, plain: Callable[[str], str]) -> argparse.ArgumentParser:
    command = add(
        "pack", lambda arguments: _pack(arguments, plain),
        "write images into one ordinary tar; repeated, it goes on where it was",
        "textbook-fast pack multimodal_textbook.json --images DIR --out textbook.pack.tar",
    )  # fmt: skip
    command.add_argument("path", metavar="PATH", help="a JSON file or a glob")
    add_images(command)
    command.add_argument("--out", required=True, metavar="FILE", help="the tar")
    command.add_argument(
        "--order", choices=["archive", "sample"], default="archive",
        help="as the images lie in their store, in one sequential pass, or the images of a "
        "sample beside each other (default: archive)",
    )  # fmt: skip
    command.add_argument(
        "--select", metavar="SAMPLES",
        help="only the images of these samples: 0:1000, or 1,5,9, or ids of videos",
    )  # fmt: skip
    command.add_argument(
        "--delete-parts", action="store_true",
        help="REMOVE the parts of the gzipped archive, each as soon as it is in the tar, read "
        "back and compared: for a disk that has no room for two archives; asks first",
    )  # fmt: skip
    command.add_argument("--yes", action="store_true", help="do not ask before --delete-parts")
    return command


def add_images(command: argparse.ArgumentParser) -> None:
    """Adds the option for where the images are."""
    command.add_argument(
        "--images", action="append", metavar="PLACE",
        help="a folder of the images, a tar file (plain, gzipped, or the first of its parts), or a "
        "glob; may be given several times "
        "(default: found beside PATH)",
    )  # fmt: skip


class ProgressLine:
    """How far a command is, on one line of a terminal; nothing elsewhere."""

    def __init__(self, verb: str, unit: str) -> None:
        self._verb = verb
        self._scale, self._unit = (1e6, "MB") if unit == "bytes" else (1.0, unit)
        self._first: int | None = None
        self._begin = self._told = time.monotonic()
        self._is_shown = sys.stderr.isatty()
        self._has_line = False

    def tell(self, done: int, total: int) -> None:
        """Shows how much is done, how fast, and about how long the rest will take."""
        now = time.monotonic()
        if self._first is None:
            # What an earlier call has done took no time of this one.
            self._first, self._begin = done, now
        if not self._is_shown or now - self._told < TICK_SECONDS:
            return
        self._told = now
        line = f"{self._verb}: {done / self._scale:,.0f} of {total / self._scale:,.0f} {self._unit}"
        new = done - self._first
        if new > 0 and now > self._begin:
            rate = new / (now - self._begin)
            left = dt.timedelta(seconds=round(min((total - done) / rate, 1e9)))
            line += f", {rate / self._scale:,.1f} {self._unit}/s, {left} left"
        print(f"\r\x1b[K{line}", end="", file=sys.stderr, flush=True)
        self._has_line = True

    def clear(self) -> None:
        """Takes the line away, before something else is printed."""
        if self._has_line:
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)
            self._has_line = False


# --- check


def _check(arguments: argparse.Namespace, plain: Callable[[str], str]) -> int:
    line = ProgressLine("checking", "samples")
    shown: Counter[str] = Counter()

    def show(finding: Finding) -> None:
        line.clear()
        shown[finding.kind] += 1
        if arguments.json:
            fields = {name: getattr(finding, name) for name in Finding.__slots__}
            print(json.dumps(fields))
        elif arguments.all or shown[finding.kind] <= SHOWN:
            print(finding)
        elif shown[finding.kind] == SHOWN + 1:
            print(f"{finding.severity} {finding.kind}: more of these; --all prints all")

    report = check(
        [plain(path) for path in arguments.paths],
        images=arguments.images,
        depth="pixels" if arguments.pixels else "header",
        threads=arguments.threads,
        on_finding=show,
        on_progress=line.tell,
    )
    line.clear()
    if arguments.json:
        print(json.dumps({"summary": report.to_dict()}))
    else:
        _print_summary(report)
    return 1 if report.errors else 0


def _print_summary(report: CheckReport) -> None:
    print(
        f"{report.samples:,} samples, {report.images:,} images looked for, {report.found:,} found "
        f"({report.bytes / 1e6:,.1f} MB)"
    )
    sizes = report.sizes.most_common()
    if sizes:
        listed = [f"{w} x {h}: {count:,}" for (w, h), count in sizes[:SHOWN_SIZES]]
        more = f", and {len(sizes) - SHOWN_SIZES} more" if len(sizes) > SHOWN_SIZES else ""
        print(f"sizes    {', '.join(listed)}{more}")
    findings = [f"{kind}: {count:,}" for kind, count in report.counts.most_common()]
    print(f"findings {', '.join(findings) if findings else 'none'}")
    for advice in report.advice:
        print(f"note     {advice}")


# --- extract


def _extract(arguments: argparse.Namespace, plain: Callable[[str], str]) -> int:
    ds = open_dataset(plain(arguments.path), images=arguments.images)
    line = ProgressLine("extracting", "samples")
    broken: list[str] = []
    if arguments.vid is not None or arguments.all:
        samples: Sequence[int] = range(len(ds))
    else:
        samples = [ds[index].index for index in arguments.sample]
    images = images_of(ds, samples, lambda done: line.tell(done, len(samples)), broken.append)
    if arguments.vid is not None:
        vid = plain(arguments.vid)
        images = (path for path in images if _vid(path) == vid)
    report = extract(ds, images, arguments.out)
    line.clear()
    for reason in broken:
        report.fail(reason)
    if arguments.json:
        print(json.dumps(dataclasses.asdict(report)))
    else:
        print(
            f"{report.written:,} images written to {arguments.out} ({report.bytes / 1e6:,.1f} MB), "
            f"{report.kept:,} were there already"
        )
    if not report.failed and not report.written and not report.kept:
        raise ValueError("there are no images to extract")
    return _tell_failures(report.failed, report.failures)


def _vid(path: str) -> str | None:
    keyframe = _core.parse_keyframe_name(path)
    return None if keyframe is None else keyframe[0]


def _tell_failures(failed: int, failures: list[str]) -> int:
    """What could not be had, and the exit code that says so."""
    for reason in failures[:SHOWN]:
        print(f"textbook-fast: {reason}", file=sys.stderr)
    if failed:
        print(f"textbook-fast: {failed:,} images could not be had", file=sys.stderr)
    return 1 if failed else 0


# --- pack


def _pack(arguments: argparse.Namespace, plain: Callable[[str], str]) -> int:
    if arguments.delete_parts:
        return _pack_parts(arguments, plain)
    if is_begun(arguments.out):
        raise ValueError(f"{arguments.out} was begun with --delete-parts: repeat that")
    ds = _open_indexed(plain(arguments.path), arguments.images)
    samples = None if arguments.select is None else _selected(ds, plain(arguments.select))
    needed = bytes_needed(ds, arguments.order, samples)
    folder = os.path.dirname(os.path.abspath(arguments.out))
    room = shutil.disk_usage(folder).free
    begun = f"{arguments.out}.part"
    there = os.path.getsize(begun) if os.path.exists(begun) else 0
    if needed is not None:
        print(
            f"needs about {max(needed - there, 0) / 1e9:,.2f} GB more than is taken now; "
            f"{room / 1e9:,.2f} GB are free in {folder}",
            file=sys.stderr,
        )
        if needed - there > room * MOST_OF_ROOM:
            raise ValueError(f"there is no room for the pack in {folder}: choose another --out")
    line = ProgressLine("packing", "bytes")
    report = pack(
        ds,
        arguments.out,
        order=arguments.order,
        samples=samples,
        on_progress=lambda done: line.tell(done, max(done, needed or done)),
    )
    line.clear()
    if arguments.json:
        print(json.dumps(dataclasses.asdict(report)))
    elif report.index is None:
        print(f"{report.path} was finished before")
    else:
        resumed = f", {report.resumed:,} of them before" if report.resumed else ""
        print(
            f"{report.path}: {report.members - report.failed:,} images{resumed}, "
            f"{report.bytes / 1e6:,.1f} MB; index in {report.index}"
        )
    return _tell_failures(report.failed, report.failures)


def _open_indexed(path: str, images: list[str] | None) -> Dataset:
    """The dataset; archives that have no index get one, which may take long."""
    indexed: set[str] = set()
    while True:
        try:
            ds = open_dataset(path, images=images)
            _ = ds.image_roots
        except IndexMissingError as error:
            # An index of another version that was named is not to be replaced unasked.
            if error.path in indexed or " --index " in error.command:
                raise
            indexed.add(error.path)
            archives, _ = _core.group_archives([] if images is None else expand(images))
            index_archives([next((a for a in archives if error.path in a), [error.path])])
        else:
            return ds


def _pack_parts(arguments: argparse.Namespace, plain: Callable[[str], str]) -> int:
    if arguments.order != "archive" or arguments.select is not None:
        raise ValueError(
            "--delete-parts removes all parts, so all images go into the tar, as they lie in "
            "the archive: it takes neither --select nor --order sample"
        )
    if not arguments.yes and not sys.stdin.isatty():
        raise ValueError(
            "--delete-parts asks before it removes anything: run it in a terminal, or add --yes"
        )
    images = arguments.images
    if images is None and not is_begun(arguments.out):
        images = list(_open_indexed(plain(arguments.path), None).image_roots)
    plan = plan_parts(images, arguments.out)
    if isinstance(plan, PartsPlan):
        print(
            f"{plan.path} will have {plan.bytes / 1e9:,.2f} GB. It needs "
            f"{plan.bytes_needed / 1e9:,.2f} GB more than is taken now; "
            f"{plan.bytes_free / 1e9:,.2f} GB are free. As it grows these are REMOVED, with "
            "their index:",
            *plan.parts,
            sep="\n  ",
            file=sys.stderr,
        )
        if not arguments.yes and input("Remove them? [y/N] ").strip().lower() not in {"y", "yes"}:
            raise ValueError("nothing was removed or written")
        plan = pack_parts(plan)
    if arguments.json:
        print(json.dumps(dataclasses.asdict(plan)))
    elif not plan.members:
        print(f"{plan.path} was finished before")
    else:
        resumed = f", {plan.resumed:,} of them before" if plan.resumed else ""
        print(
            f"{plan.path}: {plan.members:,} images{resumed}, {plan.bytes / 1e6:,.1f} MB; index in "
            f"{plan.index}; {len(plan.removed)} parts removed"
        )
    return 0


def _selected(ds: Dataset, text: str) -> list[int]:
    """The samples that ``A:B``, ``1,5,9`` or ids of videos mean, separated by commas."""
    vids: set[str] = set()
    chosen: set[int] = set()
    for part in map(str.strip, text.split(",")):
        bounds = re.fullmatch(r"(-?\d*):(-?\d*)", part)
        if bounds:
            first, last = (int(bound) if bound else None for bound in bounds.groups())
            chosen.update(range(len(ds))[first:last])
        elif re.fullmatch(r"-?\d+", part) and not (len(part) == ID_LENGTH and int(part) >= len(ds)):
            chosen.add(ds[int(part)].index)
        else:
            vids.add(part)
    if vids:
        named = (
            (sample.index, {frame.vid for frame in sample.keyframes if frame is not None})
            for sample in ds
        )
        found = {index: of_sample & vids for index, of_sample in named if of_sample & vids}
        lost = vids - set().union(*found.values())
        if lost:
            raise ValueError(f"no sample has a keyframe of the video {min(lost)!r}")
        chosen.update(found)
    if not chosen:
        raise ValueError(f"--select {text!r} selects no samples")
    return sorted(chosen)


# --- unpack


def _unpack(arguments: argparse.Namespace, plain: Callable[[str], str]) -> None:
    line = ProgressLine("unpacking", "bytes")
    try:
        report = unpack(plain(arguments.path), out=arguments.out, on_progress=line.tell)
    finally:
        line.clear()
    if arguments.json:
        print(json.dumps(dataclasses.asdict(report)))
    else:
        print(f"{report.path}: {report.bytes / 1e6:,.1f} MB")
