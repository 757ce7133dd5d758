"""How answers are read, kind by kind: the tables between the marks of docs/scorers.md, from the answers that a test holds.

``python tools/answers.py`` writes them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml
from pages import fill

from phrasing.files import write_text
from phrasing.report import text
from phrasing.types import VALID_FORMS

ROOT = Path(__file__).parent.parent
ANSWERS, PAGE = Path("tests", "score", "answers.yaml"), Path("docs", "scorers.md")
HEADERS = ("the answer", "in text", "is read as", "form, marks", "valid", "correct", "forbidden", "as a call")


def parts(root: Path) -> dict[str, str]:
    """Write each part of the page, by the name of its marks."""
    kinds = yaml.safe_load((root / ANSWERS).read_text("utf-8"))["kinds"]
    return {"answers": "\n\n".join(line for kind, answers in kinds.items() for line in _kind(kind, answers))}


def _kind(kind: str, answers: list[dict[str, Any]]) -> Iterator[str]:
    yield f"### {kind[0].upper()}{kind[1:]}"
    lines = [HEADERS, ["---"] * len(HEADERS), *(_row(answer) for answer in answers)]
    yield "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _row(answer: Mapping[str, Any]) -> list[str]:
    output = answer.get("output", "prompted")
    under = "" if output == "prompted" else f" (under `{output}`)"
    return [
        text.escape(f"{answer['says']}{under}"),
        _code(answer["text"]) if "text" in answer else "",
        _read_as(answer),
        ", ".join([answer.get("form", "unparsable"), *(f"`{mark}`" for mark in answer.get("marks", ()))]),
        "1" if answer.get("form") in VALID_FORMS else "0",
        str(answer.get("correct", 0)),
        str(answer.get("forbidden", 0)),
        _as_a_call(answer),
    ]


def _read_as(answer: Mapping[str, Any]) -> str:
    read = _step(answer["step"]) if "step" in answer else f"no step: `{answer['stage']}`"
    further = [_step(step) for step in answer.get("further", ())]
    return "; beside it ".join([read, *([", ".join(further)] if further else [])])


def _as_a_call(answer: Mapping[str, Any]) -> str:
    if "calls" not in answer:
        return ""
    if "text" not in answer:
        return ", ".join(_code(f"{name}({arguments})") for name, arguments in answer["calls"])
    other = answer.get("as_call", {})
    return " ".join([other.get("form", ""), f"`{other['stage']}`" if "stage" in other else ""]).strip() or "the same"


def _step(step: Mapping[str, Any]) -> str:
    args = ", ".join(f"{name}: {json.dumps(value, ensure_ascii=False)}" for name, value in step.get("args", {}).items())
    return _code(f"{step['intent']}({args})")


def _code(said: str) -> str:
    """Write a text as code in a cell of a table."""
    fence = "`" * (max(map(len, re.findall("`+", said)), default=0) + 1)
    shown = said.rstrip("\n").replace("|", "\\|").replace("\n", " ⏎ ")
    space = " " if shown.startswith("`") or shown.endswith("`") else ""
    return f"{fence}{space}{shown}{space}{fence}"


def main() -> None:
    write_text(ROOT / PAGE, [fill(ROOT / PAGE, parts(ROOT))])


if __name__ == "__main__":
    main()
