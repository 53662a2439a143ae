"""Images of samples: spellings, layouts, discovery, errors, decoding when."""

from __future__ import annotations

import io
import shutil
import sys
import types
from pathlib import Path

import numpy as np
import pytest
from conftest import Writer, record
from PIL import Image as PillowImage

import textbook_fast
from textbook_fast import Dataset, ImageError, Keyframe

NAMES = ("-a_b@0.1_2.30000000004#3.jpg", "Q9z-_@51000.0_51010.5#1.jpg")
AUTHORS = "/mnt/authors/interval_7"


def folder_of(name: str) -> str:
    return name.rpartition("@")[0]


@pytest.fixture
def keyframe(keyframe_files: list[Path]) -> bytes:
    return keyframe_files[0].read_bytes()


def lay_out(root: Path, layout: str, keyframe: bytes) -> None:
    for name in NAMES:
        place = (
            root
            / {"flat": ".", "vid": folder_of(name), "deep": f"interval_7/{folder_of(name)}"}[layout]
        )
        place.mkdir(parents=True, exist_ok=True)
        (place / name).write_bytes(keyframe)


@pytest.mark.parametrize("layout", ["flat", "vid"])
@pytest.mark.parametrize("spelling", ["flat", "vid", "absolute"])
def test_every_spelling_is_found_in_every_layout(
    write_json: Writer, tmp_path: Path, keyframe: bytes, layout: str, spelling: str
) -> None:
    lay_out(tmp_path / "images", layout, keyframe)
    prefix = {"flat": "", "vid": "{}/", "absolute": AUTHORS + "/{}/"}[spelling]
    path = write_json([record(*(prefix.format(folder_of(name)) + name for name in NAMES))])
    given = textbook_fast.open(path, images=tmp_path / "images")
    found = textbook_fast.open(path)
    for ds in (given, found):
        assert [ds[0].image_bytes(k) for k in (0, 2)] == [keyframe, keyframe]
        assert ds.image_roots == (str(tmp_path / "images"),)
    assert given.read_image(NAMES[0]) == keyframe


def test_patched_absolute_paths_are_found_where_they_point(
    write_json: Writer, tmp_path: Path, keyframe: bytes
) -> None:
    root = tmp_path / "far" / "away"
    lay_out(root, "vid", keyframe)
    path = write_json(
        [record(*(f"{root}/{folder_of(name)}/{name}" for name in NAMES))], "json/x.json"
    )
    ds = textbook_fast.open(path)
    assert ds[0].image_bytes(0) == keyframe
    assert ds.image_roots == (str(root),)


def test_without_a_folder_texts_are_there_and_images_raise(write_json: Writer) -> None:
    ds = textbook_fast.open(write_json([record(*NAMES)]), on_error="mark")
    assert ds[0].texts[1] == f"said {NAMES[0]}"
    with pytest.raises(FileNotFoundError, match="pass images=FOLDER"):
        _ = ds[0].images


def test_a_folder_that_is_not_there_is_said_at_once(write_json: Writer, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="nowhere"):
        textbook_fast.open(write_json([]), images=tmp_path / "nowhere")
    with pytest.raises(textbook_fast.SourceError):
        textbook_fast.open(write_json([]), images=write_json([]))


def test_images_are_arrays_aligned_with_texts(example: Dataset, example_data: Path) -> None:
    sample = max(example, key=lambda sample: sample.image_num or 0)
    assert sample.images is sample.images
    assert len(sample.images) == len(sample.texts)
    for k, (image, text, path) in enumerate(
        zip(sample.images, sample.texts, sample.image_paths, strict=True)
    ):
        assert (image is None) == (path is None) == (text is not None)
        if image is None:
            assert sample.image(k) is None
            assert sample.image_bytes(k) is None
            continue
        assert isinstance(image, np.ndarray)
        assert image.dtype == np.uint8
        assert (image.ndim, image.shape[2]) == (3, 3)
        assert image.flags.c_contiguous
        assert image.flags.writeable
        assert sample.image(k) is image
        assert (
            sample.image_bytes(k) == (example_data / "sample_100_images" / str(path)).read_bytes()
        )
    fresh = example[sample.index]
    alone = fresh.image(-2)
    assert np.array_equal(alone, sample.images[-2])
    with pytest.raises(IndexError):
        fresh.image(len(fresh.texts))


def test_interleaved_is_the_reading_order(example: Dataset) -> None:
    sample = example[0]
    items = list(sample.interleaved())
    expected = ["image" if path is not None else "text" for path in sample.image_paths]
    assert [kind for kind, _ in items] == expected
    assert [item for kind, item in items if kind == "text"] == [t for t in sample.texts if t]


def test_keyframes_are_parsed_from_the_right(write_json: Writer) -> None:
    path = write_json([record(f"{AUTHORS}/-a_b/{NAMES[0]}", "photo.jpg")])
    frames = textbook_fast.open(path)[0].keyframes
    assert frames == [Keyframe(NAMES[0], "-a_b", 0.1, 2.30000000004, 3), None, None, None]
    assert frames[0] is not None
    assert frames[0].url == "https://www.youtube.com/watch?v=-a_b&t=0s"


@pytest.fixture
def broken(write_json: Writer, tmp_path: Path, keyframe: bytes) -> Path:
    """Six images: good, missing, empty, cut, GIF, a page of an error."""
    root = tmp_path / "images"
    lay_out(root, "flat", keyframe)
    gif = io.BytesIO()
    PillowImage.new("RGB", (4, 4)).save(gif, "GIF")
    bad = {
        "empty": b"",
        "cut": keyframe[:-3000],
        "gif": gif.getvalue(),
        "html": b"<html>404</html>",
    }
    for name, data in bad.items():
        (root / f"{name}@0_1#1.jpg").write_bytes(data)
    names = [NAMES[0], *(f"{name}@0_1#1.jpg" for name in ("missing", *bad))]
    return write_json([record(*names), record(NAMES[1])])


def test_marked_errors_say_which_why_and_where(broken: Path, tmp_path: Path) -> None:
    ds = textbook_fast.open(broken, images=tmp_path / "images", on_error="mark")
    images = ds[0].images
    assert isinstance(images[0], np.ndarray)
    errors = [images[k] for k in (2, 4, 6, 8, 10)]
    kinds = ["missing", "empty", "truncated", "not_jpeg", "not_jpeg"]
    words = ["not found in", "0 bytes", "it is cut", "GIF", "HTML"]
    for position, error, kind, word in zip((2, 4, 6, 8, 10), errors, kinds, words, strict=True):
        assert isinstance(error, ImageError)
        assert [bool(error)] == [False]
        assert (error.sample, error.position, error.kind) == (0, position, kind)
        assert word in str(error)
        assert f"sample 0, image {position} (" in str(error)
    assert isinstance(errors[0], textbook_fast.ImageNotFoundError)
    assert issubclass(textbook_fast.ImageNotFoundError, FileNotFoundError)
    kinds_left = [kind for kind, _ in ds[0].interleaved()]
    assert (kinds_left.count("image"), kinds_left.count("text")) == (1, 6)


def test_raised_errors_name_the_first_and_count_the_others(broken: Path, tmp_path: Path) -> None:
    ds = textbook_fast.open(broken, images=tmp_path / "images")
    with pytest.raises(textbook_fast.ImageNotFoundError, match=r"sample 0, image 2") as caught:
        _ = ds[0].images
    assert caught.value.__notes__ == ["4 more of this sample's images cannot be had"]
    with pytest.raises(ImageError, match="empty"):
        ds[0].image(4)
    assert ds[0].image_bytes(4) == b""
    with pytest.raises(ImageError, match=r"sample 0, image 2"):
        ds[0].image_bytes(2)
    assert isinstance(ds[1].images[0], np.ndarray)


def test_a_hostile_path_stays_inside_the_folder(write_json: Writer, tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    (tmp_path / "secret.jpg").write_bytes(b"secret")
    hostile = [
        "../secret.jpg",
        "a/../../secret.jpg",
        "\0",
        "/etc/passwd",
        "..@0_1#1.jpg",
        "x" * 5000,
    ]
    ds = textbook_fast.open(
        write_json([record(*hostile)]), images=tmp_path / "images", on_error="mark"
    )
    assert all(isinstance(image, ImageError) for image in ds[0].images[::2])


def test_decode_says_when(
    example: Dataset, example_data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    images = example_data / "sample_100_images"

    def is_decoded(ds: Dataset) -> list[bool]:
        return [ds[0]._images is not None, ds.__getitems__([1, 2])[1]._images is not None]

    path = example.paths[0]
    assert is_decoded(textbook_fast.open(path, images=images)) == [False, False]
    assert is_decoded(textbook_fast.open(path, images=images, decode="eager")) == [True, True]
    never = textbook_fast.open(path, images=images, decode="never")
    assert is_decoded(never) == [False, False]
    with pytest.raises(textbook_fast.TextbookError, match="decode='never'"):
        _ = never[0].images
    assert never[0].image_bytes(0) == example[0].image_bytes(0)
    # A data loader's worker is seen through sys.modules, without importing torch.
    data = types.ModuleType("torch.utils.data")
    data.get_worker_info = object  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "torch.utils.data", data)
    assert is_decoded(textbook_fast.open(path, images=images)) == [True, True]
    assert is_decoded(textbook_fast.open(path, images=images, decode="lazy")) == [False, False]
    assert textbook_fast.threads.choose_threads(None) == (1, "one in a DataLoader worker")


def test_pictures_of_a_batch_equal_those_one_by_one(example: Dataset, example_data: Path) -> None:
    eager = textbook_fast.open(
        example.paths[0], images=example_data / "sample_100_images", decode="eager", threads=3
    )
    for together, alone in zip(eager.__getitems__(range(0, 100, 7)), example[::7], strict=True):
        for a, b in zip(together.images, alone.images, strict=True):
            assert (a is None) == (b is None)
            assert a is None or np.array_equal(a, b)


def test_several_roots(write_json: Writer, tmp_path: Path, keyframe: bytes) -> None:
    for part, name in zip("ab", NAMES, strict=True):
        (tmp_path / part).mkdir()
        (tmp_path / part / name).write_bytes(keyframe)
    ds = textbook_fast.open(write_json([record(*NAMES)]), images=[tmp_path / "a", tmp_path / "b"])
    assert ds[0].image_bytes(0) == ds[0].image_bytes(2) == keyframe
    shutil.rmtree(tmp_path / "b")
    with pytest.raises(textbook_fast.ImageNotFoundError):
        ds[0].image_bytes(2)


def other_format(name: str, size: tuple[int, int] = (20, 10)) -> bytes:
    out = io.BytesIO()
    colors = np.arange(size[0] * size[1] * 3, dtype=np.uint8).reshape(size[1], size[0], 3)
    PillowImage.fromarray(colors).save(out, name, lossless=True)
    return out.getvalue()


@pytest.mark.parametrize("name", ["PNG", "WEBP"])
def test_other_formats_go_through_pillow(
    write_json: Writer, tmp_path: Path, keyframe: bytes, name: str
) -> None:
    data = other_format(name)
    (tmp_path / NAMES[0]).write_bytes(data)
    (tmp_path / NAMES[1]).write_bytes(keyframe)
    ds = textbook_fast.open(write_json([record(*NAMES)]), images=tmp_path)
    expected = np.asarray(PillowImage.open(io.BytesIO(data)).convert("RGB"))
    ((sample,),) = textbook_fast.Loader(ds, 4)
    assert np.array_equal(sample.images[0], expected)
    images = ds[0].images
    assert np.array_equal(images[0], expected)
    assert images[0].flags.writeable
    assert np.array_equal(images[2], textbook_fast.decode_jpeg(keyframe))


@pytest.mark.parametrize("name", ["PNG", "WEBP"])
def test_other_formats_without_pillow_are_named(
    write_json: Writer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    (tmp_path / NAMES[0]).write_bytes(other_format(name))
    ds = textbook_fast.open(write_json([record(NAMES[0])]), images=tmp_path)
    monkeypatch.setitem(sys.modules, "PIL.Image", None)
    monkeypatch.setitem(sys.modules, "PIL", None)
    with pytest.raises(ImageError, match=r"sample 0, image 0 .*textbook-fast\[pillow\]") as caught:
        _ = ds[0].images
    assert caught.value.kind == "not_jpeg"
    assert {"PNG": "PNG", "WEBP": "WebP"}[name] in str(caught.value)


def test_other_formats_keep_the_pixel_limit_and_their_errors(
    write_json: Writer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / NAMES[0]).write_bytes(other_format("PNG"))
    (tmp_path / NAMES[1]).write_bytes(other_format("PNG")[:60])
    ds = textbook_fast.open(write_json([record(*NAMES)]), images=tmp_path, on_error="mark")
    broken = ds[0].images[2]
    assert isinstance(broken, ImageError)
    assert (broken.kind, broken.image) == ("corrupt", NAMES[1])
    monkeypatch.setattr(textbook_fast, "MAX_IMAGE_PIXELS", 199)
    large = ds[0].images[0]
    assert isinstance(large, ImageError)
    assert (large.kind, large.position) == ("too_many_pixels", 0)
    assert "20 x 10 pixels" in str(large)
