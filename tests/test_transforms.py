"""`ImageTransform` beside Pillow and NumPy: the same bytes, the same floats."""

from __future__ import annotations

import io
import pickle
import random
from pathlib import Path
from typing import Any, get_args

import numpy as np
import PIL
import pytest
from conftest import Writer, record
from numpy.typing import NDArray
from PIL import Image as PillowImage
from PIL import ImageOps

import textbook_fast
from textbook_fast import EdgeLimits, ImageTransform, Patches, PixelBudget
from textbook_fast.jpeg import Image
from textbook_fast.transforms import Filter, Fit, Layout

PILLOW: dict[str, PillowImage.Resampling] = {
    "nearest": PillowImage.Resampling.NEAREST,
    "bilinear": PillowImage.Resampling.BILINEAR,
    "bicubic": PillowImage.Resampling.BICUBIC,
    "lanczos": PillowImage.Resampling.LANCZOS,
}
CLIP_MEAN = (0.48145466, 0.4578275, 0.40821073)
CLIP_STD = (0.26862954, 0.26130258, 0.27577711)


def picture(height: int, width: int, seed: int = 0) -> Image:
    """Noise with all extremes, where the fixed-point sums are largest."""
    rng = np.random.default_rng(seed)
    pixels = rng.integers(0, 256, (height, width, 3), dtype=np.uint8)
    if seed % 3 == 1:
        pixels = ((pixels > 127) * 255).astype(np.uint8)
    return pixels


def pillow_resize(pixels: Image, height: int, width: int, name: str) -> Image:
    return np.asarray(PillowImage.fromarray(pixels).resize((width, height), PILLOW[name]))


def same(ours: NDArray[Any], theirs: NDArray[Any]) -> None:
    """Equal bit for bit."""
    assert (ours.shape, ours.dtype) == (theirs.shape, theirs.dtype)
    assert ours.tobytes() == np.ascontiguousarray(theirs).tobytes()


def test_pillow_is_the_one_that_is_meant() -> None:
    # The order of the two passes differs before Pillow 13.
    assert int(PIL.__version__.split(".")[0]) >= 13


@pytest.mark.parametrize("name", get_args(Filter))
def test_resize_equals_pillow_at_random_sizes(name: Filter) -> None:
    numbers = random.Random(name)
    for seed in range(120):
        most = numbers.choice([6, 60, 300])
        height, width, to_height, to_width = (numbers.randint(1, most) for _ in range(4))
        pixels = picture(height, width, seed)
        ours = ImageTransform(size=(to_height, to_width), filter=name)(pixels)
        same(ours, pillow_resize(pixels, to_height, to_width, name))


@pytest.mark.parametrize("name", get_args(Filter))
@pytest.mark.parametrize(("height", "width"), [(720, 1280), (1280, 720), (1000, 40), (40, 1000)])
def test_resize_equals_pillow_in_both_orders_of_passes(
    name: Filter, height: int, width: int
) -> None:
    pixels = picture(height, width, 1)
    for size in [(336, 336), (224, 300), (800, 20), (20, 800)]:
        ours = ImageTransform(size=size, filter=name)(pixels)
        same(ours, pillow_resize(pixels, *size, name))


@pytest.mark.slow
def test_resize_equals_pillow_at_thousands_of_sizes() -> None:
    numbers = random.Random(2026)
    for seed in range(2500):
        most = numbers.choice([10, 100, 500])
        height, width, to_height, to_width = (numbers.randint(1, most) for _ in range(4))
        pixels = picture(height, width, seed)
        name: Filter = numbers.choice(get_args(Filter))
        ours = ImageTransform(size=(to_height, to_width), filter=name)(pixels)
        same(ours, pillow_resize(pixels, to_height, to_width, name))


def test_real_keyframes_equal_pillow(keyframe_files: list[Path]) -> None:
    for file in keyframe_files[:12]:
        data = file.read_bytes()
        pixels = textbook_fast.decode_jpeg(data)
        transform = ImageTransform(size=336, layout="CHW")
        expected = pillow_resize(pixels, 336, 336, "bicubic").transpose(2, 0, 1)
        same(transform(pixels), expected)
        same(transform.decode(data), expected)


# --- fits


def test_crop_covers_and_keeps_the_middle() -> None:
    for seed, (height, width) in enumerate([(90, 160), (160, 90), (77, 77), (33, 200), (9, 20)]):
        pixels = picture(height, width, seed)
        for size in [(40, 40), (30, 50), (51, 20)]:
            scale_by_height = width * size[0] >= height * size[1]
            resized = (
                (size[0], int(size[0] * width / height))
                if scale_by_height
                else (int(size[1] * height / width), size[1])
            )
            top, left = (resized[0] - size[0]) // 2, (resized[1] - size[1]) // 2
            whole = pillow_resize(pixels, *resized, "bicubic")
            ours = ImageTransform(size=size, fit="crop")(pixels)
            same(ours, whole[top : top + size[0], left : left + size[1]])


@pytest.mark.parametrize("color", [(0, 0, 0), (124, 116, 104)])
def test_pad_equals_pillow(color: tuple[int, int, int]) -> None:
    numbers = random.Random(3)
    for seed in range(60):
        height, width, to_height, to_width = (numbers.randint(4, 90) for _ in range(4))
        pixels = picture(height, width, seed)
        expected = ImageOps.pad(
            PillowImage.fromarray(pixels), (to_width, to_height), PILLOW["bilinear"], color
        )
        transform = ImageTransform(
            size=(to_height, to_width), fit="pad", filter="bilinear", color=color
        )
        same(transform(pixels), np.asarray(expected))


def test_shortest_keeps_the_aspect_ratio() -> None:
    for height, width, expected in [
        (720, 1280, (36, 64)),
        (1280, 720, (64, 36)),
        (100, 100, (36, 36)),
        (7, 20, (36, 102)),
    ]:
        pixels = picture(height, width)
        transform = ImageTransform(size=36, fit="shortest")
        assert transform.output_size(height, width) == expected
        same(transform(pixels), pillow_resize(pixels, *expected, "bicubic"))


def test_square_pads_first() -> None:
    pixels = picture(31, 50, 4)
    canvas = np.full((50, 50, 3), (9, 8, 7), np.uint8)
    canvas[9:40] = pixels
    ours = ImageTransform(size=24, square=True, color=(9, 8, 7))(pixels)
    same(ours, pillow_resize(canvas, 24, 24, "bicubic"))
    ours = ImageTransform(size=24, square=True, color=(9, 8, 7))(pixels.transpose(1, 0, 2))
    same(ours, pillow_resize(canvas.transpose(1, 0, 2), 24, 24, "bicubic"))


def test_no_size_keeps_and_crop_fills_up() -> None:
    pixels = picture(30, 41, 5)
    same(ImageTransform(size=None)(pixels), pixels)
    same(ImageTransform(size=None, crop=(20, 21))(pixels), pixels[5:25, 10:31])
    ours = ImageTransform(size=None, crop=(35, 21), color=(1, 2, 3))(pixels)
    expected = np.full((35, 21, 3), (1, 2, 3), np.uint8)
    expected[3:33] = pixels[:, 10:31]
    same(ours, expected)


def smart_resize(height: int, width: int, factor: int, least: int, most: int) -> tuple[int, int]:
    """Qwen2-VL's size, from its description: multiples of `factor` between two budgets."""
    rounded = [round(side / factor) * factor for side in (height, width)]
    area = rounded[0] * rounded[1]
    if area > most:
        shrink = (height * width / most) ** 0.5
        rounded = [max(factor, int(side / shrink // factor) * factor) for side in (height, width)]
    elif area < least:
        grow = (least / (height * width)) ** 0.5
        rounded = [-int(-(side * grow) // factor) * factor for side in (height, width)]
    return rounded[0], rounded[1]


def test_pixel_budget_is_smart_resize() -> None:
    numbers = random.Random(6)
    for _ in range(3000):
        height, width = numbers.randint(1, 3000), numbers.randint(1, 3000)
        if max(height, width) > 200 * min(height, width):
            continue
        factor = numbers.choice([14, 28, 32])
        least, most = factor * factor * numbers.randint(1, 9), 28 * 28 * numbers.randint(20, 1280)
        transform = ImageTransform(size=PixelBudget(least, most, factor))
        expected = smart_resize(height, width, factor, least, most)
        assert transform.output_size(height, width) == expected, (height, width, factor)


def test_edge_limits() -> None:
    transform = ImageTransform(size=EdgeLimits(378, 980))
    for size, expected in [
        ((720, 1280), (551, 980)),
        ((1280, 720), (980, 551)),
        ((400, 500), (400, 500)),
        ((100, 200), (378, 378)),
        ((100, 2000), (378, 980)),
    ]:
        assert transform.output_size(*size) == expected


# --- layouts and numbers


@pytest.mark.parametrize("layout", ["HWC", "CHW"])
@pytest.mark.parametrize("dtype", ["float32", "float16"])
@pytest.mark.parametrize("normalized", [False, True])
def test_floats_equal_numpy_bit_for_bit(layout: Layout, dtype: Any, *, normalized: bool) -> None:
    for height, width in [(40, 60), (5, 7), (1, 1), (33, 129)]:
        pixels = picture(height, width, 1 + height)
        transform = ImageTransform(
            size=None,
            layout=layout,
            dtype=dtype,
            mean=CLIP_MEAN if normalized else None,
            std=CLIP_STD if normalized else None,
        )
        expected: NDArray[Any] = pixels.astype(np.float32) / np.float32(255)
        if normalized:
            expected = (expected - np.array(CLIP_MEAN, np.float32)) / np.array(CLIP_STD, np.float32)
        expected = expected.astype(dtype)
        same(transform(pixels), expected if layout == "HWC" else expected.transpose(2, 0, 1))


def test_every_byte_becomes_the_float_that_numpy_makes() -> None:
    numbers = random.Random(8)
    pixels = np.repeat(np.arange(256, dtype=np.uint8)[None, :, None], 3, axis=2)
    calculated = 0
    for round_ in range(60):
        mean = tuple(numbers.uniform(-1, 1) for _ in range(3))
        std = tuple(numbers.uniform(0.05, 2) for _ in range(3))
        factor = None if round_ % 2 else numbers.choice([1 / 255, 1 / 127.5, 1.0, 0.0039])
        transform = ImageTransform(
            size=None,
            dtype="float32",
            mean=mean,  # type: ignore[arg-type]
            std=std,  # type: ignore[arg-type]
            rescale_factor=factor,
        )
        if factor is None:
            values = pixels.astype(np.float32) / np.float32(255)
        else:
            values = (pixels.astype(np.float64) * factor).astype(np.float32)
        expected = (values - np.array(mean, np.float32)) / np.array(std, np.float32)
        same(transform(pixels), expected)
        calculated += transform._core.is_calculated is True
    # Both ways are covered only if most, but perhaps not all, are calculated.
    assert calculated > 30


def test_constants_that_cannot_be_calculated_are_looked_up() -> None:
    # Overflows on the way, which only the table has right.
    pixels = picture(9, 40, 1)
    transform = ImageTransform(size=None, dtype="float16", std=1e-30, layout="CHW")  # type: ignore[arg-type]
    with np.errstate(over="ignore", divide="ignore"):
        expected = (pixels.astype(np.float32) / np.float32(255) / np.float32(1e-30)).astype(
            np.float16
        )
    same(transform(pixels), expected.transpose(2, 0, 1))


def test_patches_are_qwens() -> None:
    pixels = picture(84, 140, 2)
    transform = ImageTransform(
        size=(56, 112), layout="patches", dtype="float32", mean=CLIP_MEAN, std=CLIP_STD
    )
    ours = transform(pixels)
    assert isinstance(ours, Patches)
    assert ours.grid == (1, 4, 8)
    flat = ImageTransform(
        size=(56, 112), layout="CHW", dtype="float32", mean=CLIP_MEAN, std=CLIP_STD
    )(pixels)
    # (C, h/m, m, p, w/m, m, p) to (h/m, w/m, m, m, C, time, p, p), the time repeated.
    cut = flat.reshape(3, 2, 2, 14, 4, 2, 14).transpose(1, 4, 2, 5, 0, 3, 6)
    expected = np.repeat(cut[:, :, :, :, :, None], 2, axis=5).reshape(32, 3 * 2 * 14 * 14)
    same(ours.values, expected)


def test_patches_of_bytes_other_sizes_and_borders() -> None:
    pixels = picture(50, 30, 3)
    transform = ImageTransform(
        size=24, fit="pad", layout="patches", patch_size=4, merge_size=3, temporal_patch_size=1
    )
    flat = ImageTransform(size=24, fit="pad", layout="CHW")(pixels)
    cut = flat.reshape(3, 2, 3, 4, 2, 3, 4).transpose(1, 4, 2, 5, 0, 3, 6)
    same(transform(pixels).values, cut.reshape(36, 48))


# --- from JPEG bytes


def jpeg(pixels: Image, **options: Any) -> bytes:
    file = io.BytesIO()
    PillowImage.fromarray(pixels).save(file, "jpeg", **options)
    return file.getvalue()


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_equals_pillow(orientation: int) -> None:
    exif = PillowImage.Exif()
    exif[0x0112] = orientation
    smooth = pillow_resize(picture(5, 7, 2), 41, 75, "bicubic")
    data = jpeg(smooth, quality=95, exif=exif)
    upright = ImageOps.exif_transpose(PillowImage.open(io.BytesIO(data)))
    expected = np.asarray(upright.resize((30, 20), PILLOW["bicubic"]))
    same(ImageTransform(size=(20, 30), orientation="exif").decode(data), expected)
    lying = np.asarray(PillowImage.open(io.BytesIO(data)).resize((30, 20), PILLOW["bicubic"]))
    same(ImageTransform(size=(20, 30)).decode(data), lying)


@pytest.mark.parametrize("subsampling", [0, 1, 2])
@pytest.mark.parametrize(("height", "width"), [(720, 1280), (97, 33), (16, 16), (1, 1), (300, 50)])
def test_rows_from_the_decoder_give_what_the_whole_picture_gives(
    subsampling: int, height: int, width: int
) -> None:
    smooth = pillow_resize(picture(6, 9, 1), height, width, "bicubic")
    data = jpeg(smooth, subsampling=subsampling)
    pixels = textbook_fast.decode_jpeg(data)
    fits: tuple[Fit, ...] = ("stretch", "crop")
    for fit in fits:
        for size in [(50, 64), (336, 20)]:
            transform = ImageTransform(size=size, fit=fit, layout="CHW")
            same(transform.decode(data), transform(pixels))


@pytest.mark.parametrize("gap", [1.0, 1.3, 2.0, 3.0, 4.5])
@pytest.mark.parametrize("subsampling", [0, 1, 2])
def test_reducing_gap_equals_pillows_draft_and_resize(gap: float, subsampling: int) -> None:
    numbers = random.Random(gap)
    for seed in range(12):
        height, width = numbers.randint(8, 400), numbers.randint(8, 400)
        smooth = pillow_resize(picture(9, 12, seed), height, width, "bicubic")
        data = jpeg(smooth, quality=92, subsampling=subsampling)
        to_height, to_width = numbers.randint(4, 80), numbers.randint(4, 80)
        image = PillowImage.open(io.BytesIO(data))
        image.draft("RGB", (gap * to_width, gap * to_height))  # type: ignore[arg-type]
        expected = np.asarray(image.resize((to_width, to_height), PILLOW["bicubic"]))
        transform = ImageTransform(size=(to_height, to_width), reducing_gap=gap)
        same(transform.decode(data), expected)
        # An array is not scaled down.
        pixels = textbook_fast.decode_jpeg(data)
        same(transform(pixels), pillow_resize(pixels, to_height, to_width, "bicubic"))


def test_reducing_gap_with_a_crop_looks_at_the_resized_size() -> None:
    data = jpeg(pillow_resize(picture(9, 12, 1), 300, 500, "bicubic"))
    image = PillowImage.open(io.BytesIO(data))
    image.draft("RGB", (2 * 60, 2 * 36))
    assert image.size == (125, 75)
    whole = np.asarray(image.resize((60, 36), PILLOW["bicubic"]))
    same(ImageTransform(size=36, fit="crop", reducing_gap=2).decode(data), whole[:, 12:48])


# --- datasets


def test_open_gives_transformed_images(example_data: Path, tmp_path: Path) -> None:
    source = tmp_path / "corpus.json"
    source.write_bytes((example_data / "textbook_sample_100.json").read_bytes())
    images = example_data / "sample_100_images"
    transform = ImageTransform(size=64, layout="CHW", dtype="float32", mean=0.5, std=0.5)  # type: ignore[arg-type]
    plain = textbook_fast.open(source, images=images)
    for threads in (1, 3):
        ds = textbook_fast.open(source, images=images, transform=transform, threads=threads)
        for index in (0, 42):
            expected = [None if x is None else transform(x) for x in plain[index].images]
            for ours, theirs in zip(ds[index].images, expected, strict=True):
                assert (ours is None) == (theirs is None)
                if theirs is not None:
                    same(ours, theirs)
    copy = pickle.loads(pickle.dumps(ds))
    place = next(k for k, path in enumerate(ds[0].image_paths) if path is not None)
    same(copy[0].image(place), ds[0].image(place))
    # Any function of an array will do.
    means = textbook_fast.open(source, images=images, transform=lambda image: float(image.mean()))
    assert means[0].image(place) == float(plain[0].image(place).mean())


def test_the_loader_gives_transformed_images(example_data: Path, tmp_path: Path) -> None:
    source = tmp_path / "corpus.json"
    source.write_bytes((example_data / "textbook_sample_100.json").read_bytes())
    images = example_data / "sample_100_images"

    def mean(image: Image) -> float:
        return float(image.mean())

    ours: textbook_fast.transforms.Transform
    for ours in (ImageTransform(size=28, layout="patches"), mean):
        ds = textbook_fast.open(source, images=images, transform=ours)[:12]
        batches = list(textbook_fast.Loader(ds, batch_size=5, threads=2))
        samples = [sample for batch in batches for sample in batch]
        assert len(samples) == 12
        for sample, alone in zip(samples, ds, strict=True):
            for one, other in zip(sample.images, alone.images, strict=True):
                assert type(one) is type(other)
                if isinstance(one, Patches):
                    same(one.values, other.values)
                    assert one.grid == other.grid == (1, 2, 2)
                else:
                    assert one == other


def test_png_under_a_jpegs_name_is_transformed_too(write_json: Writer) -> None:
    pixels = picture(40, 50, 2)
    file = io.BytesIO()
    PillowImage.fromarray(pixels).save(file, "png")
    source = write_json([record("vid@0.0_1.0#1.jpg")])
    (source.parent / "frames").mkdir()
    (source.parent / "frames" / "vid@0.0_1.0#1.jpg").write_bytes(file.getvalue())
    transform = ImageTransform(size=(10, 12), layout="CHW")
    ds = textbook_fast.open(source, images=source.parent / "frames", transform=transform)
    same(ds[0].images[0], transform(pixels))
    sample = next(iter(textbook_fast.Loader(ds, batch_size=1)))[0]
    same(sample.images[0], transform(pixels))


def test_a_transform_that_cannot_apply_is_the_images_error(
    example_data: Path, tmp_path: Path
) -> None:
    source = tmp_path / "corpus.json"
    source.write_bytes((example_data / "textbook_sample_100.json").read_bytes())
    images = example_data / "sample_100_images"

    def fails(image: Image) -> Image:
        raise RuntimeError(f"not {image.shape}")

    ds = textbook_fast.open(source, images=images, transform=fails)
    with pytest.raises(
        textbook_fast.ImageError, match=r"sample 3, .*RuntimeError: not \("
    ) as error:
        _ = ds[3].images
    assert error.value.kind == "transform"
    assert isinstance(error.value.__cause__, RuntimeError)
    marked = textbook_fast.open(source, images=images, transform=fails, on_error="mark")
    assert all(not image for image in marked[3].images)
    with pytest.raises(TypeError, match="transform must be an ImageTransform or a function"):
        textbook_fast.open(source, transform="resize")  # type: ignore[arg-type]


def test_pictures_that_a_size_cannot_take_say_why() -> None:
    with pytest.raises(ValueError, match="201 x 1 pixels are more than 200 times as long as wide"):
        ImageTransform(size=PixelBudget())(picture(1, 201))
    with pytest.raises(ValueError, match="100 x 1 pixels would be resized to 10 x 0"):
        ImageTransform(size=10, fit="pad")(picture(1, 100))
    tall = jpeg(picture(1, 60_000))
    with pytest.raises(textbook_fast.JpegError, match="more than the limit") as error:
        ImageTransform(size=336, fit="shortest").decode(tall)
    assert error.value.kind == "transform"


# --- settings


def test_settings_compare_pickle_and_print() -> None:
    transform = ImageTransform(size=[336, 224], mean=0.5, std=(1, 2, 3), dtype="float32")  # type: ignore[arg-type]
    assert transform.size == (336, 224)
    assert (transform.mean, transform.std) == ((0.5, 0.5, 0.5), (1.0, 2.0, 3.0))
    copy = pickle.loads(pickle.dumps(transform))
    assert copy == transform
    assert hash(copy) == hash(transform)
    same(copy(picture(20, 30)), transform(picture(20, 30)))
    assert "size=(336, 224)" in repr(transform)
    assert "_core" not in repr(transform)
    with pytest.raises(AttributeError):
        transform.size = 3  # type: ignore[misc]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"size": 0}, "size must be from 1 to 65535, not 0"),
        ({"size": -5}, "size must be from 1 to 65535, not -5"),
        ({"size": 10**9}, "size must be from 1 to 65535, not 1000000000"),
        ({"size": (336, 0)}, "size's width must be from 1"),
        ({"size": (1, 2, 3)}, r"size must be a number or \(height, width\)"),
        ({"size": 336, "crop": 0}, "crop must be from 1"),
        ({"size": 336, "fit": "squash"}, "fit must be one of 'stretch', 'crop', 'pad', 'shortest'"),
        (
            {"size": 336, "filter": "cubic"},
            "filter must be one of 'nearest', 'bilinear', 'bicubic'",
        ),
        ({"size": 336, "layout": "NCHW"}, "layout must be one of 'HWC', 'CHW', 'patches'"),
        ({"size": 336, "dtype": "bfloat16"}, "dtype must be one of 'uint8', 'float32', 'float16'"),
        ({"size": 336, "orientation": 6}, "orientation must be one of 'exif', None"),
        ({"size": (3, 4), "fit": "shortest"}, "fit='shortest' needs size as one number"),
        ({"size": None, "fit": "crop"}, "fit='crop' needs size as a number"),
        ({"size": PixelBudget(), "fit": "pad"}, "fit='pad' needs size as a number"),
        ({"size": 336, "fit": "crop", "crop": 3}, "crop goes with fit='stretch'"),
        ({"size": 336, "mean": (0, 0, 0)}, "mean needs dtype 'float32' or 'float16'"),
        ({"size": 336, "dtype": "float32", "mean": (0, 0)}, "mean must be three finite numbers"),
        ({"size": 336, "dtype": "float32", "std": (1, 0, 1)}, "std is divided by"),
        ({"size": 336, "dtype": "float32", "std": float("nan")}, "std must be three finite"),
        (
            {"size": 336, "dtype": "float32", "rescale_factor": -1},
            "rescale_factor must be a finite",
        ),
        ({"size": 336, "color": (0, 0, 256)}, "color must be three numbers from 0 to 255"),
        ({"size": 336, "reducing_gap": 0.5}, "reducing_gap must be 1.0 or more"),
        ({"size": 336, "patch_size": 0}, "patch_size must be from 1"),
        ({"size": 337, "layout": "patches"}, "each side must be a multiple of .* = 28, not 337"),
        ({"size": 336, "fit": "shortest", "layout": "patches"}, "needs a size whose sides are"),
        (
            {"size": PixelBudget(multiple=14), "layout": "patches"},
            "the PixelBudget's multiple must",
        ),
    ],
)
def test_bad_settings_are_answered_with_good_ones(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ImageTransform(**settings)


def test_bad_types_and_budgets() -> None:
    for size in ("336", 336.0, True, b"1"):
        with pytest.raises((TypeError, ValueError), match="size"):
            ImageTransform(size=size)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="mean must be three numbers"):
        ImageTransform(size=1, dtype="float32", mean="abc")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="min_pixels 9 is more than max_pixels 8"):
        PixelBudget(9, 8)
    with pytest.raises(ValueError, match="leaves no room for 28 x 28"):
        PixelBudget(1, 100, 28)
    with pytest.raises(ValueError, match="shortest 9 is more than longest 8"):
        EdgeLimits(9, 8)


def test_bad_arrays() -> None:
    transform = ImageTransform(size=10)
    with pytest.raises(TypeError, match="an array of float64"):
        transform(np.zeros((4, 4, 3)))  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="uint8 array"):
        transform([[1, 2, 3]])  # type: ignore[arg-type]
    for shape in [(4, 4), (4, 4, 4), (3, 4, 4), (0, 4, 3), (1, 4, 4, 3)]:
        with pytest.raises(ValueError, match=r"an image has the shape \(height, width, 3\)"):
            transform(np.zeros(shape, np.uint8))


def test_arrays_in_any_memory_order() -> None:
    pixels = picture(30, 40, 4)
    transform = ImageTransform(size=(9, 11))
    expected = pillow_resize(pixels[::2, ::-1], 9, 11, "bicubic")
    same(transform(pixels[::2, ::-1]), expected)
    frozen = pixels.copy()
    frozen.flags.writeable = False
    same(transform(frozen), pillow_resize(pixels, 9, 11, "bicubic"))
