"""JPEG decoders by what they are asked for: ours and the peers, each as fast as it can be.

A maker imports its package, or skips the benchmark and names it, and returns a function of
the encoded bytes.
"""

from __future__ import annotations

import io
import warnings
from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
from peers import peer, pillow_decode

from textbook_fast import decode_jpeg, read_jpeg_header
from textbook_fast.jpeg import Image

Decode: TypeAlias = Callable[[bytes], Any]
Maker: TypeAlias = Callable[[], Decode]


def _cv2(flag: str) -> Maker:
    def make() -> Decode:
        cv2 = peer("cv2")
        flags = getattr(cv2, flag)
        return lambda data: cv2.imdecode(np.frombuffer(data, np.uint8), flags)

    return make


def _imagecodecs(**options: Any) -> Maker:
    def make() -> Decode:
        jpeg8_decode = peer("imagecodecs").jpeg8_decode
        return lambda data: jpeg8_decode(data, **options)

    return make


def _kornia() -> Decode:
    decode = peer("kornia_rs").io.decode_image_jpegturbo
    return lambda data: np.asarray(decode(data, "rgb"))


def _torchvision(mode: str) -> Maker:
    def make() -> Decode:
        peer("torchvision")
        import torch
        from torchvision.io import ImageReadMode, decode_jpeg

        torch.set_num_threads(1)
        warnings.filterwarnings(
            "ignore", message="The image decoding .* TorchVision are deprecated"
        )
        wanted = ImageReadMode[mode]

        def decode(data: bytes) -> Any:
            with warnings.catch_warnings(action="ignore"):  # of memory that is not writable
                tensor = torch.frombuffer(data, dtype=torch.uint8)
            return decode_jpeg(tensor, mode=wanted).permute(1, 2, 0).numpy()

        return decode

    return make


def _torchcodec(mode: str) -> Maker:
    def make() -> Decode:
        decoders = peer("torchcodec.decoders")
        import torch

        torch.set_num_threads(1)
        wanted = decoders.ImageReadMode[mode]

        def decode(data: bytes) -> Any:
            with warnings.catch_warnings(action="ignore"):  # of memory that is not writable
                tensor = torch.frombuffer(data, dtype=torch.uint8)
            return decoders.decode_jpeg(tensor, mode=wanted).permute(1, 2, 0).numpy()

        return decode

    return make


def _draft(mode: str, scale: int) -> Maker:
    def decode(data: bytes) -> Image:
        from PIL import Image as PillowImage

        image = PillowImage.open(io.BytesIO(data))
        image.draft(mode, (image.width // scale, image.height // scale))
        return np.asarray(image.convert(mode))

    return lambda: decode


def _simplejpeg(scale: int = 1, **options: Any) -> Maker:
    def make() -> Decode:
        simplejpeg = peer("simplejpeg")
        if scale == 1:
            return lambda data: simplejpeg.decode_jpeg(data, **options)

        def decode(data: bytes) -> Any:
            height, width, *_ = simplejpeg.decode_jpeg_header(data)
            sizes = {"min_height": height // scale, "min_width": width // scale}
            return simplejpeg.decode_jpeg(data, **sizes, **options)

        return decode

    return make


def _ours(**options: Any) -> Maker:
    return lambda: lambda data: decode_jpeg(data, **options)


def _reused(write: Callable[[], Callable[[bytes, Image], Any]]) -> Maker:
    """Into one array for each size of picture."""

    def make() -> Decode:
        into = write()
        arrays: dict[bytes, Image] = {}
        by_shape: dict[tuple[int, ...], Image] = {}

        def decode(data: bytes) -> Any:
            array = arrays.get(data)
            if array is None:
                header = read_jpeg_header(data)
                shape = (header.height, header.width, 3)
                array = by_shape.setdefault(shape, np.empty(shape, np.uint8))
                arrays[data] = array
            return into(data, array)

        return decode

    return make


def _simplejpeg_into() -> Any:
    module = peer("simplejpeg")
    return lambda data, array: module.decode_jpeg(data, buffer=array)


def _imagecodecs_into() -> Any:
    module = peer("imagecodecs")
    return lambda data, array: module.jpeg8_decode(data, out=array)


GROUPS: dict[str, dict[str, Maker]] = {
    "a fresh array each": {
        "textbook_fast": _ours(),
        "simplejpeg": _simplejpeg(),
        "imagecodecs": _imagecodecs(),
        "cv2": _cv2("IMREAD_COLOR_RGB"),
        "kornia_rs": _kornia,
        "torchvision": _torchvision("RGB"),
        "torchcodec": _torchcodec("RGB"),
        "Pillow": lambda: pillow_decode,
    },
    "a reused array": {
        "textbook_fast": _reused(lambda: lambda data, array: decode_jpeg(data, out=array)),
        "simplejpeg": _reused(_simplejpeg_into),
        "imagecodecs": _reused(_imagecodecs_into),
    },
    "half the size": {
        "textbook_fast": _ours(scale=2),
        "simplejpeg": _simplejpeg(2),
        "cv2": _cv2("IMREAD_REDUCED_COLOR_2"),
        "Pillow": _draft("RGB", 2),
    },
    "a quarter": {
        "textbook_fast": _ours(scale=4),
        "simplejpeg": _simplejpeg(4),
        "cv2": _cv2("IMREAD_REDUCED_COLOR_4"),
        "Pillow": _draft("RGB", 4),
    },
    "an eighth": {
        "textbook_fast": _ours(scale=8),
        "simplejpeg": _simplejpeg(8),
        "cv2": _cv2("IMREAD_REDUCED_COLOR_8"),
        "Pillow": _draft("RGB", 8),
    },
    "gray": {
        "textbook_fast": _ours(color="gray"),
        "simplejpeg": _simplejpeg(colorspace="GRAY"),
        "imagecodecs": _imagecodecs(outcolorspace="GRAYSCALE"),
        "cv2": _cv2("IMREAD_GRAYSCALE"),
        "torchvision": _torchvision("GRAY"),
        "torchcodec": _torchcodec("GRAY"),
        "Pillow": _draft("L", 1),
    },
}


def difference(ours: Any, theirs: Any) -> int:
    """By how many levels two pictures differ at most; their shapes have to be the same.

    OpenCV's smaller sizes come in BGR.
    """
    ours, theirs = np.squeeze(ours).astype(np.int16), np.squeeze(theirs).astype(np.int16)
    assert ours.shape == theirs.shape, (ours.shape, theirs.shape)
    found = int(np.abs(ours - theirs).max())
    if found and ours.ndim == 3:
        found = min(found, int(np.abs(ours - theirs[..., ::-1]).max()))
    return found
