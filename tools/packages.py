"""Write the map of packages in CONTRIBUTING.md from their docstrings. ``--check`` only says whether it is stale (exit code 1)."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

from pages import fill

ROOT = Path(__file__).parent.parent
SOURCE = ROOT / "src" / "phrasing"
PAGE = ROOT / "CONTRIBUTING.md"


def charter(package: Path) -> str:
    """Give the first sentence of a package's docstring, or of a module's."""
    file = package / "__init__.py" if package.is_dir() else package
    text = ast.get_docstring(ast.parse(file.read_text("utf-8"))) or ""
    return " ".join(text.partition("\n\n")[0].split()).replace("``", "`")


def table() -> str:
    """Write a row a package, then one for the modules at the top."""
    packages = sorted(path for path in SOURCE.iterdir() if (path / "__init__.py").is_file())
    rows = [f"| `{path.name}/` | {charter(path)} |" for path in packages]
    modules = (path.stem for path in sorted(SOURCE.glob("*.py")) if not path.stem.startswith("__"))
    top = ", ".join(f"`{name}`" for name in modules)
    return "\n".join(
        ["| where | what is in it |", "| --- | --- |", *rows, f"| at the top | {top}: what everything else speaks of |"]
    )


def main(words: list[str]) -> int:
    """Write the page, or say whether it is stale."""
    made = fill(PAGE, {"packages": table()})
    if made == PAGE.read_text("utf-8"):
        return 0
    print(f"{'stale' if '--check' in words else 'wrote'}: {PAGE.relative_to(ROOT)}")
    if "--check" in words:
        return 1
    PAGE.write_text(made, "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
