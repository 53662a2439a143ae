"""A fast, dependable loader of interleaved image-text data."""

from textbook_fast._core import __version__

__all__ = ["__version__"]
