"""The look of all pages: light and dark, wide and narrow. Colors have a contrast of at
least 4.5 to 1 on their ground (WCAG 2.2, AA).
"""

from __future__ import annotations

__all__ = ["PAGE_STYLE", "THEME_STYLE"]

LIGHT = """
  --ground: #ffffff; --raised: #f4f5f7; --line: #d5d9e0; --ink: #1b1f27;
  --quiet: #545b69; --link: #0b57c2; --accent: #0b57c2; --mark: #ffe08a; --mark-ink: #1b1f27;
  --warn: #a3260f; --warn-ground: #fdeceb; color-scheme: light;
"""
DARK = """
  --ground: #14171c; --raised: #1f242c; --line: #39414e; --ink: #e8eaee;
  --quiet: #a7afbd; --link: #8ab8ff; --accent: #8ab8ff; --mark: #6b5300; --mark-ink: #fff6dc;
  --warn: #ffab9e; --warn-ground: #3a1d1a; color-scheme: dark;
"""


def theme_style(scope: str) -> str:
    """Variables of both themes below an element: the system's choice, unless
    ``data-theme`` says otherwise.
    """
    return (
        f"{scope} {{{LIGHT}}}\n"
        f"@media (prefers-color-scheme: dark) {{ {scope} {{{DARK}}} }}\n"
        f'{scope}[data-theme="light"] {{{LIGHT}}}\n'
        f'{scope}[data-theme="dark"] {{{DARK}}}\n'
    )


THEME_STYLE = theme_style(":root")

# What a sample looks like, in the viewer and in a notebook alike.
SAMPLE_STYLE = """
.tf-items { display: flex; flex-direction: column; gap: 1rem; margin: 0; padding: 0;
  list-style: none; }
.tf-item { margin: 0; }
.tf-image { margin: 0; }
.tf-image img { display: block; max-width: 100%; height: auto; border: 1px solid var(--line);
  border-radius: 6px; background: var(--raised); }
.tf-image figcaption { color: var(--quiet); font-size: .85em; margin-top: .3rem; }
.tf-text { margin: 0; white-space: pre-wrap; overflow-wrap: anywhere; unicode-bidi: isolate; }
.tf-ocr { margin: .4rem 0 0; color: var(--quiet); font-size: .92em; }
.tf-ocr summary { cursor: pointer; }
.tf-ocr p { white-space: pre-wrap; overflow-wrap: anywhere; unicode-bidi: isolate;
  border-left: 3px solid var(--line); margin: .4rem 0; padding-left: .8rem; }
.tf-missing { border: 1px dashed var(--warn); border-radius: 6px; padding: .8rem 1rem;
  color: var(--warn); background: var(--warn-ground); overflow-wrap: anywhere; margin: 0; }
.tf-note { color: var(--quiet); }
.tf a { color: var(--link); }
.tf mark { background: var(--mark); color: var(--mark-ink); border-radius: 2px; }
"""

PAGE_STYLE = (
    THEME_STYLE
    + SAMPLE_STYLE
    + """
* { box-sizing: border-box; }
body { margin: 0; background: var(--ground); color: var(--ink);
  font: 16px/1.55 system-ui, sans-serif; }
a { color: var(--link); }
a:focus-visible, button:focus-visible, input:focus-visible, select:focus-visible,
summary:focus-visible { outline: 3px solid var(--accent); outline-offset: 2px; }
h1 { font-size: 1.35rem; line-height: 1.3; margin: 0 0 .6rem; overflow-wrap: anywhere; }
h2 { font-size: 1.05rem; margin: 1.4rem 0 .5rem; }
table { border-collapse: collapse; }
th, td { text-align: left; padding: .25rem .7rem .25rem 0; vertical-align: top;
  overflow-wrap: anywhere; }
th { color: var(--quiet); font-weight: 500; }
.page { max-width: 72rem; margin: 0 auto; padding: 1rem; }
"""
)
