"""Settings of Hugging Face image processors, as an `ImageTransform`. Imports no transformers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from textbook_fast.jpeg import Image
from textbook_fast.transforms import Color, EdgeLimits, Filter, PixelBudget

__all__ = ["ProcessorTransform", "settings_of"]

FILTERS: dict[int, Filter] = {0: "nearest", 1: "lanczos", 2: "bilinear", 3: "bicubic"}


@dataclass(frozen=True, slots=True)
class ProcessorTransform:
    """Runs a processor that cuts images into tiles in its own way on decoded arrays.

    Attributes:
        processor: The Hugging Face image processor.
    """

    processor: Any

    def __call__(self, image: Image) -> Any:
        """The processor's ``pixel_values`` of one image: (tiles, 3, height, width)."""
        data = self.processor([image], return_tensors="np", input_data_format="channels_last")
        return np.asarray(data["pixel_values"])[0]


def settings_of(processor: Any) -> dict[str, Any] | ProcessorTransform:
    """The keywords of the `ImageTransform` that does what a processor does to one image.

    Raises:
        ValueError: The processor, or one of its settings, is not supported. The message
            names it.
    """
    processor = getattr(processor, "image_processor", processor)
    name = type(processor).__name__.removesuffix("Pil").removesuffix("Fast")
    readers: dict[str, Callable[[Any], dict[str, Any] | ProcessorTransform]] = {
        "CLIPImageProcessor": _clip,
        "SiglipImageProcessor": _clip,
        "LlavaImageProcessor": _llava,
        "Idefics2ImageProcessor": _idefics2,
        "Idefics3ImageProcessor": ProcessorTransform,
        "Qwen2VLImageProcessor": _qwen,
    }
    if name not in readers:
        good = ", ".join(readers)
        raise ValueError(
            f"{type(processor).__name__} is not supported; supported are {good} (each backend). "
            "open(..., transform=function) takes any function of a decoded array"
        )
    settings = readers[name](processor)
    if isinstance(settings, ProcessorTransform):
        return settings
    return {"filter": _filter(processor), **_values(processor), **settings}


def _missing(processor: Any, what: str) -> ValueError:
    return ValueError(f"{type(processor).__name__} with {what} is not supported")


def _get(size: Any, *names: str) -> list[int | None]:
    """Entries of a size, which is a dict or has attributes; None for one that is not there."""
    if isinstance(size, Mapping):
        return [size.get(name) for name in names]
    return [getattr(size, name, None) for name in names]


def _filter(processor: Any) -> Filter:
    if not processor.do_resize:
        return "nearest"
    resample = 2 if processor.resample is None else processor.resample
    chosen = FILTERS.get(int(resample)) if hasattr(resample, "__int__") else None
    if chosen is None:
        raise _missing(processor, f"resample={resample!r}")
    return chosen


def _values(processor: Any) -> dict[str, Any]:
    if not processor.do_rescale and not processor.do_normalize:
        return {"layout": "CHW"}
    factor = float(processor.rescale_factor) if processor.do_rescale else 1.0
    settings = {"layout": "CHW", "dtype": "float32", "rescale_factor": factor}
    if processor.do_normalize:
        settings |= {"mean": processor.image_mean, "std": processor.image_std}
    return settings


def _size(processor: Any) -> dict[str, Any]:
    if not processor.do_resize:
        return {"size": None}
    height, width, shortest, longest, tallest, widest = _get(
        processor.size,
        "height",
        "width",
        "shortest_edge",
        "longest_edge",
        "max_height",
        "max_width",
    )
    if shortest and not longest:
        return {"size": shortest, "fit": "shortest"}
    if height and width and not (shortest or longest or tallest or widest):
        return {"size": (height, width)}
    raise _missing(processor, f"size={processor.size!r}")


def _crop(processor: Any) -> dict[str, Any]:
    if not getattr(processor, "do_center_crop", False):
        return {}
    height, width = _get(processor.crop_size, "height", "width")
    if not height or not width:
        raise _missing(processor, f"crop_size={processor.crop_size!r}")
    return {"crop": (height, width)}


def _clip(processor: Any) -> dict[str, Any]:
    if getattr(processor, "do_pad", False):
        raise _missing(processor, "do_pad=True")
    return {**_size(processor), **_crop(processor)}


def _llava(processor: Any) -> dict[str, Any]:
    settings = {**_size(processor), **_crop(processor)}
    if not getattr(processor, "do_pad", False):
        return settings
    color: Color = (0, 0, 0)
    if processor.image_mean:
        red, green, blue = (int(value * 255) for value in processor.image_mean)
        color = (red, green, blue)
    size = settings["size"]
    sides = (size, size) if isinstance(size, int) else size
    if "crop" in settings and (sides is None or any(np.greater(settings["crop"], sides))):
        # It would be filled up with black, the square with the mean color.
        raise _missing(processor, "do_pad=True and a crop_size larger than size")
    return {**settings, "square": True, "color": color}


def _idefics2(processor: Any) -> dict[str, Any] | ProcessorTransform:
    if getattr(processor, "do_image_splitting", False):
        return ProcessorTransform(processor)
    if not processor.do_resize:
        return {"size": None}
    shortest, longest = _get(processor.size, "shortest_edge", "longest_edge")
    if shortest and longest:
        return {"size": EdgeLimits(shortest, longest)}
    return _size(processor)


def _qwen(processor: Any) -> dict[str, Any]:
    if not processor.do_resize:
        raise _missing(processor, "do_resize=False")
    least, most = _get(processor.size, "shortest_edge", "longest_edge")
    if not least or not most:
        raise _missing(processor, f"size={processor.size!r}")
    if not processor.do_rescale and not processor.do_normalize:
        raise _missing(processor, "neither do_rescale nor do_normalize")
    multiple = processor.patch_size * processor.merge_size
    return {
        "size": PixelBudget(least, most, multiple),
        "layout": "patches",
        "patch_size": processor.patch_size,
        "merge_size": processor.merge_size,
        "temporal_patch_size": processor.temporal_patch_size,
    }
