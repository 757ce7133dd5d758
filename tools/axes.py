"""Write reports/tokens/axes.md: which part of a trace's phrasing saves tokens, on public multi-turn conversations.

``python tools/axes.py`` runs the conversations of ``bfcl.py``, counts them in every format of ``evals/axes.yaml``, and asks no
model. A test holds the page.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path

import pages

from phrasing.costs import trace_files
from phrasing.costs.tables import number, ratio
from phrasing.costs.token_totals import TokenTotals
from phrasing.prompts import formats
from phrasing.prompts.yaml import dump
from phrasing.report import text
from phrasing.suite.file import load_suite
from phrasing.tokenizers import tokenizer

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "reports" / "tokens" / "axes.md"
SUITE = ROOT / "evals" / "axes.yaml"
FILES = {
    "multi_turn_base": "Base: short results",
    "multi_turn_long_context": "Long context: the same conversations with long results",
}
O200K, CL100K = "o200k_base", "cl100k_base"
MOST = 5
"""How many types of result are named."""

HEAD = """# Which part of a trace's phrasing saves tokens?

The 400 multi-turn conversations of the Berkeley Function Calling Leaderboard (`bfcl-eval` 2026.3.23, Apache-2.0): what a
person says, the calls of the ground truth, and what the package's own simulated APIs answer. Each thread alone, without
instructions or schema, in every format of [evals/axes.yaml](../../evals/axes.yaml): `trace`, which is `xml_yaml`, one of its
parameters changed at a time, and formats that change everything at once. Nothing here says what a model makes of it. Written
by `python tools/axes.py`, which asks none.

*ratio* is to `trace`: all tokens, framing included, with a 95 % interval over conversations. Long threads weigh most in it,
so look at the median, too.
"""


def page() -> str:
    """Run the conversations, count them, and write the page."""
    parts = [HEAD]
    found: dict[str, TokenTotals] = {}
    for category, title in FILES.items():
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "threads.jsonl")
            # in a process of its own, because it changes the time zone and what can be imported
            subprocess.run([sys.executable, Path(__file__).with_name("bfcl.py"), category, path], check=True, capture_output=True)
            suite = load_suite(SUITE).suite
            job = trace_files.Job(ROOT / "formats", tuple(suite.formats), (O200K, CL100K), baseline=suite.baseline["format"])
            counted = trace_files.count_file(path, job)
            assert not counted.bad
            found[category] = counted.totals
            parts += [f"## {title}\n", _table(counted.totals), _where_yaml_loses(path)]
    return "\n".join([*parts, "## What the saving is made of\n", *_reading(found)]) + "\n"


def _table(tally: TokenTotals) -> str:
    rows = []
    for variant in tally.variants():
        sums, other = tally.columns[variant, O200K], tally.ratio((variant, CL100K))
        sizes = (sums.mean, sums.quantile(0.5), sums.characters / sums.n)
        ratios = (ratio(tally.ratio((variant, O200K))), "–" if other is None else f"×{other.value:.3f}")
        rows.append((variant, *(number(size, 0) for size in sizes), *ratios))
    headers = ("format", "mean tokens", "median", "characters", "ratio, o200k (95 %)", "ratio, cl100k")
    return "\n".join(text.table(headers, rows)) + "\n"


def _where_yaml_loses(path: Path) -> str:
    """Say which results cost most more as YAML than as compact JSON."""
    as_yaml, as_json, number = Counter[str](), Counter[str](), Counter[str]()
    for line in path.read_text("utf-8").splitlines():
        for event in json.loads(line)["thread"]["events"]:
            if event["role"] == "result" and not isinstance(event["data"], str):
                as_yaml[event["type"]] += tokenizer.count_text(dump(event["data"]))
                as_json[event["type"]] += tokenizer.count_text(formats.json_text(event["data"]))
                number[event["type"]] += 1
    worst = sorted(as_yaml, key=lambda name: (as_json[name] - as_yaml[name], name))[:MOST]
    rows = [
        (name, str(number[name]), *(f"{n:,}" for n in (as_yaml[name], as_json[name], as_yaml[name] - as_json[name])))
        for name in worst
    ]
    cheaper = sum(as_yaml[name] < as_json[name] for name in as_yaml)
    told = (
        f"Where YAML loses most against compact JSON: {sum(number.values()):,} results alone, those that are text left out. "
        f"{cheaper} of {len(number)} types take fewer tokens as YAML.\n\n"
    )
    return told + "\n".join(text.table(("result", "number", "as YAML", "as JSON", "difference"), rows)) + "\n"


ALONE = {
    "repeating the intent": "trace(intent=yes)",
    "naming the call": "trace(call=yes)",
    "indentation": "trace(indent=2)",
    "tags with an attribute": "trace(tag=attribute)",
    "brackets for tags": "trace(tag=bracket)",
    "headings, which nothing closes, for tags": "trace(tag=heading)",
    "no blank lines": "trace(separator=line)",
}
"""What else changes in a trace, one thing at a time."""


def _reading(found: dict[str, TokenTotals]) -> list[str]:
    """Say how much is compaction, how much is XML, and what each axis costs, from the tallies."""
    said = []
    for category, tally in found.items():
        total = {variant: tally.columns[variant, O200K].total for variant in tally.variants()}
        alone = (f"{what} {_change(total, variant, 'trace')}" for what, variant in ALONE.items())
        others = (f"{name} {_change(total, name, 'json')}" for name in ("toon", "yaml", "markdown"))
        said += [
            f"**{FILES[category].partition(':')[0]}.** From indented JSON to the trace: "
            f"{_change(total, 'trace', 'json_pretty')}. Of that:",
            "",
            f"- *Compaction*, the same JSON without white space: {_change(total, 'json', 'json_pretty')}.",
            f"- *XML*, tags around compact JSON instead of a list of it: {_change(total, 'trace(body=json)', 'json')}.",
            f"- *YAML* instead of compact JSON in the tags: {_change(total, 'trace', 'trace(body=json)')}.",
            "",
            f"Against the trace, one thing at a time: {', '.join(alone)}. Against compact JSON: {', '.join(others)}.",
            "",
        ]
    return said


def _change(total: dict[str, int], variant: str, to: str) -> str:
    return f"{100 * (total[variant] / total[to] - 1):+.1f} %".replace("-", "−")


def main(words: list[str]) -> int:
    """Write the page; with ``--check``, only say whether it is as it should be."""
    return pages.keep(PAGE, page(), words)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
