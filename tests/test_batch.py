"""`Dataset.batch`: the same images as one by one, in one array."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import Writer, record
from PIL import Image as PillowImage

import textbook_fast
from textbook_fast import ImageError, ImageTransform, Patches, PixelBudget

TRANSFORMS = [
    ImageTransform(size=32, layout="CHW", dtype="float32", mean=(0.4, 0.5, 0.6)),
    ImageTransform(size=(24, 40), fit="crop"),
    ImageTransform(size=(24, 40), fit="pad", dtype="float16"),
    ImageTransform(size=20, fit="shortest", layout="CHW"),
    ImageTransform(size=20, fit="shortest", layout="HWC", dtype="float32"),
    ImageTransform(size=PixelBudget(28 * 28, 100 * 100), layout="patches", dtype="float32"),
    ImageTransform(size=56, layout="patches"),
]


@pytest.fixture
def opened(example_data: Path, tmp_path: Path) -> Any:
    """A function that opens the example data."""
    source = tmp_path / "corpus.json"
    source.write_bytes((example_data / "textbook_sample_100.json").read_bytes())

    def open_with(transform: Any, **options: Any) -> textbook_fast.Dataset:
        images = options.pop("images", example_data / "sample_100_images")
        return textbook_fast.open(source, images=images, transform=transform, **options)

    return open_with


def flat(image: Any) -> Any:
    return image.values if isinstance(image, Patches) else image


@pytest.mark.parametrize("transform", TRANSFORMS)
@pytest.mark.parametrize("threads", [1, 3])
def test_a_batch_is_its_images(opened: Any, transform: ImageTransform, threads: int) -> None:
    ds = opened(transform, threads=threads)
    indices = [3, -1, 17, 3]
    batch = ds.batch(indices)
    samples = [ds[index] for index in indices]
    expected = [
        (number, position, image)
        for number, sample in enumerate(samples)
        for position, image in enumerate(sample.images)
        if image is not None
    ]
    assert len(batch) == len(expected) > 4
    assert batch.samples == [sample.index for sample in samples]
    assert batch.texts == [sample.texts for sample in samples]
    assert batch.places.tolist() == [list(entry[:2]) for entry in expected]
    assert not batch.errors
    for k, (_, _, image) in enumerate(expected):
        found = batch.image(k)
        assert type(found) is type(image)
        assert flat(found).dtype == flat(image).dtype
        assert np.array_equal(flat(found), flat(image))
        assert np.shares_memory(flat(found), batch.images)
        if isinstance(image, Patches):
            assert found.grid == image.grid == tuple(batch.grids[k])
    if transform.layout == "patches":
        assert batch.images.shape == (batch.offsets[-1], 3 * 2 * 14 * 14)
    elif transform.fixed_size is None:
        assert batch.images.shape == (batch.offsets[-1],)
    else:
        assert batch.images.shape == (len(expected), *expected[0][2].shape)
    assert f"{len(batch)} images of 4 samples" in repr(batch)


@pytest.mark.parametrize("transform", TRANSFORMS)
def test_out_is_used_again(opened: Any, transform: ImageTransform) -> None:
    ds = opened(transform)
    expected = ds.batch([5, 6])
    shape = (len(expected.images) + 3, *expected.images.shape[1:])
    out = np.full(shape, 7, expected.images.dtype)
    for _ in range(2):
        batch = ds.batch([5, 6], out=out)
        assert np.shares_memory(batch.images, out)
        assert np.array_equal(batch.images, expected.images)
        assert (out[len(expected.images) :] == 7).all()


def test_bad_out_says_what_it_has_to_be(opened: Any) -> None:
    ds = opened(TRANSFORMS[0])
    count = len(ds.batch([5]))
    good = (count, 3, 32, 32)
    with pytest.raises(TypeError, match=r"float32 array of shape .*not uint8"):
        ds.batch([5], out=np.empty(good, np.uint8))
    with pytest.raises(TypeError, match="not list"):
        ds.batch([5], out=[])
    for shape in [(count - 1, 3, 32, 32), (count, 3, 32, 33), (count * 3 * 32 * 32,)]:
        with pytest.raises(ValueError, match="or longer, not"):
            ds.batch([5], out=np.empty(shape, np.float32))
    with pytest.raises(ValueError, match="not contiguous"):
        ds.batch([5], out=np.empty((count, 3, 32, 64), np.float32)[..., ::2])
    frozen = np.empty(good, np.float32)
    frozen.flags.writeable = False
    with pytest.raises(ValueError, match="not writable"):
        ds.batch([5], out=frozen)


def test_nothing_is_a_batch_too(opened: Any, write_json: Writer) -> None:
    assert opened(TRANSFORMS[0]).batch([]).images.shape == (0, 3, 32, 32)
    assert opened(TRANSFORMS[3]).batch([]).images.shape == (0,)
    assert opened(TRANSFORMS[5]).batch([]).images.shape == (0, 1176)
    text = textbook_fast.open(write_json([record()], "texts.json"), transform=TRANSFORMS[0])
    assert text.batch([0, 0]).places.shape == (0, 2)


def test_a_batch_needs_an_image_transform(opened: Any) -> None:
    for transform in (None, lambda image: image):
        with pytest.raises(TypeError, match=r"opened with transform=ImageTransform\(\.\.\.\)"):
            opened(transform).batch([0])
    with pytest.raises(IndexError, match="no sample 100"):
        opened(TRANSFORMS[0]).batch([100])
    with pytest.raises(textbook_fast.TextbookError, match="decode='never'"):
        opened(TRANSFORMS[0], decode="never").batch([0])


@pytest.fixture
def broken(tmp_path: Path) -> Path:
    """Samples with images that are good, missing, cut, a PNG, too long, and good."""
    names = ["good", "missing", "cut", "png", "long", "last"]
    records = [
        record(*[f"v@0_1#{name}.jpg" for name in names[:4]]),
        record(*[f"v@0_1#{name}.jpg" for name in names[4:]]),
    ]
    (tmp_path / "corpus.json").write_text(json.dumps(records))
    rng = np.random.default_rng(1)
    for name in names:
        size = (1, 900, 3) if name == "long" else (60, 90, 3)
        file = io.BytesIO()
        pixels = PillowImage.fromarray(rng.integers(0, 256, size, dtype=np.uint8))
        pixels.save(file, "png" if name == "png" else "jpeg")
        data = file.getvalue()
        if name == "cut":
            data = data[: len(data) // 2]
        if name != "missing":
            (tmp_path / "frames").mkdir(exist_ok=True)
            (tmp_path / "frames" / f"v@0_1#{name}.jpg").write_bytes(data)
    return tmp_path


@pytest.mark.parametrize("transform", [ImageTransform(size=16, fit="pad"), TRANSFORMS[5]])
def test_broken_images_are_left_out_or_raised(broken: Path, transform: ImageTransform) -> None:
    def opened(**options: Any) -> textbook_fast.Dataset:
        return textbook_fast.open(
            broken / "corpus.json", images=broken / "frames", transform=transform, **options
        )

    ds = opened(on_error="mark")
    batch = ds.batch([0, 1])
    assert batch.places.tolist() == [[0, 0], [0, 6], [1, 2]]
    images = ds.__getitems__([0, 1])
    for k, (sample, position) in enumerate(batch.places.tolist()):
        assert np.array_equal(flat(batch.image(k)), flat(images[sample].images[position]))
    assert [(error.sample, error.position, error.kind) for error in batch.errors] == [
        (0, 2, "missing"),
        (0, 4, "truncated"),
        (1, 0, "transform"),
    ]
    assert len(batch.images) == batch.offsets[-1]
    with pytest.raises(ImageError, match=r"sample 0, image 2 ") as error:
        opened().batch([0, 1])
    assert (error.value.position, error.value.kind) == (2, "missing")


@pytest.mark.frameworks
def test_torch_shares_the_memory(opened: Any) -> None:
    torch = pytest.importorskip("torch", reason="torch is not installed")
    batch = opened(TRANSFORMS[0]).batch([3, 4])
    tensor = torch.from_numpy(batch.images)
    assert tensor.shape == batch.images.shape
    tensor[0, 0, 0, 0] = 42
    assert batch.images[0, 0, 0, 0] == 42
