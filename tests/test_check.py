"""The doctor: each fault by its kind and place, the summary, and the command."""

from __future__ import annotations

import gzip
import io
import json
import re
import tarfile
from pathlib import Path
from typing import Any

import pytest
from conftest import Writer, record

from textbook_fast.check import CheckReport, Finding, check
from textbook_fast.cli import main


def run(path: Path, **options: Any) -> tuple[CheckReport, list[Finding]]:
    findings: list[Finding] = []
    return check(path, on_finding=findings.append, **options), findings


@pytest.fixture
def frames(example_data: Path) -> list[Path]:
    return sorted((example_data / "sample_100_images").glob("*.jpg"))[:6]


def test_the_example_data_are_well(example_data: Path, tmp_path: Path) -> None:
    copy = tmp_path / "corpus.json"
    copy.write_bytes((example_data / "textbook_sample_100.json").read_bytes())
    for depth in ["header", "pixels"]:
        report, findings = run(copy, images=example_data / "sample_100_images", depth=depth)
        assert [finding for finding in findings if finding.severity == "error"] == []
        assert report.samples == 100
        assert report.images == report.found == sum(report.sizes.values()) == 202
        assert report.errors == 0


def test_findings_have_the_place_of_what_is_wrong(
    tmp_path: Path, write_json: Writer, frames: list[Path]
) -> None:
    images = tmp_path / "images"
    images.mkdir()
    for frame in frames:
        (images / frame.name).write_bytes(frame.read_bytes())
    cut, png, gone = (images / frame.name for frame in frames[:3])
    cut.write_bytes(frames[0].read_bytes()[:-100])
    png.write_bytes(b"\x89PNG\r\n\x1a\n")
    gone.unlink()
    first, second = record(*[frame.name for frame in frames[:3]]), record(frames[3].name)
    second["texts"][0] = "both"
    second["image_num"] = 5
    second["text_ocr_list"] = []
    path = write_json([record(frames[4].name), first, second])
    text = path.read_bytes()
    report, findings = run(path, images=images)
    seen = [(it.kind, it.sample, it.position, it.image) for it in findings]
    assert seen == [
        ("truncated", 1, 0, frames[0].name),
        ("not_jpeg", 1, 2, frames[1].name),
        ("missing", 1, 4, frames[2].name),
        ("length", 2, None, None),
        ("both", 2, 0, None),
        ("image_num", 2, None, None),
    ]
    at = [text[it.offset :].decode().split("\n")[0] for it in findings]
    assert [at[k].strip('",') for k in range(3)] == [frame.name for frame in frames[:3]]
    assert at[3].startswith("[]")
    assert at[4].startswith(f'"{frames[3].name}')
    assert at[5].startswith("5")
    assert (report.samples, report.images, report.found, report.errors) == (3, 5, 4, 6)
    assert report.counts["missing"] == 1


def test_a_prefix_that_fits_no_store_is_told_and_which_would(
    tmp_path: Path, write_json: Writer, frames: list[Path]
) -> None:
    deep = tmp_path / "data" / "interval_7"
    for frame in frames:
        vid = frame.name.rpartition("@")[0]
        (deep / vid).mkdir(parents=True, exist_ok=True)
        (deep / vid / frame.name).write_bytes(frame.read_bytes())
    paths = [f"/mnt/x/{frame.name.rpartition('@')[0]}/{frame.name}" for frame in frames]
    path = write_json([record(*paths)], "json/corpus.json")
    report, findings = run(path, images=tmp_path / "data")
    assert {finding.kind for finding in findings} == {"missing"}
    assert report.prefixes == {"/mnt/x": (0, 6)}
    assert any("no image with the prefix '/mnt/x' is in the store" in it for it in report.advice)
    assert any(it.endswith(f"pass --images {deep}") for it in report.advice)
    report, findings = run(path, images=deep)
    assert (findings, report.prefixes, report.advice) == ([], {"/mnt/x": (6, 0)}, [])


def test_without_images_the_samples_alone_are_checked(write_json: Writer) -> None:
    report, findings = run(write_json([record("a@0_1#1.jpg")]))
    assert (findings, report.images) == ([], 0)
    assert "the images were not looked for" in report.advice[0]


def test_a_cut_file_is_told_and_what_is_whole_is_checked(write_json: Writer) -> None:
    text = json.dumps([record("a.jpg"), record("b.jpg")])
    report, findings = run(write_json(text[:-40]))
    assert [(it.kind, it.sample) for it in findings] == [("cut", None), ("name", 0)]
    assert findings[0].offset == len(text) - 40
    assert (report.samples, report.errors) == (1, 1)


def test_a_broken_record_stops_nothing(write_json: Writer) -> None:
    good = json.dumps(record("a@0_1#1.jpg"))
    path = write_json(f'[{good}, {{"images": [1 2], "texts": []}}, {good}, {{"a": }}]')
    report, findings = run(path)
    assert [(it.kind, it.sample) for it in findings] == [("field", 1), ("record", 3)]
    assert report.samples == 4
    text = path.read_text()
    assert text[findings[0].offset] == "1"


def test_archives_are_checked_too(tmp_path: Path, write_json: Writer, frames: list[Path]) -> None:
    tar = tmp_path / "images.tar"
    with tarfile.open(tar, "w") as archive:
        for name in [frames[0].name, "../out.jpg", f"./{frames[0].name}"]:
            info = tarfile.TarInfo(name)
            info.size = frames[0].stat().st_size
            archive.addfile(info, io.BytesIO(frames[0].read_bytes()))
    stream = gzip.compress(tar.read_bytes(), 1)
    first, second = (tmp_path / f"images.tar.gz.part_0{k}" for k in range(2))
    first.write_bytes(stream[: len(stream) // 2])
    second.write_bytes(stream[len(stream) // 2 :])
    path = write_json([record(frames[0].name)])
    for images, place, most in (
        (tar, tar, tar.stat().st_size),
        (first, second, second.stat().st_size),
    ):
        report, findings = run(path, images=images)
        assert [(it.kind, it.severity) for it in findings] == [
            ("leads_out", "notice"),
            ("twice", "notice"),
        ]
        assert (findings[1].path, findings[1].reason) == (
            str(place),
            f'"./{frames[0].name}" occurs 2 times: this last one counts',
        )
        assert 0 < findings[1].offset < most
        assert (report.found, report.errors) == (1, 0)
    index = Path(f"{first}.tfidx")
    broken = bytearray(index.read_bytes())
    broken[120] ^= 1  # in the first page
    index.write_bytes(broken)
    report, findings = run(path, images=first)
    assert {(it.kind, it.path) for it in findings if it.sample is None} == {("damaged", str(index))}
    assert report.samples == 1


def test_what_follows_the_end_of_a_tar_is_told(
    tmp_path: Path, write_json: Writer, frames: list[Path]
) -> None:
    tar = tmp_path / "images.tar"
    with tarfile.open(tar, "w") as archive:
        archive.add(frames[0], frames[0].name)
    path, whole = write_json([record(frames[0].name)]), tar.read_bytes()
    assert run(path, images=tar)[1] == []
    tar.write_bytes(whole + bytes(3 << 20) + whole)
    report, findings = run(path, images=tar)
    assert [(it.kind, it.severity, it.offset) for it in findings] == [
        ("after_end", "notice", len(whole) + (3 << 20))
    ]
    assert report.found == 1


def test_the_command_prints_and_exits(
    tmp_path: Path, write_json: Writer, frames: list[Path], capsys: pytest.CaptureFixture[str]
) -> None:
    good = write_json([record(frames[0].name)], "good.json")
    bad = write_json([record(frames[0].name, *[f"v@0_1#{k}.jpg" for k in range(30)])], "bad.json")
    images = str(frames[0].parent)
    assert main(["check", str(good), "--images", images]) == 0
    assert "findings none" in capsys.readouterr().out
    assert main(["check", str(bad), "--images", images, "--threads", "1"]) == 1
    out = capsys.readouterr().out
    assert out.count("error missing: sample 0, position") == 20
    assert "more of these; --all prints all" in out
    assert "findings missing: 30" in out
    assert main(["check", str(bad), "--images", images, "--all", "--pixels"]) == 1
    assert capsys.readouterr().out.count("error missing: sample 0, position") == 30
    assert main(["check", str(bad), "--images", images, "--json"]) == 1
    *lines, last = map(json.loads, capsys.readouterr().out.splitlines())
    assert [line["position"] for line in lines] == list(range(2, 62, 2))
    assert {line["kind"] for line in lines} == {"missing"}
    assert last["summary"]["counts"] == {"missing": 30}
    assert re.fullmatch(r"\d+x\d+", next(iter(last["summary"]["sizes"])))
    assert main(["check", str(tmp_path / "nothing.json")]) == 1


def test_threads_change_nothing(tmp_path: Path, example_data: Path) -> None:
    copy = tmp_path / "corpus.json"
    text = (example_data / "textbook_sample_100.json").read_text()
    copy.write_text(re.sub(r"@(\d)", r"@1\1", text))  # names that are not there
    options = {"images": example_data / "sample_100_images"}
    serial, one = run(copy, threads=1, **options)
    parallel, other = run(copy, threads=4, **options)
    assert one == other
    assert len(one) >= 202
    assert serial == parallel
