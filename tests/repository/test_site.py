"""The documentation as a site: built without a network, with no dead link, and nothing in it that is got from elsewhere."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest

import phrasing
from phrasing.runs import run_folders
from support.paths import REPOSITORY
from support.tools import tool

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build it where no other machine can be reached: in a network of its own, where the system has such, and by no proxy."""
    folder = tmp_path_factory.mktemp("site")
    alone = ["unshare", "--map-root-user", "--net"]
    if not shutil.which("unshare") or subprocess.run([*alone, "true"], capture_output=True, check=False).returncode:
        alone = []
    nowhere = dict.fromkeys(("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"), "http://127.0.0.1:9")
    command = [*alone, sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)]
    done = subprocess.run(command, cwd=REPOSITORY, env={**os.environ, **nowhere}, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


class Loaded(HTMLParser):
    """What a browser gets for a page, besides the page."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        named = dict(attrs)
        if tag == "link" and named.get("rel") in ("canonical", "prev", "next"):
            return
        assert named.get("class") != "mermaid", "diagrams are drawn by a script from elsewhere"
        self.found += [
            named[name] or "" for name in ("src", "srcset", "data", *(["href"] if tag == "link" else [])) if name in named
        ]


def test_a_browser_gets_nothing_from_elsewhere(site: Path) -> None:
    loaded = Loaded()
    for page in site.rglob("*.html"):
        loaded.feed(page.read_text("utf-8"))
    assert len(loaded.found) > 100
    assert not [
        address for address in loaded.found if address.startswith("//") or (":" in address and not address.startswith("data:"))
    ]
    for style in site.rglob("*.css"):
        text = style.read_text("utf-8")
        assert "url(http" not in text
        assert "@import" not in text


def test_the_reference_has_every_public_name(site: Path) -> None:
    page = (site / "api" / "index.html").read_text("utf-8")
    assert [name for name in phrasing.__all__ if f'id="phrasing.{name}"' not in page] == []


def test_the_first_page_leads_to_the_others(site: Path) -> None:
    page = (site / "index.html").read_text("utf-8")
    for name in ("repository", "repository/reports/reference/quickstart/report", "glossary", "guides/add-a-format"):
        assert f'href="{name}/"' in page


def test_the_readme_shows_its_table_and_its_picture(site: Path) -> None:
    page = (site / "repository" / "index.html").read_text("utf-8")
    assert 'href="../statistics/"' in page
    assert 'src="reports/reference/tools/charts/differences.svg"' in page
    assert "```" not in page  # its table holds Markdown


def test_every_recorded_report_is_a_page_under_its_suites_name(site: Path) -> None:
    names = run_folders.recorded(REPOSITORY / run_folders.RECORDINGS)
    assert names
    index = (site / "index.html").read_text("utf-8")
    for name in names:
        assert (site / "repository" / run_folders.RECORDINGS / name / "report" / "index.html").is_file()
        assert re.search(rf">\s*{re.escape(name)}\s*<", index)


def test_reports_of_suites_in_folders_are_found(tmp_path: Path) -> None:
    for name in ("tools", "study/steps"):
        (tmp_path / run_folders.RECORDINGS / name).mkdir(parents=True)
        (tmp_path / run_folders.RECORDINGS / name / "report.md").touch()
    found = {path.parent for pattern in tool("docs_site").ELSEWHERE for path in tmp_path.glob(pattern)}
    assert found == {tmp_path / run_folders.RECORDINGS / name for name in ("tools", "study/steps")}
