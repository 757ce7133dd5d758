"""``python -m phrasing`` is the command line."""

from __future__ import annotations

from phrasing.cli import main

if __name__ == "__main__":
    main()
