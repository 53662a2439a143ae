"""Images of cut and broken files, filled as training code has Pillow fill them today."""

from __future__ import annotations

import io
import pickle
import tarfile
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import record
from numpy.typing import NDArray
from PIL import Image as PillowImage
from PIL import ImageFile

import textbook_fast
from textbook_fast import DamagedJpegWarning, Dataset, ImageError, ImageTransform, Loader

# Where files are cut; None leaves one whole.
CUTS: tuple[float | None, ...] = (None, 0.3, 0.6, None, 0.95, None)
NAMES = [f"-1uixJ1V-As@{k}.0_{k + 1}.0#1.jpg" for k in range(len(CUTS))]
# Sample and position of the images that are cut.
DAMAGED = [(0, 2), (1, 0), (2, 0)]

FLOATS = ImageTransform(size=(64, 48), layout="CHW", dtype="float32", mean=(0.5, 0.4, 0.3))
TRANSFORMS = {
    "none": None,
    "rows": FLOATS,  # the fused row path
    "crop": ImageTransform(size=56, fit="crop", filter="lanczos"),
    "pad": ImageTransform(size=72, fit="pad"),
    "oriented": ImageTransform(size=64, orientation="exif"),
    "function": lambda pixels: pixels[::2, ::3],
}


@pytest.fixture
def files(keyframe_files: list[Path]) -> dict[str, bytes]:
    """Six keyframes by their names, three of them cut."""
    found = {}
    for name, cut, path in zip(NAMES, CUTS, keyframe_files, strict=False):
        data = path.read_bytes()
        start = data.index(b"\xff\xda") + 20
        found[name] = data if cut is None else data[: start + int(cut * (len(data) - start))]
    return found


@pytest.fixture
def corpus(write_json: Callable[..., Path]) -> Path:
    return write_json([record(*NAMES[k : k + 2]) for k in (0, 2, 4)])


@pytest.fixture(params=["folder", "tar", "tar.gz"])
def images(request: pytest.FixtureRequest, files: dict[str, bytes], tmp_path: Path) -> Path:
    if request.param == "folder":
        folder = tmp_path / "images"
        folder.mkdir()
        for name, data in files.items():
            (folder / name).write_bytes(data)
        return folder
    path = tmp_path / f"images.{request.param}"
    with tarfile.open(path, "w:gz" if request.param == "tar.gz" else "w") as tar:
        for name, data in files.items():
            member = tarfile.TarInfo(f"dataset_images_interval_7/-1uixJ1V-As/{name}")
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    return path


@pytest.fixture
def pillows(files: dict[str, bytes]) -> Iterator[list[NDArray[np.uint8]]]:
    """What Pillow makes of the files, with LOAD_TRUNCATED_IMAGES."""
    ImageFile.LOAD_TRUNCATED_IMAGES = True
    yield [np.array(PillowImage.open(io.BytesIO(files[name])).convert("RGB")) for name in NAMES]
    ImageFile.LOAD_TRUNCATED_IMAGES = False


def same(images: list[Any], expected: list[Any]) -> None:
    found = [image for image in images if image is not None]
    assert len(found) == len(expected)
    for ours, theirs in zip(found, expected, strict=True):
        assert ours.dtype == theirs.dtype
        assert np.array_equal(ours, theirs)


def filled(corpus: Path, images: Path, transform: Any = None, **options: Any) -> Dataset:
    return textbook_fast.open(
        corpus, images=images, transform=transform, truncated="fill", **options
    )


@pytest.mark.parametrize("kind", TRANSFORMS)
def test_filled_images_are_pillows(
    corpus: Path, images: Path, pillows: list[NDArray[np.uint8]], kind: str
) -> None:
    transform = TRANSFORMS[kind]
    expected = pillows if transform is None else [transform(pixels) for pixels in pillows]
    ds = filled(corpus, images, transform)
    with pytest.warns(DamagedJpegWarning, match=r"sample 0, image 2 .* was filled") as caught:
        lazily = [sample.images for sample in ds]
    assert len(caught) == 1, "one warning for all"
    same([image for of_sample in lazily for image in of_sample], expected)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DamagedJpegWarning)
        together = filled(corpus, images, transform, decode="eager").__getitems__([2, 0, 1])
        in_turn = [image for k in (1, 2, 0) for image in together[k].images]
        same(in_turn, expected)
        loader = Loader(filled(corpus, images, transform), 2, threads=2)
        samples = [sample for batch in loader for sample in batch]
        same([image for sample in samples for image in sample.images], expected)
        assert loader.stats()["filled"] == len(DAMAGED)
        if isinstance(transform, ImageTransform):
            batch = filled(corpus, images, transform).batch(range(3))
            same([batch.image(k) for k in range(len(batch))], expected)
            assert [(error.sample, error.position) for error in batch.damages] == DAMAGED
            assert not batch.errors


def test_the_sample_and_its_keyframes_say_what_is_damaged(corpus: Path, images: Path) -> None:
    ds = filled(corpus, images)
    with pytest.warns(DamagedJpegWarning):
        samples = [ds[k] for k in range(3) if ds[k].images]
    sample = samples[0]
    assert sample.damages == {}, "it is not decoded yet"
    assert sample.image(0) is not None
    assert sample.damages == {}
    assert sample.image(2) is not None
    error = sample.damages[2]
    assert isinstance(error, ImageError)
    assert (error.kind, error.sample, error.position) == ("truncated", 0, 2)
    assert "it is cut: it ends at byte" in error.reason
    frames = sample.keyframes
    assert [frame and frame.damage for frame in frames] == [None, None, error.reason, None]
    copy = pickle.loads(pickle.dumps(sample))
    assert copy.damages.keys() == {2}
    reopened = pickle.loads(pickle.dumps(ds))
    with pytest.warns(DamagedJpegWarning):
        assert reopened[0].images[2] is not None


def test_by_default_a_cut_file_is_an_error(corpus: Path, images: Path) -> None:
    for transform in (None, FLOATS):
        ds = textbook_fast.open(corpus, images=images, transform=transform)
        with pytest.raises(ImageError, match=r"sample 0, image 2 .* it is cut") as caught:
            _ = ds[0].images
        assert caught.value.kind == "truncated"
        with pytest.raises(ImageError, match="it is cut"):
            list(Loader(ds, 3))
    with pytest.raises(ImageError, match="it is cut"):
        ds.batch([0])
    with pytest.raises(ValueError, match="truncated must be 'raise' or 'fill', not 'ignore'"):
        textbook_fast.open(corpus, images=images, truncated="ignore")  # type: ignore[arg-type]


def test_what_has_no_header_left_cannot_be_filled(corpus: Path, files: dict[str, bytes]) -> None:
    folder = corpus.parent / "headless"
    folder.mkdir()
    for number, name in enumerate(NAMES):
        (folder / name).write_bytes(files[name][:100] if number == 1 else files[name])
    ds = filled(corpus, folder, on_error="mark")
    sample = ds[0]
    assert isinstance(sample.images[2], ImageError)
    assert sample.images[2].kind == "truncated"
    assert sample.damages == {}


def test_a_transform_may_return_a_tuple(corpus: Path, images: Path) -> None:
    ds = filled(corpus, images, lambda pixels: (pixels, "label"))
    with pytest.warns(DamagedJpegWarning):
        found = [image for sample in ds for image in sample.images if image is not None]
    assert [label for _, label in found] == ["label"] * 6


def test_one_jpeg_through_a_transform(files: dict[str, bytes], pillows: list[Any]) -> None:
    with pytest.warns(DamagedJpegWarning, match="it is cut"):
        made = FLOATS.decode(files[NAMES[1]], truncated="fill")
    assert np.array_equal(made, FLOATS(pillows[1]))
    with pytest.raises(ValueError, match="'raise' or 'fill'"):
        FLOATS.decode(files[NAMES[1]], truncated="drop")  # type: ignore[arg-type]
