"""The viewer's own layout, beside what all pages share."""

from __future__ import annotations

from textbook_fast.viewer.style import PAGE_STYLE

__all__ = ["VIEWER_STYLE"]

VIEWER_STYLE = (
    PAGE_STYLE
    + """
.skip { position: absolute; left: -100rem; }
.skip:focus { left: 1rem; top: .5rem; background: var(--ground); padding: .3rem .6rem; z-index: 2; }
.hidden { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); }
.bar { display: flex; flex-wrap: wrap; gap: .6rem 1rem; align-items: center; padding: .6rem 1rem;
  border-bottom: 1px solid var(--line); background: var(--raised); }
.bar form { display: flex; gap: .4rem; min-width: 0; }
.bar input { min-width: 0; flex: 1 1 9rem; width: 11rem; }
.home { font-weight: 600; margin-right: auto; overflow-wrap: anywhere; }
input, select, button { font: inherit; color: var(--ink); background: var(--ground);
  border: 1px solid var(--quiet); border-radius: 6px; padding: .3rem .6rem; max-width: 100%; }
button { background: var(--raised); cursor: pointer; }
.filter { display: flex; flex-wrap: wrap; gap: .6rem 1rem; align-items: end; margin: 0 0 1rem; }
.filter label { display: flex; flex-wrap: wrap; gap: .4rem; align-items: center; }
.cards, .grid { list-style: none; margin: 0; padding: 0; display: grid; gap: 1rem;
  grid-template-columns: repeat(auto-fill, minmax(min(15rem, 100%), 1fr)); }
.cards li, .grid li { border: 1px solid var(--line); border-radius: 8px; padding: .7rem;
  min-width: 0; overflow-wrap: anywhere; }
.cards img, .grid img { width: 100%; aspect-ratio: 16 / 9; object-fit: contain; display: block;
  background: var(--raised); border-radius: 4px; margin-bottom: .4rem; }
.cards p { margin: .3rem 0 0; font-size: .92rem; }
.cards strong { display: block; }
.grid span { font-size: .85rem; color: var(--quiet); }
.turn { display: flex; flex-wrap: wrap; gap: .4rem 1.2rem; margin: .4rem 0 1rem; }
.columns { display: grid; grid-template-columns: minmax(0, 3fr) minmax(15rem, 1fr); gap: 2rem; }
aside { font-size: .9rem; }
aside h2:first-child { margin-top: 0; }
aside th { white-space: normal; min-width: 6rem; }
.hits p { margin: .2rem 0 .8rem; overflow-wrap: anywhere; unicode-bidi: isolate; }
@media (max-width: 52rem) {
  .columns { grid-template-columns: minmax(0, 1fr); }
  .bar form { flex: 1 1 100%; }
  .keys { display: none; }
}
"""
)
