"""What tests and benchmarks share: the `--benchmark` option and where pictures come from."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("textbook_fast")
    group.addoption(
        "--benchmark",
        action="store_true",
        help="time the benchmarks in benches/ (without it each body runs once, untimed)",
    )
    group.addoption(
        "--benchmark-corpus-mb",
        type=float,
        default=None,
        metavar="MB",
        help="size of the generated corpus in MB (default: 256 with --benchmark, else 1)",
    )


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    if not config.getoption("--benchmark"):
        config.option.benchmark_disable = True
    elif config.args_source is not pytest.Config.ArgsSource.ARGS:
        config.args = [str(ROOT / "benches")]


@pytest.fixture(scope="session")
def example_data() -> Path:
    """The folder with the 100 example samples."""
    return ROOT / "example_data"


@pytest.fixture(scope="session")
def keyframe_files(example_data: Path) -> list[Path]:
    """JPEG keyframes: of TEXTBOOK_FAST_KEYFRAMES where it is set, else of example_data/."""
    folder = os.environ.get("TEXTBOOK_FAST_KEYFRAMES") or example_data / "sample_100_images"
    files = sorted(Path(folder).rglob("*.jpg"))
    assert files, f"no .jpg files below {folder}"
    return files
