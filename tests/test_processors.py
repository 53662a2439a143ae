"""`ImageTransform.from_processor` beside Hugging Face's own processors, made from settings."""

from __future__ import annotations

import importlib
import pickle
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import textbook_fast
from textbook_fast import ImageTransform, Patches
from textbook_fast.jpeg import Image
from textbook_fast.processors import ProcessorTransform


def processor(name: str, **settings: Any) -> Any:
    """An image processor with the PIL backend; the skip names the package that is missing."""
    pytest.importorskip("transformers", reason="transformers is not installed")
    module, class_name = name.split(".")
    path = f"transformers.models.{module}.image_processing_pil_{module}"
    return getattr(importlib.import_module(path), class_name + "Pil")(**settings)


def pictures(keyframe_files: list[Path]) -> list[Image]:
    """Two keyframes, and noise in sizes that are wide, high, small and square."""
    images = [textbook_fast.decode_jpeg(file.read_bytes()) for file in keyframe_files[:2]]
    rng = np.random.default_rng(5)
    sizes = [(90, 160), (160, 91), (40, 41), (300, 300), (500, 90)]
    return images + [rng.integers(0, 256, (*size, 3), dtype=np.uint8) for size in sizes]


CLIP_336 = {"size": {"shortest_edge": 336}, "crop_size": {"height": 336, "width": 336}}
QWEN_3 = {
    "patch_size": 16,
    "size": {"shortest_edge": 65536, "longest_edge": 400 * 400},
    "image_mean": [0.5, 0.5, 0.5],
    "image_std": [0.5, 0.5, 0.5],
}
CASES: list[tuple[str, dict[str, Any]]] = [
    ("clip.CLIPImageProcessor", {}),
    ("clip.CLIPImageProcessor", CLIP_336),
    ("clip.CLIPImageProcessor", {"crop_size": {"height": 250, "width": 100}}),
    ("clip.CLIPImageProcessor", {"do_center_crop": False}),
    ("clip.CLIPImageProcessor", {"do_normalize": False}),
    ("clip.CLIPImageProcessor", {"do_rescale": False}),
    ("clip.CLIPImageProcessor", {"do_rescale": False, "do_normalize": False}),
    ("clip.CLIPImageProcessor", {"do_resize": False}),
    ("clip.CLIPImageProcessor", {"resample": 1, "rescale_factor": 1 / 127.5}),
    ("siglip.SiglipImageProcessor", {}),
    ("siglip.SiglipImageProcessor", {"size": {"height": 384, "width": 200}, "resample": 2}),
    ("llava.LlavaImageProcessor", {}),
    ("llava.LlavaImageProcessor", {"do_pad": True, **CLIP_336}),
    ("idefics2.Idefics2ImageProcessor", {"do_pad": False}),
    ("idefics2.Idefics2ImageProcessor", {"size": {"shortest_edge": 70, "longest_edge": 200}}),
    ("qwen2_vl.Qwen2VLImageProcessor", {}),
    ("qwen2_vl.Qwen2VLImageProcessor", QWEN_3),
]


@pytest.mark.frameworks
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("name", "settings"), CASES)
def test_equals_the_pil_backend_bit_for_bit(
    name: str, settings: dict[str, Any], keyframe_files: list[Path]
) -> None:
    theirs = processor(name, **settings)
    ours = ImageTransform.from_processor(theirs)
    assert isinstance(ours, ImageTransform)
    assert pickle.loads(pickle.dumps(ours)) == ours
    for image in pictures(keyframe_files):
        result = theirs([image], return_tensors="np", input_data_format="channels_last")
        expected = np.asarray(result["pixel_values"])
        found = ours(image)
        if isinstance(found, Patches):
            assert found.grid == tuple(result["image_grid_thw"][0])
            found, expected = found.values, expected[None]
        expected = expected[0, 0] if expected.ndim == 5 else expected[0]
        assert (found.shape, found.dtype) == (expected.shape, expected.dtype), image.shape
        assert found.tobytes() == np.ascontiguousarray(expected).tobytes(), image.shape


@pytest.mark.frameworks
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("idefics3.Idefics3ImageProcessor", {}),
        ("idefics2.Idefics2ImageProcessor", {"do_image_splitting": True}),
    ],
)
def test_tiling_runs_on_our_arrays(
    name: str, settings: dict[str, Any], example: textbook_fast.Dataset, example_data: Path
) -> None:
    theirs = processor(name, **settings)
    ours = ImageTransform.from_processor(theirs)
    assert isinstance(ours, ProcessorTransform)
    ds = textbook_fast.open(
        example.paths, images=example_data / "sample_100_images", transform=ours
    )
    place = next(k for k, path in enumerate(ds[0].image_paths) if path is not None)
    found = ds[0].image(place)
    image = example[0].image(place)
    expected = theirs([image], return_tensors="np", input_data_format="channels_last")
    assert np.array_equal(found, expected["pixel_values"][0])
    assert len(found) > 1


@pytest.mark.frameworks
@pytest.mark.filterwarnings("ignore")
def test_a_whole_processor_has_an_image_processor() -> None:
    theirs = processor("clip.CLIPImageProcessor")
    whole = SimpleNamespace(image_processor=theirs)
    assert ImageTransform.from_processor(whole) == ImageTransform.from_processor(theirs)


def settings(kind: str, **values: Any) -> Any:
    """An object of a class of this name that has what processors have."""
    defaults = {
        "do_resize": True,
        "do_rescale": True,
        "do_normalize": True,
        "do_center_crop": False,
        "do_pad": False,
        "size": {"height": 32, "width": 48},
        "crop_size": None,
        "resample": 3,
        "rescale_factor": 1 / 255,
        "image_mean": [0.5, 0.5, 0.5],
        "image_std": [0.25, 0.25, 0.25],
    }
    return type(kind, (SimpleNamespace,), {})(**(defaults | values))


def test_settings_are_read() -> None:
    transform = ImageTransform.from_processor(settings("SiglipImageProcessorFast"))
    assert transform == ImageTransform(
        size=(32, 48),
        layout="CHW",
        dtype="float32",
        rescale_factor=1 / 255,
        mean=(0.5, 0.5, 0.5),
        std=(0.25, 0.25, 0.25),
    )


@pytest.mark.parametrize(
    ("kind", "values", "message"),
    [
        ("BlipImageProcessor", {}, "BlipImageProcessor is not supported; supported are CLIPImage"),
        ("CLIPImageProcessor", {"resample": 4}, "CLIPImageProcessor with resample=4"),
        ("CLIPImageProcessor", {"do_pad": True}, "with do_pad=True is not supported"),
        ("CLIPImageProcessor", {"size": {"longest_edge": 3}}, "with size={'longest_edge': 3}"),
        ("CLIPImageProcessor", {"do_center_crop": True}, "with crop_size=None"),
        (
            "LlavaImageProcessor",
            {"do_pad": True, "do_center_crop": True, "crop_size": {"height": 64, "width": 64}},
            "a crop_size larger than size",
        ),
        ("Qwen2VLImageProcessor", {"do_resize": False}, "with do_resize=False"),
        ("Qwen2VLImageProcessor", {}, "with size={'height': 32, 'width': 48}"),
        ("str", {}, "str is not supported"),
    ],
)
def test_what_is_not_supported_is_named(kind: str, values: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ImageTransform.from_processor(settings(kind, **values))
