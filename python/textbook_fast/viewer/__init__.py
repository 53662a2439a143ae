"""Samples and statistics as HTML: for notebooks, as one page, and from a local server.

Only `textbook_fast.viewer.server` needs the `viewer` extra. Nothing here reads files:
it takes what the public Python API gives.
"""
