"""Take the pictures of docs/reports.md: the page of a recorded suite, in Chromium (``python tools/screenshots.py``)."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from playwright.sync_api import sync_playwright

import phrasing
from phrasing.report.html.page import Shown, html
from phrasing.runs import run_folders, store

ROOT = Path(__file__).parent.parent
SUITE = "quickstart"
TAKEN = (
    ("report", "light", 1280, 860),
    ("report-case", "dark", 1280, 1060),
    ("report-phone", "dark", 390, 844),
    ("report-phone-case", "light", 390, 844),
)
"""Pictures: their names, the colours, width and height. Those that end in ``-case`` are of a case, opened."""


def main() -> None:
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        recorded = ROOT / run_folders.RECORDINGS / SUITE
        run = phrasing.run(ROOT / "evals" / f"{SUITE}.yaml", runs=Path(folder), replay=recorded)
        page = Path(folder, "report.html")
        shown = Shown(SUITE, run.report(), run.figures(), run.results, store.prompts(run.folder))
        page.write_text(html([shown]), "utf-8")
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox", "--disable-gpu"])
        for name, scheme, width, height in TAKEN:
            tab = browser.new_context(color_scheme=scheme, viewport={"width": width, "height": height}).new_page()
            tab.goto(page.as_uri())
            tab.wait_for_function("document.querySelector('.count').textContent.includes('trials')")
            if name.endswith("-case"):
                tab.get_by_role("link", name="bakery-result").first.click()
                tab.wait_for_selector(".trial h3")
            else:
                tab.evaluate("document.querySelectorAll('h2')[0].scrollIntoView()")
            tab.screenshot(path=ROOT / "docs" / f"{name}.jpg", type="jpeg", quality=60)
        browser.close()


if __name__ == "__main__":
    main()
