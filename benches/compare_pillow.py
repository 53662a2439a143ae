"""Pillow and Pillow-SIMD beside each other: both are imported as PIL, so each needs an
environment of its own. Makes the two, runs the same benchmarks in both, and joins them
in one table of ratios to textbook_fast's own time in the same environment.

    python benches/compare_pillow.py [--folder DIR] [BENCH.py ...]

Pillow-SIMD has no wheels: it is built here, against the libjpeg and zlib headers of the
system (Debian: ``apt install libjpeg62-turbo-dev zlib1g-dev gcc``).
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
PEERS = {"Pillow": "Pillow>=13", "Pillow-SIMD": "pillow-simd"}
# What the benchmarks import beside PIL: the test extra without Pillow.
TOOLS = ["numpy>=1.26", "pytest>=8", "pytest-benchmark>=5", "hypothesis>=6.100"]
DEFAULT = ["bench_decode.py", "bench_whole.py"]


def main() -> int:
    """Makes the environments, measures, prints the table."""
    parser = argparse.ArgumentParser(
        description="Pillow and Pillow-SIMD beside textbook_fast, in an environment each.",
        epilog="example:\n  python benches/compare_pillow.py bench_decode.py",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("benches", nargs="*", default=DEFAULT, metavar="BENCH.py")
    parser.add_argument("--folder", help="keep the environments here and use them again")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="compare_pillow_") as temporary:
        folder = Path(arguments.folder or temporary).resolve()
        folder.mkdir(parents=True, exist_ok=True)
        pythons = {name: environment(folder, name, peer) for name, peer in PEERS.items()}
        results = {
            name: measure(python, arguments.benches, folder / f"{name}.json")
            for name, python in pythons.items()
        }
    print(table(results))
    return 0


def run(command: list[str], **more: Any) -> None:
    """Runs it, or ends with what it printed."""
    done = subprocess.run(command, capture_output=True, text=True, check=False, **more)
    if done.returncode:
        sys.exit(f"{' '.join(command)} failed:\n{done.stdout[-4000:]}{done.stderr[-4000:]}")


def environment(folder: Path, name: str, peer: str) -> str:
    """An environment with this checkout and this PIL, and no other. Gives its Python."""
    home = folder / name
    python = str(home / "bin" / "python")
    if not (home / "complete").exists():
        print(f"making an environment with {peer}", file=sys.stderr)
        run([sys.executable, "-m", "venv", "--clear", str(home)])
        # `textbook-fast[test]` would bring Pillow into both.
        run([python, "-m", "pip", "install", "-q", *TOOLS])
        run([python, "-m", "pip", "install", "-q", "--no-binary", "pillow-simd", peer])
        (home / "complete").touch()
    run([python, "-m", "pip", "install", "-q", "--force-reinstall", "--no-deps", str(ROOT)])
    return python


def measure(python: str, benches: list[str], report: Path) -> dict[str, Any]:
    """The benchmarks that use PIL, and ours beside them."""
    files = [str(ROOT / "benches" / bench) for bench in benches]
    command = [python, "-m", "pytest", "-q", "--benchmark", f"--benchmark-json={report}"]
    environment = dict(os.environ, PYTHONDONTWRITEBYTECODE="1")
    run([*command, "-k", "pillow or textbook_fast", *files], cwd=ROOT, env=environment)
    loaded: dict[str, Any] = json.loads(report.read_text())
    return loaded


def table(results: dict[str, dict[str, Any]]) -> str:
    """A line for each group: how many times as fast as each PIL we are."""
    lines = ["| benchmark | peer | peer, ms | textbook_fast, ms | ratio |", "|---|---|---|---|---|"]
    for name, result in results.items():
        groups: dict[str, list[dict[str, Any]]] = {}
        for benchmark in result["benchmarks"]:
            groups.setdefault(benchmark["group"], []).append(benchmark)
        for group, members in sorted(groups.items()):
            ours = [member for member in members if "textbook_fast" in member["name"]]
            peers = [member for member in members if "pillow" in member["name"]]
            for peer in peers:
                for own in ours:
                    theirs, mine = peer["stats"]["min"] * 1e3, own["stats"]["min"] * 1e3
                    version = peer["extra_info"].get("peer", name)
                    label = f"{group}, {own['param']} thread(s)" if own["param"] else group
                    lines.append(
                        f"| {label} | {version} | {theirs:.1f} | {mine:.1f} | {theirs / mine:.2f} |"
                    )
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
