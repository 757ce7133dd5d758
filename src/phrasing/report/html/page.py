"""The whole report as one HTML file: no request to anywhere, and nothing in it acts but the page's own script.

Templates are those in the folder beside this file; a project's own ``reports/templates`` go before them, file by file. They run
sandboxed. All texts are escaped by Jinja or put in as text by the script. A Content-Security-Policy names the hashes of that
script and of the styles, so nothing else runs or loads, whatever a model answered.
"""

from __future__ import annotations

import base64
import hashlib
import traceback
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import Any

from phrasing.analysis.figures import Figures
from phrasing.analysis.report_data import Report
from phrasing.errors import UserError, shorten
from phrasing.records import Result
from phrasing.report import sections
from phrasing.report.charts import vega
from phrasing.report.charts.vega import MISSING, drawable
from phrasing.report.html import links, trials
from phrasing.report.html.links import Links
from phrasing.report.text import answer

TEMPLATES = "reports/templates"
"""Where a project's own templates lie, and what messages call ours, too."""


@dataclass(frozen=True)
class Shown:
    """A run as the page shows it. ``name`` tells runs apart.

    ``figures`` has those of each of the report's ``parts``; ``prompts`` is what ``store.prompts`` reads, or ``None`` for a
    recording, which keeps none. ``steps`` are the results of single steps, where agents are run to their end.
    """

    name: str
    report: Report
    figures: Sequence[Figures]
    results: Mapping[str, Result]
    prompts: Mapping[str, Any] | None
    steps: Mapping[str, Result] = field(default_factory=dict)


def html(shown: Sequence[Shown], *, templates: Path | None = None, budget: int = trials.BUDGET) -> str:
    """Write the page. ``templates`` is a folder whose files replace ours of the same name.

    Raises ``UserError`` for a template that can't be used. Equal results give equal bytes, whatever their order. ``budget`` is
    how many characters the trials of all runs may take.
    """
    import jinja2
    from jinja2.sandbox import SandboxedEnvironment

    ours = resources.files("phrasing.report.html").joinpath("templates").iterdir()
    found = {file.name: file.read_text("utf-8") for file in ours if file.name.startswith("report.")}
    files = {name: f"{TEMPLATES}/{name}" for name in found}
    if templates is not None:
        own = sorted(templates.glob("report.*"))
        found |= {path.name: path.read_text("utf-8") for path in own}
        files |= {path.name: str(path) for path in own}
    environment = SandboxedEnvironment(
        loader=jinja2.FunctionLoader(lambda name: (found[name], files[name], None) if name in found else None),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    script, style = found["report.js"], f"{found['report.css']}\n{_dark()}"
    try:
        return environment.get_template("report.html.j2").render(
            runs=[_run(one, number, budget // len(shown)) for number, one in enumerate(shown)],
            script=_raw(script),
            style=_raw(style),
            policy=f"default-src 'none'; script-src '{_hash(script)}'; style-src '{_hash(style)}'; "
            "base-uri 'none'; form-action 'none'",
        )
    except Exception as error:
        where = _line(error, files.values())
        if where is None:  # it isn't the template's
            raise
        raise UserError(f"the template can't be used: {shorten(str(error))}", where=where) from None


def _line(error: Exception, files: Collection[str]) -> str | None:
    """Name the line of a template, of those in ``files``, at which it failed."""
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename in files]
    return f"{frames[-1].filename}:{frames[-1].lineno}" if frames else None


def _raw(text: str) -> Any:
    """Mark the page's own script or style as such. Neither may end its element."""
    from markupsafe import Markup

    if "</" in text.replace("<\\/", ""):
        raise UserError("report.js and report.css mustn't hold '</': it would end their element")
    return Markup(text)


def _hash(text: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"


def _dark() -> str:
    """Write the rules that give charts, which are drawn once, the colours of a dark page."""
    rules = [
        f'  .chart [{attribute}="{light}"] {{ {attribute}: {dark}; }}'
        for light, dark in sorted(vega.DARK.items())
        for attribute in ("fill", "stroke")
    ]
    return "\n".join(["@media screen and (prefers-color-scheme: dark) {", *rules, "}"])


# ---------------------------------------------------------------------------------------------- a run


def _run(shown: Shown, number: int, budget: int) -> dict[str, Any]:
    found, record = shown.report, shown.report.record
    names = {row["variant"]: found.label(row["variant"]) for part in found.parts for row in part.variants}
    packed = trials.pack(record, shown.results, shown.prompts, names, steps=shown.steps, budget=budget)
    parts: list[dict[str, Any]] = []
    for place, (part, figures) in enumerate(zip(found.parts, shown.figures, strict=True)):
        lead = Links(found.label, packed.numbers, labels=("logged" if part.agreement else "judged") if found.logged else "")
        title = sections.AGREEMENT if part is found.logged else ""
        parts.append({"title": title, "id": f"r{number}p{place}", "sections": list(links.of(part, figures, lead))})
    if not drawable():
        for section in parts[0]["sections"][:1]:
            section["told"] = [*section["told"], f"{MISSING}."]
    return {
        "id": f"r{number}",
        "name": shown.name,
        "suite": record.suite,
        "question": found.description,
        "answer": answer(found).split("\n\n"),
        "common": found.common,
        "facts": sections.facts(found),
        "parts": parts,
        "gates": links.gates(found, Links(found.label, packed.numbers)),
        "packed": packed,
        "loops": record.loops,
    }
