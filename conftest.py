"""What tests and benchmarks share: the `--benchmark` option, pictures, small corpora."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

import pytest

import textbook_fast
from textbook_fast.synthetic import Layout, records, write_corpus

ROOT = Path(__file__).resolve().parent
# Of the synthetic corpora, as of the dataset.
BYTES_PER_SAMPLE = 20_000


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


Writer: TypeAlias = Callable[..., Path]


@pytest.fixture
def write_json(tmp_path: Path) -> Writer:
    """A function that writes records as one indented array and returns the path."""

    def write(records: list[dict[str, Any]] | str | bytes, name: str = "corpus.json") -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(records, bytes):
            path.write_bytes(records)
        elif isinstance(records, str):
            path.write_text(records, encoding="utf-8")
        else:
            path.write_text(json.dumps(records, ensure_ascii=False, indent=4), encoding="utf-8")
        return path

    return write


def record(*images: str, text: str = "said") -> dict[str, Any]:
    """A record with these images, each followed by a text."""
    rows = [row for image in images for row in ((image, None), (None, f"{text} {image}"))]
    return {
        "images": [row[0] for row in rows],
        "texts": [row[1] for row in rows],
        "text_ocr_list": [row[1] for row in rows],
        "metadata": [],
        "image_num": len(images),
        "text_num": 7,
        "token_num": 7 + 576 * len(images),
    }


@pytest.fixture
def example(example_data: Path, tmp_path: Path) -> textbook_fast.Dataset:
    """The example dataset, its index kept out of the checkout."""
    copy = tmp_path / "textbook_sample_100.json"
    copy.write_bytes((example_data / "textbook_sample_100.json").read_bytes())
    return textbook_fast.open(copy, images=example_data / "sample_100_images")


@pytest.fixture(scope="session")
def corpus_samples(pytestconfig: pytest.Config) -> int:
    """How many samples make a corpus of the asked size."""
    asked = pytestconfig.getoption("--benchmark-corpus-mb")
    if asked is None:
        asked = 256 if pytestconfig.getoption("--benchmark") else 1
    return max(10, int(asked * 1e6 / BYTES_PER_SAMPLE))


@pytest.fixture(scope="session", params=["indent", "compact"])
def corpus(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, corpus_samples: int
) -> Path:
    """A corpus of the asked size, indented and compact."""
    layout: Layout = request.param
    path = tmp_path_factory.mktemp("corpus") / f"{layout}.json"
    write_corpus(path, corpus_samples, layout=layout)
    return path


@pytest.fixture(scope="session")
def sample_texts() -> list[bytes]:
    """Records of the real proportions, indented as in the dataset."""
    return [json.dumps(record, ensure_ascii=False, indent=4).encode() for record in records(40)]
