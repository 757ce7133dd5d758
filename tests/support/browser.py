"""A Chromium that opens pages. A test module imports both fixtures, and has one of its own, ``files``: its pages by name."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

# Without these it asks for updates, and waits where there is no network.
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A Chromium, as the system has it."""
    found = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
    assert found, "these tests drive Chromium: install it (Debian: apt-get install chromium), or name it in CHROMIUM"
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=found, args=FLAGS)
        yield started
        started.close()


class Opened:
    """A page with all that it asked for and complained of."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.asked: list[str] = []
        self.complaints: list[str] = []
        page.on("request", lambda request: self.asked.append(request.url))
        page.on("console", lambda message: self.complaints.append(message.text))
        page.on("pageerror", lambda error: self.complaints.append(str(error)))


@pytest.fixture
def opened(browser: Browser, files: dict[str, Path]) -> Iterator[Any]:
    """Open one of the pages; at the end hold that it asked for nothing else and complained of nothing."""
    kept: list[tuple[Opened, str]] = []

    def open_page(name: str, *, place: str = "", **options: Any) -> Page:
        page = browser.new_context(**options).new_page()
        held = Opened(page)
        url = files[name].as_uri() + place
        kept.append((held, url))
        page.goto(url)
        expect(page.locator(".count")).to_contain_text("trials")
        return page

    yield open_page
    for held, url in kept:
        assert held.asked == [url.partition("#")[0]] or held.asked == [url]
        assert held.complaints == []
        held.page.context.close()
