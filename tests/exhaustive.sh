#!/usr/bin/env bash
# The whole comparison of our JPEG decoder with libjpeg-turbo: about an hour on two cores.
# Needs the dev extra and Debian's libjpeg-turbo-progs; takes real keyframes from the
# folder TEXTBOOK_FAST_KEYFRAMES. Arguments go to jpeg_exhaustive.py (--help lists them):
# --write puts the result into docs/exactness.md, --part 0.01 tries a hundredth.
set -euo pipefail
cd "$(dirname "$0")"
exec python jpeg_exhaustive.py "$@"
