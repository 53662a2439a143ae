"""Other paths in a copy of a file, and not a byte else."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import zipfile
from pathlib import Path
from typing import Any

import pytest
from conftest import Writer, record

import textbook_fast
from textbook_fast.cli import main
from textbook_fast.synthetic import write_corpus

PREFIX = "/mnt/workspace/zwq_data/interleaved_dataset/dataset_images_interval_7"


def layouts(records: list[Any]) -> dict[str, bytes]:
    """The same records as files are written."""
    indented = json.dumps(records, ensure_ascii=False, indent=4)
    return {
        "indented": indented.encode(),
        "compact": json.dumps(records, separators=(",", ":")).encode(),
        "windows": b"\xef\xbb\xbf" + indented.replace("\n", "\r\n").encode(),
        "lines": "".join(json.dumps(item) + "\n" for item in records).encode(),
        "odd": b" \n[ " + b" ,\t".join(json.dumps(item).encode() for item in records) + b"\n ]\n\n",
    }


@pytest.fixture
def images(tmp_path: Path) -> Path:
    root = tmp_path / "my images"
    for vid, name in (("a", "a@0_1#1.jpg"), ("b", "b@0.5_1.2#2.jpg")):
        (root / vid).mkdir(parents=True)
        (root / vid / name).write_bytes(b"x")
    return root


@pytest.mark.parametrize("layout", ["indented", "compact", "windows", "lines", "odd"])
def test_only_the_prefix_changes(
    write_json: Writer, tmp_path: Path, images: Path, layout: str
) -> None:
    records = [
        record(f"{PREFIX}/a/a@0_1#1.jpg", f"{PREFIX}/b/b@0.5_1.2#2.jpg", text=f"{PREFIX}/a é 漢"),
        record() | {"x": 1.50},
    ]
    path = write_json(layouts(records)[layout])
    out = tmp_path / "out.json"
    report = textbook_fast.rewrite_paths(path, out, image_root=images)
    assert (report.rewritten, report.kept, report.missing) == (2, 0, 0)
    expected = path.read_bytes()
    for name in ("a/a@0_1#1.jpg", "b/b@0.5_1.2#2.jpg"):
        old, new = json.dumps(f"{PREFIX}/{name}"), json.dumps(f"{images}/{name}")
        assert expected.count(old.encode()) == 1
        expected = expected.replace(old.encode(), new.encode())
    assert out.read_bytes() == expected
    assert sorted(os.listdir(tmp_path)) == ["corpus.json", "my images", "out.json"]
    assert textbook_fast.open(out, images=images)[0].image_bytes(0) == b"x"


def test_relative_paths_and_the_example_data(example_data: Path, tmp_path: Path) -> None:
    source = example_data / "textbook_sample_100.json"
    out = tmp_path / "out.json"
    root = example_data / "sample_100_images"
    report = textbook_fast.rewrite_paths(source, out, image_root=root)
    assert (report.rewritten, report.kept) == (202, 0)
    before = json.loads(source.read_text(encoding="utf-8"))
    for old, new in zip(before, json.loads(out.read_text(encoding="utf-8")), strict=True):
        assert new["images"] == [path and f"{root}/{path}" for path in old["images"]]
        assert new | {"images": old["images"]} == old


def test_clips_are_rewritten_in_all_their_lists(example_data: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(example_data / "multimodal_textbook_meta_data.json.zip") as archive:
        archive.extractall(tmp_path)
    source = tmp_path / "multimodal_textbook_meta_data.json"
    out = tmp_path / "out.json"
    root = example_data / "sample_100_images"
    report = textbook_fast.rewrite_paths(source, out, image_root=root, missing="count")
    lists = ("extracted_frames", "ocr_image", "keyframe_ssim")
    for old, new in zip(
        json.loads(source.read_text(encoding="utf-8")),
        json.loads(out.read_text(encoding="utf-8")),
        strict=True,
    ):
        for clip, rewritten in zip(old["conversations"], new["conversations"], strict=True):
            for name in lists:
                if name in clip:
                    assert rewritten.pop(name) == [f"{root}/{path}" for path in clip.pop(name)]
        assert old == new
    # The example images lie flat, so with their vid before them they are not there.
    assert report.missing == report.rewritten > 600


def test_missing_images(write_json: Writer, tmp_path: Path, images: Path) -> None:
    path = write_json([record("a/a@0_1#1.jpg"), record("c/c@0_1#1.jpg", "unknown.jpg")])
    out = tmp_path / "out.json"
    with pytest.raises(
        textbook_fast.ImageNotFoundError, match="2 of 3 images are not there"
    ) as caught:
        textbook_fast.rewrite_paths(path, out, image_root=images)
    assert (caught.value.sample, caught.value.image) == (1, f"{images}/c/c@0_1#1.jpg")
    assert sorted(os.listdir(tmp_path)) == ["corpus.json", "my images"]
    report = textbook_fast.rewrite_paths(path, out, image_root=images, missing="count")
    assert (report.rewritten, report.kept, report.missing) == (2, 1, 2)
    assert report.examples == [(1, f"{images}/c/c@0_1#1.jpg"), (1, "unknown.jpg")]
    assert out.exists()
    report = textbook_fast.rewrite_paths(
        path, out, image_root=images, missing="skip", overwrite=True
    )
    assert (report.missing, report.examples) == (0, [])


def test_an_explicit_prefix(write_json: Writer, tmp_path: Path, images: Path) -> None:
    path = write_json([record("/old/x/1.jpg", "/older/1.jpg")])
    out = tmp_path / "out.json"
    report = textbook_fast.rewrite_paths(
        path, out, image_root=images, prefix="/old/", missing="count"
    )
    assert (report.rewritten, report.kept) == (1, 1)
    paths = [path for path in textbook_fast.open(out)[0].image_paths if path]
    assert paths == [f"{images}/x/1.jpg", "/older/1.jpg"]


def test_what_cannot_be_done_is_told_and_leaves_nothing(
    write_json: Writer, tmp_path: Path, images: Path
) -> None:
    path = write_json([record("a/a@0_1#1.jpg")])
    out = tmp_path / "out.json"
    out.write_bytes(b"precious")
    with pytest.raises(textbook_fast.SourceError, match="exists: choose another name"):
        textbook_fast.rewrite_paths(path, out, image_root=images)
    with pytest.raises(textbook_fast.SourceNotFoundError, match="there is no folder"):
        textbook_fast.rewrite_paths(path, tmp_path / "new", image_root=tmp_path / "no")
    with pytest.raises(textbook_fast.SourceNotFoundError, match="cannot create"):
        textbook_fast.rewrite_paths(path, tmp_path / "no" / "new", image_root=images)
    broken = write_json('[{"images": ["a/a@0_1#1.jpg"]}, {"images": [3]}]', "broken.json")
    with pytest.raises(textbook_fast.RecordError, match=r"sample 1 .*expected a string or null"):
        textbook_fast.rewrite_paths(broken, out, image_root=images, overwrite=True)
    with pytest.raises(ValueError, match="missing must be one of 'raise', 'count', 'skip'"):
        textbook_fast.rewrite_paths(path, out, image_root=images, missing="x")  # type: ignore[arg-type]
    assert out.read_bytes() == b"precious"
    assert not [name for name in os.listdir(tmp_path) if "tmp" in name or name == "new"]


def test_a_file_may_be_rewritten_in_its_place(write_json: Writer, images: Path) -> None:
    path = write_json([record("a/a@0_1#1.jpg")])
    textbook_fast.rewrite_paths(path, path, image_root=images, overwrite=True)
    assert textbook_fast.open(path)[0].image_paths[0] == f"{images}/a/a@0_1#1.jpg"


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_an_interrupted_rewrite_leaves_no_file_under_the_final_name(
    tmp_path: Path, images: Path, how: signal.Signals
) -> None:
    source = tmp_path / "source.json"
    write_corpus(source, 3000, layout="indent")
    textbook_fast.open(source, decode="never")  # leaves an index
    out = tmp_path / "out.json"
    command = [sys.executable, "-m", "textbook_fast", "rewrite-paths", str(source), str(out)]
    options = ["--image-root", str(images), "--missing", "count", "--threads", "1"]
    with subprocess.Popen([*command, *options], stderr=subprocess.PIPE) as process:
        patience = time.monotonic() + 60
        while not list(tmp_path.glob(".out.json.*.tmp")) and time.monotonic() < patience:
            time.sleep(0.001)
        process.send_signal(how)
        process.wait(60)
    assert not out.exists() or process.returncode == 0
    if how == signal.SIGINT:
        assert process.returncode in {130, 0}
        assert not list(tmp_path.glob(".out.json.*.tmp"))


def test_the_command(
    write_json: Writer, tmp_path: Path, images: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write_json([record("a/a@0_1#1.jpg", "c/c@0_1#1.jpg")])
    out = str(tmp_path / "out.json")
    call = ["rewrite-paths", str(path), out, "--image-root", str(images)]
    assert main(call) == 1
    assert "1 of 2 images are not there" in capsys.readouterr().err
    assert main([*call, "--missing", "count"]) == 0
    printed = capsys.readouterr()
    assert printed.out == "2 paths rewritten, 0 left as they were\n"
    assert f"sample 0: {images}/c/c@0_1#1.jpg" in printed.err
    assert main([*call, "--missing", "skip", "--overwrite", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["rewritten"] == 2
