"""The program, as ``phrasing`` and ``python -m phrasing``: what is set for a whole process, which only here is ours."""

from __future__ import annotations

import codecs
import gc
import io
import os
import sys

LIKE = {"×": "x", "−": "-", "–": "-", "—": "-", "…": "...", "→": "->", "─": "-", "│": "|", "±": "+/-", "≈": "~", "·": "."}
LIKE["↵"] = r"\n"
"""What is printed for a sign of ours that an encoding doesn't have."""


def main() -> None:
    """Run the command line in this process."""
    # What is run here lies in the working folder, which may be anybody's: neither this process nor one that it starts imports it.
    os.environ["PYTHONSAFEPATH"] = "1"
    from phrasing import cli

    # What a verb reads it keeps to its end, and little of it is in cycles: to look for some as often as Python does takes a third
    # of the time of a report on 100,000 trials.
    gc.set_threshold(100_000, 50, 100)
    codecs.register_error("phrasing", _alike)
    for stream in (sys.stdout, sys.stderr):  # some terminals and pipes, on Windows above all, have no UTF-8
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="phrasing")
    cli.main()


def _alike(error: UnicodeError) -> tuple[str, int]:
    """Print what an encoding doesn't have as a sign like it, or as its number."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    missing = error.object[error.start : error.end]
    return "".join(LIKE.get(sign) or sign.encode("ascii", "backslashreplace").decode() for sign in missing), error.end


if __name__ == "__main__":
    if not sys.flags.safe_path:
        del sys.path[0]
    main()
