"""Text of a dataset as HTML: nothing in it is ever markup, and nothing is lost on the way."""

from __future__ import annotations

import re
from html import escape

__all__ = ["escaped", "marked", "paragraph", "representable"]

# What HTML cannot hold is shown as the sign that Unicode has for it (U+2400 on).
CONTROLS = {code: 0x2400 + code for code in range(0x20) if chr(code) not in "\n\t"} | {0x7F: 0x2421}
SURROGATES = re.compile("[\ud800-\udfff]")
LONGEST = 20_000


def representable(text: str) -> str:
    """The text with what neither HTML nor UTF-8 can hold replaced; not escaped."""
    return SURROGATES.sub("\ufffd", text.translate(CONTROLS))


def escaped(text: str) -> str:
    """The text, harmless in an element and in an attribute in quotes."""
    return escape(representable(text))


def marked(text: str, start: int, end: int) -> str:
    """The text with the part from `start` to `end` marked."""
    before, found, after = text[:start], text[start:end], text[end:]
    return f"{escaped(before)}<mark>{escaped(found)}</mark>{escaped(after)}"


def paragraph(text: str, *, whole: bool) -> str:
    """A paragraph in the text's own direction. Of a very long one the rest is folded away,
    or left out where not the `whole` is wanted.
    """
    shown, rest = text[:LONGEST], text[LONGEST:]
    html = f'<p class="tf-text" dir="auto">{escaped(shown)}</p>'
    if not rest:
        return html
    count = f"{len(rest):,} more characters"
    if not whole:
        return f'{html}<p class="tf-note">… {count}</p>'
    more = f'<p class="tf-text" dir="auto">{escaped(rest)}</p>'
    return f"{html}<details><summary>{count}</summary>{more}</details>"
