"""Outputs as a suite writes them: a mode alone, or ``prompted`` with notations, as in ``prompted(typescript yaml)``."""

from __future__ import annotations

import re
from typing import get_args

from phrasing.errors import unknown
from phrasing.suite.functions import NAME
from phrasing.types import Mode, Output

NOTED: Mode = "prompted"
"""The one mode that takes notations: under the others the provider writes the schema, or enforces the answer's notation."""

_WRITTEN = re.compile(rf"(?P<mode>\w+)(?:\((?P<names>{NAME.pattern}(?: {NAME.pattern})?)\))?")


def check(written: str) -> Output:
    """Give an output back that is written as one. Raises ``ValueError`` for anything else, whatever notations there are."""
    match = _WRITTEN.fullmatch(written)
    modes = get_args(Mode)
    if match is None:
        example = f"such as {NOTED}(yaml) or {NOTED}(typescript yaml)"
        raise ValueError(
            f"{written!r} is no output; wanted a mode, or {NOTED} with one or two notations, a space between, {example}"
        )
    if match["mode"] not in modes:
        raise ValueError(unknown("output", match["mode"], modes))
    if match["names"] and match["mode"] != NOTED:
        why = "offers steps as tools" if match["mode"].startswith("tool") else "has the provider enforce JSON"
        raise ValueError(f"{written!r}: {match['mode']} {why}, so it takes no notation; {NOTED} does")
    return written


def notations_of(output: Output) -> tuple[str, ...]:
    """Name the notations of an output: one, two or none."""
    return tuple(output.partition("(")[2].rstrip(")").split())
