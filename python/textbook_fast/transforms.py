"""Decoded pictures to what a model takes: resized, cropped, padded, normalized, laid out."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, Literal, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from textbook_fast import _core
from textbook_fast.jpeg import BytesLike, Image, Truncated, check_truncated, warn_of

__all__ = ["EdgeLimits", "ImageTransform", "Patches", "PixelBudget", "Transform"]

Fit: TypeAlias = Literal["stretch", "crop", "pad", "shortest"]
Filter: TypeAlias = Literal["nearest", "bilinear", "bicubic", "lanczos"]
Layout: TypeAlias = Literal["HWC", "CHW", "patches"]
DType: TypeAlias = Literal["uint8", "float32", "float16"]
Color: TypeAlias = tuple[int, int, int]
Triple: TypeAlias = tuple[float, float, float]

Transform: TypeAlias = "ImageTransform | Callable[[Image], Any]"
"""What `open` takes: an `ImageTransform`, or any function of one decoded image."""

FITS = ("stretch", "crop", "pad", "shortest")
FILTERS = ("nearest", "bilinear", "bicubic", "lanczos")
LAYOUTS = ("HWC", "CHW", "patches")
DTYPES = ("uint8", "float32", "float16")
# The longest side that a JPEG can have.
MAX_SIDE = 65_535


class Patches(NamedTuple):
    """An image cut into patches, as Qwen2-VL takes it.

    Attributes:
        values: Of shape (grid height * grid width, 3 * temporal_patch_size *
            patch_size ** 2): one patch a row, its channels first. Squares of
            merge_size ** 2 patches follow each other.
        grid: Patches along time (always 1), height and width.
    """

    values: NDArray[Any]
    grid: tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class PixelBudget:
    """A size between two numbers of pixels that keeps the aspect ratio: Qwen's smart resize.

    Both sides become multiples of `multiple`. A picture that is more than 200 times as
    long as wide is an error.

    Attributes:
        min_pixels: At least so many pixels.
        max_pixels: At most so many.
        multiple: Of Qwen2-VL 28 (patches of 14, merged 2 by 2), of Qwen3-VL 32.
    """

    min_pixels: int = 56 * 56
    max_pixels: int = 28 * 28 * 1280
    multiple: int = 28

    def __post_init__(self) -> None:
        for name in ("min_pixels", "max_pixels", "multiple"):
            _set(self, name, _positive(name, getattr(self, name), most=2**40))
        if self.min_pixels > self.max_pixels:
            raise ValueError(
                f"min_pixels {self.min_pixels} is more than max_pixels {self.max_pixels}"
            )
        if self.multiple**2 > self.max_pixels:
            raise ValueError(
                f"max_pixels {self.max_pixels} leaves no room for {self.multiple} x {self.multiple}"
            )


@dataclass(frozen=True, slots=True)
class EdgeLimits:
    """A size that keeps the aspect ratio between two lengths of a side, as in Idefics 2.

    The longer side becomes at most `longest`; then a side that is shorter than
    `shortest` is stretched to it.

    Attributes:
        shortest: At least so many pixels a side.
        longest: At most so many.
    """

    shortest: int = 378
    longest: int = 980

    def __post_init__(self) -> None:
        for name in ("shortest", "longest"):
            _set(self, name, _positive(name, getattr(self, name)))
        if self.shortest > self.longest:
            raise ValueError(f"shortest {self.shortest} is more than longest {self.longest}")


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageTransform:
    """What is done to each image between the decoder and the model, in Rust.

    The pixels are those of Pillow 13, byte for byte (its antialiased resize in fixed
    point, its order of passes), and the floats those of NumPy, bit for bit. Called with a
    uint8 array of shape (height, width, 3) it returns the transformed array; given to
    `open`, it works on rows while they come out of the decoder, which is faster.

    Instances are immutable, compare by their settings, pickle, and may be used from
    several threads.

    Attributes:
        size: The output's size: one number for a square, ``(height, width)``, a
            `PixelBudget`, `EdgeLimits`, or None to keep each image's own.
        fit: ``"stretch"`` resizes to the size. ``"crop"`` resizes to cover it and keeps
            the middle. ``"pad"`` resizes to fit into it and centers that on a canvas, as
            ``PIL.ImageOps.pad``. ``"shortest"`` resizes the shorter side to it (an int) and
            keeps the aspect ratio, so images come out in different sizes.
        filter: ``"nearest"``, ``"bilinear"``, ``"bicubic"`` or ``"lanczos"``, the last
            three antialiased.
        crop: After resizing keep the middle of this size (an int or (height, width));
            what is missing has `color`. For ``fit="crop"`` it is `size`.
        square: Center each image on a square canvas of `color` before it is resized.
        color: Of canvases: red, green, blue.
        layout: ``"HWC"`` (height, width, 3), ``"CHW"`` (3, height, width), or
            ``"patches"``, which gives `Patches`.
        dtype: ``"uint8"``, ``"float32"`` or ``"float16"`` (a float32, rounded).
        mean: Of each channel; subtracted. None for 0.
        std: Of each channel; divided by. None for 1.
        rescale_factor: None divides bytes by 255 in float32, as torchvision does. A number
            is multiplied in float64 and rounded to float32, as Hugging Face processors do.
        orientation: ``"exif"`` turns an image as its EXIF tag says. Keyframes have none.
        reducing_gap: Let the JPEG decoder scale down by 2, 4 or 8 as long as the image
            stays so many times larger than it will be resized to (1.0 or more): the same as
            Pillow's ``draft`` to ``(gap * width, gap * height)`` before the resize. Faster,
            not the same pixels. Only where JPEG bytes are decoded. None for never.
        patch_size: Pixels along a patch.
        merge_size: Patches along a square that the model merges.
        temporal_patch_size: How many times each patch is there.

    Raises:
        ValueError: A value is none of its choices, or does not go with another one.
        TypeError: A number is no number.

    The order of operations of the floats, in NumPy::

        values = pixels.astype(np.float32) / np.float32(255)
        values = (values - np.float32(mean)) / np.float32(std)

    >>> transform = ImageTransform(size=336, layout="CHW", dtype="float32")
    >>> transform(np.zeros((720, 1280, 3), np.uint8)).shape
    (3, 336, 336)
    """

    size: int | tuple[int, int] | PixelBudget | EdgeLimits | None
    fit: Fit = "stretch"
    filter: Filter = "bicubic"
    crop: int | tuple[int, int] | None = None
    square: bool = False
    color: Color = (0, 0, 0)
    layout: Layout = "HWC"
    dtype: DType = "uint8"
    mean: Triple | None = None
    std: Triple | None = None
    rescale_factor: float | None = None
    orientation: Literal["exif"] | None = None
    reducing_gap: float | None = None
    patch_size: int = 14
    merge_size: int = 2
    temporal_patch_size: int = 2
    _core: _core.Transform = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        _check_choices(self)
        _check_sizes(self)
        _check_values(self)
        _check_patches(self)
        core = _core.Transform(
            squared=self.square,
            resize=_resize(self),
            frame=_frame(self),
            filter=self.filter,
            color=self.color,
            layout=_layout(self),
            normalization=_normalization(self),
            oriented=self.orientation is not None,
            reducing_gap=self.reducing_gap,
        )
        _set(self, "_core", core)

    def __reduce__(self) -> tuple[Any, ...]:
        names = [item.name for item in fields(self) if item.init]
        return _rebuild, (type(self), {name: getattr(self, name) for name in names})

    @classmethod
    def from_processor(cls, processor: Any) -> Transform:
        """The transform that does what a Hugging Face image processor does to one image.

        The pixels and floats are those of the processor's PIL backend, bit for bit. Its
        torchvision backend gives slightly different ones: see ``docs/transforms.md``.
        What a processor does to a batch (Idefics 2 pads images to the largest one) is
        left to the caller.

        Args:
            processor: An image processor of CLIP, SigLIP, LLaVA, Idefics 2 and 3, Qwen2-VL,
                Qwen2.5-VL or Qwen3-VL, or a processor that has one.

        Returns:
            An `ImageTransform`; for processors that cut images into tiles in their own way
            (Idefics 3, Idefics 2 with ``do_image_splitting``) a function that runs the
            processor on each decoded array.

        Raises:
            ValueError: The processor, or one of its settings, is not supported. The
                message names it.
        """
        from textbook_fast.processors import ProcessorTransform, settings_of

        settings = settings_of(processor)
        return settings if isinstance(settings, ProcessorTransform) else cls(**settings)

    def __call__(self, image: Image) -> Any:
        """The transformed image.

        The GIL is released while it works.

        Args:
            image: uint8 of shape (height, width, 3), RGB.

        Returns:
            An array of the layout's shape and the dtype, or `Patches`.

        Raises:
            TypeError: It is no such array.
            ValueError: It has no pixels, or cannot be transformed; the message says why.
        """
        if not isinstance(image, np.ndarray) or image.dtype != np.uint8:
            kind = f"an array of {image.dtype}" if isinstance(image, np.ndarray) else type(image)
            raise TypeError(f"an image is a uint8 array of shape (height, width, 3), not {kind}")
        if image.ndim != 3 or image.shape[2] != 3 or not image.size:  # noqa: PLR2004
            raise ValueError(
                f"an image has the shape (height, width, 3) and at least one pixel, not {image.shape}"
            )
        return self._core.apply(np.ascontiguousarray(image))

    def decode(self, data: BytesLike, *, truncated: Truncated = "raise") -> Any:
        """Decodes a JPEG and transforms it row by row on the way.

        Args:
            data: The bytes of the file.
            truncated: As of `decode_jpeg`.

        Returns:
            As of a call with the decoded image.

        Warns:
            DamagedJpegWarning: As of `decode_jpeg`.

        Raises:
            JpegError: It cannot be decoded, or (kind ``"transform"``) not transformed.
            TypeError: `data` is not bytes-like.
            ValueError: `truncated` is none of its choices.
        """
        image, error = self._core.decode(data, check_truncated(truncated))
        if error is not None:
            warn_of(error, stacklevel=2)
        return image

    @property
    def fixed_size(self) -> tuple[int, int] | None:
        """Height and width of every result; None where they depend on the image."""
        frame = _frame(self)[1]
        if frame:
            return frame[0], frame[1]
        if self.fit == "stretch" and isinstance(self.size, int | tuple):
            return _pair("size", self.size)
        return None

    def output_size(self, height: int, width: int) -> tuple[int, int]:
        """The height and width of what becomes of an image of this size.

        Raises:
            ValueError: It cannot be transformed.
        """
        return self._core.output_size(_positive("height", height), _positive("width", width))


def _set(instance: object, name: str, value: object) -> None:
    """Sets an attribute of a frozen dataclass that is being made."""
    object.__setattr__(instance, name, value)


def _rebuild(kind: type[ImageTransform], settings: dict[str, Any]) -> ImageTransform:
    return kind(**settings)


# --- checks


def _positive(name: str, value: object, *, most: int = MAX_SIDE) -> int:
    number = None if isinstance(value, bool) or not hasattr(value, "__index__") else value
    if number is None:
        raise TypeError(f"{name} must be an integer, not {value!r}")
    number = operator.index(number)
    if not 1 <= number <= most:
        raise ValueError(f"{name} must be from 1 to {most}, not {number}")
    return number


def _pair(name: str, value: object) -> tuple[int, int]:
    """A size as height and width."""
    if isinstance(value, Sequence) and not isinstance(value, str):
        if len(value) != 2:  # noqa: PLR2004
            raise ValueError(f"{name} must be a number or (height, width), not {value!r}")
        height, width = value
        return _positive(f"{name}'s height", height), _positive(f"{name}'s width", width)
    side = _positive(name, value)
    return side, side


def _triple(name: str, value: object) -> Triple:
    numbers = [value] * 3 if isinstance(value, int | float) else value
    try:
        triple = tuple(float(number) for number in numbers)  # type: ignore[attr-defined]
    except (TypeError, ValueError):
        raise TypeError(f"{name} must be three numbers, not {value!r}") from None
    if len(triple) != 3 or not all(map(math.isfinite, triple)):  # noqa: PLR2004
        raise ValueError(f"{name} must be three finite numbers, not {value!r}")
    return triple


def _check_choices(transform: ImageTransform) -> None:
    choices: dict[str, tuple[str | None, ...]] = {
        "fit": FITS,
        "filter": FILTERS,
        "layout": LAYOUTS,
        "dtype": DTYPES,
        "orientation": ("exif", None),
    }
    for name, good in choices.items():
        value = getattr(transform, name)
        if value not in good:
            listed = ", ".join(map(repr, good))
            raise ValueError(f"{name} must be one of {listed}, not {value!r}")
    size, fit = transform.size, transform.fit
    if fit != "stretch" and (size is None or isinstance(size, PixelBudget | EdgeLimits)):
        raise ValueError(
            f"fit={fit!r} needs size as a number or (height, width), not {size!r}, which says "
            "by itself how an image is resized"
        )
    if fit == "shortest" and not hasattr(size, "__index__"):
        raise ValueError(f"fit='shortest' needs size as one number, not {size!r}")
    if fit in {"crop", "pad"} and transform.crop is not None:
        raise ValueError(f"crop goes with fit='stretch' and fit='shortest', not with {fit!r}")


def _check_sizes(transform: ImageTransform) -> None:
    size = transform.size
    if isinstance(size, Sequence):
        _set(transform, "size", _pair("size", size))
    elif size is not None and not isinstance(size, PixelBudget | EdgeLimits):
        _set(transform, "size", _positive("size", size))
    if transform.crop is not None:
        _set(transform, "crop", _pair("crop", transform.crop))
    for name in ("patch_size", "merge_size", "temporal_patch_size"):
        _set(transform, name, _positive(name, getattr(transform, name), most=1024))
    gap = transform.reducing_gap
    if gap is not None and not (math.isfinite(gap) and gap >= 1):
        raise ValueError(f"reducing_gap must be 1.0 or more, or None, not {gap!r}")


def _check_values(transform: ImageTransform) -> None:
    color = tuple(operator.index(value) for value in transform.color)
    if len(color) != 3 or not all(0 <= value <= 255 for value in color):  # noqa: PLR2004
        raise ValueError(f"color must be three numbers from 0 to 255, not {transform.color!r}")
    _set(transform, "color", color)
    for name in ("mean", "std", "rescale_factor"):
        if getattr(transform, name) is None:
            continue
        if transform.dtype == "uint8":
            raise ValueError(f"{name} needs dtype 'float32' or 'float16', not 'uint8'")
        if name != "rescale_factor":
            _set(transform, name, _triple(name, getattr(transform, name)))
    if transform.std is not None and not np.all(np.array(transform.std, np.float32)):
        raise ValueError(f"std is divided by, so it must not be 0: {transform.std}")
    factor = transform.rescale_factor
    if factor is not None and not (math.isfinite(factor) and factor > 0):
        raise ValueError(f"rescale_factor must be a finite number above 0, not {factor!r}")


def _check_patches(transform: ImageTransform) -> None:
    if transform.layout != "patches":
        return
    size, multiple = transform.size, transform.patch_size * transform.merge_size
    hint = f"a multiple of patch_size * merge_size = {multiple}"
    frame = _frame(transform)[1]
    if isinstance(size, PixelBudget) and not frame:
        sides: list[int] = [size.multiple]
        what = "the PixelBudget's multiple"
    elif frame or (isinstance(size, int | tuple) and transform.fit == "stretch"):
        sides = frame or list(_pair("size", size))
        what = "each side"
    else:
        raise ValueError(
            f"layout='patches' needs a size whose sides are {hint}: a number, (height, width) "
            "or a PixelBudget"
        )
    for side in sides:
        if side % multiple:
            raise ValueError(f"with layout='patches' {what} must be {hint}, not {side}")


# --- settings as the core takes them


def _resize(transform: ImageTransform) -> tuple[str, list[int]]:
    size = transform.size
    if size is None:
        return "keep", []
    if isinstance(size, PixelBudget):
        return "budget", [size.min_pixels, size.max_pixels, size.multiple]
    if isinstance(size, EdgeLimits):
        return "within", [size.shortest, size.longest]
    kinds = {"stretch": "exact", "crop": "cover", "pad": "contain", "shortest": "cover"}
    return kinds[transform.fit], list(_pair("size", size))


def _frame(transform: ImageTransform) -> tuple[str, list[int]]:
    if transform.fit in {"crop", "pad"}:
        return transform.fit, list(_pair("size", transform.size))
    if transform.crop is not None:
        return "crop", list(_pair("crop", transform.crop))
    return "none", []


def _layout(transform: ImageTransform) -> tuple[str, list[int]]:
    if transform.layout != "patches":
        return transform.layout, []
    sizes = [transform.patch_size, transform.merge_size, transform.temporal_patch_size]
    return "patches", sizes


def _normalization(
    transform: ImageTransform,
) -> tuple[str, bytes, float, list[float], list[float]] | None:
    """What the 256 bytes become in each channel: the definition, and the steps that make
    them, by which the core calculates them if that gives the same.
    """
    if transform.dtype == "uint8":
        return None
    pixels = np.arange(256, dtype=np.uint8)
    factor = transform.rescale_factor
    if factor is None:
        values = pixels.astype(np.float32) / np.float32(255)
    else:
        values = (pixels.astype(np.float64) * factor).astype(np.float32)
    table = np.repeat(values[None], 3, axis=0)
    mean = np.array(transform.mean or (0, 0, 0), np.float32)
    std = np.array(transform.std or (1, 1, 1), np.float32)
    if transform.mean is not None:
        table -= mean[:, None]
    if transform.std is not None:
        table /= std[:, None]
    if transform.dtype == "float16":
        with np.errstate(over="ignore"):
            table = table.astype(np.float16)
    factor = 1 / 255 if factor is None else factor
    return transform.dtype, table.tobytes(), factor, mean.tolist(), std.tolist()
