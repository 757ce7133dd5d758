"""Make a site of the documentation: a hook of mkdocs (mkdocs.yml), which ``make docs`` runs.

Pages of ``docs/`` link to files elsewhere in the repository, as they should for who reads them there. The site has no repository
to link to, so these files become part of it, under ``repository/``, and links lead there.
"""

from __future__ import annotations

import ast
import os
import re
from fnmatch import fnmatch
from pathlib import Path, PurePosixPath
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).parent.parent
ELSEWHERE = (
    "README.md",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "benchmarks/*.md",
    "datasets/README.md",
    "reports/reference/README.md",
    "reports/reference/**/report.md",
    "reports/tokens/*.md",
)
"""The pages that the site takes from outside ``docs/``. Of other files, it takes those that a page links to."""

_LINK = re.compile(r"(\]\(|<(?:img|a)\b[^>]*?\b(?:src|href)=\")([^)\s\"#]+)(?=[)\s\"#])")
_TABLE = re.compile(r"<(table|tr|td|th)>")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add what lies outside ``docs/``, and fill in the navigation."""
    for pattern in ELSEWHERE:
        for path in sorted(ROOT.glob(pattern)):
            files.append(_file(config, _place(path.relative_to(ROOT).as_posix()), path))
    for page in list(files.documentation_pages()):
        for _, target in _LINK.findall(page.content_string):
            name = _name(target, _source(page))
            if name and not name.endswith(".md") and files.get_file_from_path(_place(name)) is None:
                files.append(_file(config, _place(name), ROOT / name))
    assert config.nav is not None
    pages = sorted(file.src_uri for file in files.documentation_pages())
    config.nav = _filled(config.nav, pages, set(_named(config.nav)))
    return files


def on_page_markdown(markdown: str, *, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Let links lead to where a file is in the site."""
    here = _source(page.file)
    parts = re.split(r"(^ *```.*?^ *```$)", markdown, flags=re.MULTILINE | re.DOTALL)
    parts[::2] = (_LINK.sub(lambda found: found[1] + _led(found[2], here, page.file.src_uri), part) for part in parts[::2])
    if here == "docs/api.md":
        return "".join(parts).replace("members: __all__", f"members: {_public()}")
    # tables in HTML hold Markdown, which GitHub renders there
    return _TABLE.sub(r'<\1 markdown="block">', "".join(parts)) if here == "README.md" else "".join(parts)


def _public() -> list[str]:
    """Read the public names of the package, which aren't to be imported here."""
    tree = ast.parse((ROOT / "src" / "phrasing" / "__init__.py").read_text("utf-8"))
    (names,) = (node.value for node in tree.body if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__")
    return list(ast.literal_eval(names))


def _file(config: MkDocsConfig, place: str, path: Path) -> File:
    return File.generated(config, place, abs_src_path=str(path))


def _place(name: str) -> str:
    """Say where a file of the repository lies in the site, before pages become HTML."""
    return name.removeprefix("docs/") if name.startswith("docs/") else f"repository/{name}"


def _source(file: File) -> str:
    """Name the file of the repository that a page is made of."""
    assert file.abs_src_path is not None
    return Path(file.abs_src_path).relative_to(ROOT).as_posix()


def _led(target: str, here: str, place: str) -> str:
    """Rewrite a link of the page ``here``, which the site has at ``place``. What is no file here stays, for mkdocs to judge."""
    name = _name(target, here)
    return os.path.relpath(_place(name), PurePosixPath(place).parent).replace(os.sep, "/") if name else target


def _name(target: str, here: str) -> str | None:
    """Name the file of the repository that a link of the page ``here`` leads to, if it leads to one."""
    if ":" in target:
        return None
    name = os.path.normpath(os.path.join(os.path.dirname(here), target)).replace(os.sep, "/")
    if (ROOT / name).is_dir():  # GitHub lists a folder; here its page stands for it
        name = next((f"{name}/{page}" for page in ("README.md", "report.md") if (ROOT / name / page).is_file()), name)
    return name if not name.startswith("../") and (ROOT / name).is_file() else None


def _named(nav: Any) -> list[str]:
    """List the pages that a navigation names."""
    if isinstance(nav, str):
        return [nav]
    return [name for item in (nav.values() if isinstance(nav, dict) else nav) for name in _named(item)]


def _titled(page: str) -> str | dict[str, str]:
    """Name a recorded report by its suite; the title of any other page is its heading."""
    folder, name = os.path.split(page)
    return {folder.removeprefix(_place("reports/reference/")): page} if name == "report.md" else page


def _filled(nav: Any, pages: list[str], named: set[str]) -> Any:
    """Put the pages for which ``folder/*`` stands in its place, and leave out a heading that then has none."""
    if isinstance(nav, dict):
        return {title: _filled(item, pages, named) for title, item in nav.items()}
    if isinstance(nav, str):
        return nav
    filled: list[Any] = []
    for item in nav:
        if isinstance(item, str) and "*" in item:
            filled += [_titled(page) for page in pages if fnmatch(page, item) and page not in named]
        else:
            filled.append(_filled(item, pages, named))
    return [item for item in filled if not isinstance(item, dict) or all(item.values())]
