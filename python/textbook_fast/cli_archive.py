"""The commands for the files as a whole: check."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections import Counter
from collections.abc import Callable

from textbook_fast.check import CheckReport, Finding, check

__all__ = ["add_commands"]

AddCommand = Callable[..., argparse.ArgumentParser]

# Of one kind so many findings are printed, unless all are asked for.
SHOWN = 20
SHOWN_SIZES = 5
TICK_SECONDS = 0.5


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
    return [checking]


def add_images(command: argparse.ArgumentParser) -> None:
    """Adds the option for where the images are."""
    command.add_argument(
        "--images", action="append", metavar="PLACE",
        help="a folder of the images, a tar file, or a glob; may be given several times "
        "(default: found beside PATH)",
    )  # fmt: skip


class ProgressLine:
    """How far a command is, on one line of a terminal; nothing elsewhere."""

    def __init__(self, verb: str, unit: str) -> None:
        self._verb, self._unit = verb, unit
        self._begin = self._told = time.monotonic()
        self._is_shown = sys.stderr.isatty()
        self._has_line = False

    def tell(self, done: int, total: int) -> None:
        """Shows how much is done, and about how long the rest will take."""
        now = time.monotonic()
        if not self._is_shown or now - self._told < TICK_SECONDS:
            return
        self._told = now
        left = (now - self._begin) / max(done, 1) * (total - done)
        line = f"{self._verb}: {done:,} of {total:,} {self._unit}, {left:,.0f} s left"
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
