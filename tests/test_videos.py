"""Video records by their ids, and the samples that show them."""

from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import Any

import pytest
from conftest import Writer, record

import textbook_fast
from textbook_fast.videos import format_seconds

KEYS = {
    "file_size (MB)": "file_size_mb",
    "video_duration": "duration_seconds",
    "unique": "is_unique",
    "desc": "description",
    "asr is repetive": "asr_is_repetitive",
    "deepseek_score long context": "deepseek_score_long_context",
}


def video(vid: str, **fields: Any) -> dict[str, Any]:
    return {"file_name": f"{vid}.mp4", "language": "en", "deepseek_score": 5} | fields


@pytest.fixture
def records(example_data: Path) -> list[dict[str, Any]]:
    files = sorted((example_data / "video_meta_data").glob("*.json"))
    return [item for file in files for item in json.loads(file.read_text(encoding="utf-8"))]


@pytest.fixture
def videos(example_data: Path, tmp_path: Path) -> textbook_fast.Videos:
    for file in (example_data / "video_meta_data").glob("*.json"):
        (tmp_path / file.name).write_bytes(file.read_bytes())
    return textbook_fast.open_videos(tmp_path / "video_meta_data*.json")


def test_every_record_is_found_by_its_id(
    videos: textbook_fast.Videos, records: list[dict[str, Any]]
) -> None:
    assert len(videos) == len(records) == 20
    for position, expected in enumerate(records):
        vid = expected["file_name"].removesuffix(".mp4")
        found = videos[vid]
        assert found.to_dict() == expected == videos[position].to_dict()
        assert (found.vid, vid in videos) == (vid, True)
        assert found.url == f"https://www.youtube.com/watch?v={vid}"
        for key, value in expected.items():
            assert getattr(found, KEYS.get(key, key.replace(" ", "_"))) == value
    assert [item.vid for item in videos] == videos.vids
    assert videos[-1] == videos[len(records) - 1] == videos[18:][1]
    assert sum(videos.languages.values()) == 20


def test_what_is_not_there(videos: textbook_fast.Videos) -> None:
    with pytest.raises(KeyError, match="none of the 20 video records is of the video 'x'"):
        videos["x"]
    assert videos.get("x") is None
    assert "x" not in videos
    assert 3 not in videos
    with pytest.raises(textbook_fast.SampleIndexError, match="no video record 20"):
        videos[20]


def test_a_copy_opens_the_files_again(videos: textbook_fast.Videos) -> None:
    copy = pickle.loads(pickle.dumps(videos))
    assert list(copy) == list(videos)
    assert repr(copy).startswith("<textbook_fast.Videos: 20 records of ")


def test_a_record_without_an_id_and_two_of_one(write_json: Writer) -> None:
    path = write_json(
        [video("a", title="first"), {"title": "nameless"}, video("a", title="second"), video("b")]
    )
    videos = textbook_fast.open_videos(path)
    with pytest.warns(RuntimeWarning) as caught:
        first = videos["a"]
    assert first.title == "first"
    told = [str(warning.message) for warning in caught]
    assert [text.split(" of ")[0] for text in told] == ["1 video records", "1 video records"]
    assert "name no file" in told[0]
    assert "the first counts" in told[1]
    assert videos.duplicates == {"a": [0, 2]}
    assert videos.without_vid == [1]
    assert videos.vids == ["a", "b"]
    assert videos[1].vid is None
    assert videos[1].url is None


def test_a_value_of_another_type_is_told(write_json: Writer) -> None:
    path = write_json([video("a", title=3, language=None, unique="yes", llama_score=[7])])
    found = textbook_fast.open_videos(path)["a"]
    assert found.language is None
    for name, told in (
        ("title", "'title' has to be a string, not 3"),
        ("is_unique", "'unique' has to be true or false, not 'yes'"),
        ("llama_score", r"'llama_score' has to be a number, not \[7\]"),
    ):
        with pytest.raises(textbook_fast.RecordError, match=told):
            getattr(found, name)


def test_a_broken_record_is_told_with_its_place(write_json: Writer) -> None:
    path = write_json('[{"file_name": "a.mp4"}, {"file_name": "b.mp4", "language": "\\x"}]')
    videos = textbook_fast.open_videos(path)
    with pytest.raises(
        textbook_fast.RecordError, match=r"sample 1 .*corpus.json, record 1.*escape"
    ):
        videos.get("a")


def test_a_sample_has_its_videos(example_data: Path, tmp_path: Path) -> None:
    copy = tmp_path / "textbook_sample_100.json"
    copy.write_bytes((example_data / copy.name).read_bytes())
    given = textbook_fast.open(copy, videos=example_data / "video_meta_data/video_meta_data1.json")
    for sample in list(given)[:20]:
        vids = {frame.vid for frame in sample.keyframes if frame is not None}
        assert set(sample.videos) == vids
        for vid, found in sample.videos.items():
            assert found == given.videos.get(vid)
    ds = textbook_fast.open(copy)
    with pytest.raises(textbook_fast.SourceNotFoundError, match=r"pass videos=PATH to open\(\)"):
        _ = ds[0].videos
    (tmp_path / "video_meta_data").mkdir()
    for file in (example_data / "video_meta_data").glob("*.json"):
        (tmp_path / "video_meta_data" / file.name).write_bytes(file.read_bytes())
    found_beside = textbook_fast.open(copy)
    assert all(all(sample.videos.values()) for sample in found_beside)
    sample = pickle.loads(pickle.dumps(found_beside[3]))
    assert sample.videos == found_beside[3].videos


@pytest.fixture
def corpus(write_json: Writer) -> textbook_fast.Dataset:
    """Samples of the videos a; b; a and b; c (which has no record); none."""
    names = [["a@0_1#1.jpg"], ["b@0_1#1.jpg"], ["a@2_3#1.jpg", "b@2_3#1.jpg"], ["c@0_1#1.jpg"], []]
    videos = [
        video("a", search_keyword="Physics waves", video_duration=100, llama_score=3),
        video("b", language="de", title="physik", video_duration=900.5, deepseek_score=8),
    ]
    path = write_json([record(*of_sample) for of_sample in names])
    return textbook_fast.open(path, videos=write_json(videos, "v.json"), decode="never")


@pytest.mark.parametrize(
    ("wanted", "indices"),
    [
        ({"language": "en"}, [0]),
        ({"language": "en", "match": "any"}, [0, 2]),
        ({"language": ["en", "de"]}, [0, 1, 2]),
        ({"language": "fr"}, []),
        ({"keyword": "PHYSI"}, [0, 1, 2]),
        ({"keyword": "waves"}, [0]),
        ({"min_deepseek_score": 6}, [1]),
        ({"min_llama_score": 3}, [0]),
        ({"min_long_context_score": 0}, []),
        ({"min_duration": 500}, [1]),
        ({"max_duration": 500}, [0]),
        ({"where": lambda found: found.title == "physik"}, [1]),
        ({}, [0, 1, 2]),
    ],
)
def test_filters(corpus: textbook_fast.Dataset, wanted: dict[str, Any], indices: list[int]) -> None:
    view = corpus.filter_videos(**wanted)
    assert [sample.index for sample in view] == indices
    reversed_view = corpus[::-1].filter_videos(**wanted)
    assert [sample.index for sample in reversed_view] == indices[::-1]


def test_samples_of_a_video(corpus: textbook_fast.Dataset) -> None:
    assert [sample.index for sample in corpus.of_videos(["b"])] == [1, 2]
    assert [sample.index for sample in corpus.of_videos("b", match="all")] == [1]
    with pytest.raises(ValueError, match="match must be one of 'all', 'any', not 'some'"):
        corpus.of_videos(["b"], match="some")  # type: ignore[arg-type]


def test_places_in_a_video() -> None:
    assert [format_seconds(s) for s in (0, 59.9, 61, 3723.5, -1)] == [
        "0:00", "0:59", "1:01", "1:02:03", "0:00",
    ]  # fmt: skip
