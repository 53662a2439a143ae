"""The command line, as it is called."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import Writer, record

import textbook_fast
from textbook_fast.cli import main
from textbook_fast.cli_archive import ProgressLine


@pytest.fixture
def corpus(example: textbook_fast.Dataset) -> str:
    return example.paths[0]


@pytest.fixture
def images(example_data: Path) -> str:
    return str(example_data / "sample_100_images")


def test_index(corpus: str, capsys: pytest.CaptureFixture[str]) -> None:
    Path(f"{corpus}.tfidx").unlink()
    assert main(["index", corpus]) == 0
    assert "100 samples, index built in" in capsys.readouterr().out
    assert main(["index", corpus]) == 0
    assert f"index read in {corpus}.tfidx" in capsys.readouterr().out
    assert main(["index", "--rebuild", "--json", corpus]) == 0
    (info,) = json.loads(capsys.readouterr().out)
    assert (info["samples"], info["layout"]) == (100, "array")
    assert info["built_in_seconds"] > 0


def test_info(corpus: str, images: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["info", corpus, "--images", images]) == 0
    out = capsys.readouterr().out
    assert "100 samples" in out
    assert "images, texts, text_ocr_list" in out
    assert images in out
    assert main(["info", corpus, "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert (report["samples"], report["images"]) == (100, [])


def test_show(corpus: str, images: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["show", corpus, "0", "--images", images]) == 0
    out = capsys.readouterr().out
    sample = textbook_fast.open(corpus, images=images)[0]
    for k, (path, text) in enumerate(zip(sample.image_paths, sample.texts, strict=True)):
        if path is not None:
            height, width, _ = sample.image(k).shape
            kilobytes = len(sample.image_bytes(k) or b"") / 1e3
            assert f"[image {path}: {width} x {height}, {kilobytes:.1f} kB]" in out
        else:
            assert str(text) in out
    assert main(["show", corpus, "-1", "--json", "--images", images]) == 0
    (described,) = json.loads(capsys.readouterr().out)
    assert described["index"] == 99


def test_show_by_id_also_one_that_begins_with_a_hyphen(
    write_json: Writer, capsys: pytest.CaptureFixture[str]
) -> None:
    path = str(write_json([record("--0123abc_-@0.1_2.5#1.jpg"), record("-1uixJ1V-As@0_9#2.jpg")]))
    for vid, index in (("-1uixJ1V-As", 1), ("--0123abc_-", 0)):
        assert main(["show", path, vid]) == 0
        assert f"sample {index} of" in capsys.readouterr().out
        assert main(["show", "--json", "--", path, vid]) == 0
        assert json.loads(capsys.readouterr().out)[0]["index"] == index
    assert main(["show", path, "-nothingHere"[:11]]) == 1
    assert "no sample has a keyframe of the video" in capsys.readouterr().err


def test_show_says_which_images_are_missing(
    corpus: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "empty").mkdir()
    assert main(["show", corpus, "0", "--images", str(tmp_path / "empty")]) == 0
    assert "not found in" in capsys.readouterr().out


def test_bench(corpus: str, images: str, capsys: pytest.CaptureFixture[str]) -> None:
    Path(f"{corpus}.tfidx").unlink()
    assert main(["bench", corpus, "--images", images, "--threads", "2"]) == 0
    out = capsys.readouterr().out
    for words in ("too small for GB/s", "2 (threads argument)", "images/s", "peak RSS", "SIMD"):
        assert words in out
    assert not Path(f"{corpus}.tfidx").exists()
    assert main(["bench", corpus, "--images", images, "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert (report["samples"], report["images"], report["images_failed"]) == (100, 202, 0)
    assert report["index_gb_per_second"] is None


def test_bench_counts_what_fails(
    corpus: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "empty").mkdir()
    assert main(["bench", corpus, "--images", str(tmp_path / "empty")]) == 0
    out = capsys.readouterr().out
    assert "failed" in out
    assert "202: sample" in out


def test_bench_synthetic(images: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "--synthetic", "5", "--keyframes", images, "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert (report["samples"], report["images_failed"]) == (5, 0)
    assert "202 files, over and over" in report["note"]
    assert 5_000 < report["json_bytes"] / 5 < 60_000


def test_wrong_calls(corpus: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["show", corpus, "1000"]) == 1
    assert (
        capsys.readouterr().err == "textbook-fast: there is no sample 1000: the dataset has 100\n"
    )
    assert main(["bench"]) == 1
    assert main(["bench", corpus, "--synthetic", "3"]) == 1
    assert main(["info", "/nowhere.json"]) == 1
    capsys.readouterr()
    assert main(["index", str(Path(corpus).parent)]) == 1
    assert "there is nothing to index in" in capsys.readouterr().err
    for wrong in (["show", corpus], ["dance"], []):
        with pytest.raises(SystemExit) as caught:
            main(wrong)
        assert caught.value.code == 2


def test_progress_is_that_of_this_call(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    clock = [0.0]
    monkeypatch.setattr("textbook_fast.cli_archive.time.monotonic", lambda: clock[0])
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    line = ProgressLine("packing", "bytes")
    for seconds, done in [(1, 600_000_000), (2, 650_000_000), (11, 700_000_000)]:
        clock[0] = seconds
        line.tell(done, 4_300_000_000)
    shown = capsys.readouterr().err.split("\r\x1b[K")
    assert shown[1] == "packing: 600 of 4,300 MB"
    assert shown[-1] == "packing: 700 of 4,300 MB, 10.0 MB/s, 0:06:00 left"


def test_help_has_an_example_each(capsys: pytest.CaptureFixture[str]) -> None:
    for command in ("index", "info", "show", "bench"):
        with pytest.raises(SystemExit) as caught:
            main([command, "--help"])
        assert caught.value.code == 0
        assert f"example:\n  textbook-fast {command}" in capsys.readouterr().out


def test_the_module_and_the_script_run(corpus: str) -> None:
    script = Path(sys.executable).with_name("textbook-fast")
    for command in ([sys.executable, "-m", "textbook_fast"], [str(script)]):
        done = subprocess.run([*command, "info", corpus], capture_output=True, text=True)
        assert (done.returncode, done.stderr) == (0, "")
        assert "100 samples" in done.stdout
