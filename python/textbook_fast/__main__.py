"""``python -m textbook_fast``: the command line."""

import sys

from textbook_fast.cli import main

sys.exit(main())
