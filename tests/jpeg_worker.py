"""Decodes what comes on standard input, in a process of its own: another level of SIMD.

Reads pickled lists of streams, writes for each a pickled list of results as
`jpeg_compare.decode` gives them. Ends with its input.
"""

from __future__ import annotations

import pickle
import sys

from jpeg_compare import decode


def main() -> None:
    """Answers batch after batch."""
    while True:
        try:
            streams = pickle.load(sys.stdin.buffer)
        except EOFError:
            return
        pickle.dump([decode(data) for data in streams], sys.stdout.buffer)
        sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()
