"""How long a page of many trials takes to write, and a browser to show it, filter it and open a case; how large it is."""

from __future__ import annotations

import json
import random
import re
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import phrasing
from benchmarks.importing import timed
from phrasing.analysis.run import Run
from phrasing.runs import run_folders, store

SUITE = "position"


def measure(*sizes: int) -> Iterator[str]:
    """Write pages of runs of so many trials, made by repeating the recorded answers of a suite under other names of cases."""
    yield f"Answers recorded for `{SUITE}`, repeated with other words in their threads: `phrasing report RUN -o page.html`,"
    yield "its start included, and the page in Chromium."
    yield ""
    yield "| trials | written, s | peak MB | page, MB | cases in full | first view, s | filter, ms | open a case, ms |"
    yield "| ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |"
    with tempfile.TemporaryDirectory() as folder:
        run = phrasing.run(f"evals/{SUITE}.yaml", runs=Path(folder, "runs"), replay=run_folders.RECORDINGS / SUITE)
        for size in sizes or (10_000, 100_000):
            many, page = Path(folder, str(size)), Path(folder, f"{size}.html")
            multiply(run, many, size)
            seconds, _, peak = timed([sys.executable, "-m", "phrasing", "report", str(many), "-o", str(page)])
            shown = " | ".join(looked(page))
            yield f"| {size:,} | {seconds:.1f} | {peak:,.0f} | {page.stat().st_size / 1e6:.1f} | {_whole(page)} | {shown} |"


def _whole(page: Path) -> str:
    """Say which cases have their prompts and answers in the page."""
    found = re.search(r"Prompts and answers of (\d+ of \d+) cases", page.read_text("utf-8"))
    return found[1] if found else "all"


def multiply(run: Run, folder: Path, trials: int) -> None:
    """Write a run of at least so many trials: its own, over and over, each time with cases of other names and threads."""
    folder.mkdir()
    times = -(-trials // len(run.results))
    cases = {
        dataset: {f"{case}-{i}": note for i in range(times) for case, note in listed.items()}
        for dataset, listed in run.record.cases.items()
    }
    store.write_run(folder, run.record.model_copy(update={"cases": cases, "trials": times * len(run.results)}))
    kept = store.prompts(run.folder)
    luck = random.Random(0)
    with (
        (folder / run_folders.PROMPTS).open("w", encoding="utf-8") as prompts,
        (folder / run_folders.RESULTS).open("w", encoding="utf-8") as results,
    ):
        for name, value in kept.items():
            prompts.write(json.dumps({"id": name, "value": value}) + "\n")
        for i in range(times):
            for result in run.results.values():
                case = f"{result.case}-{i}"
                trial = result.trial.replace(f"::{result.case}[", f"::{case}[")
                prompt = f"{result.prompt}-{i}"
                for part in another(kept, result.prompt, prompt, luck):
                    prompts.write(json.dumps(part) + "\n")
                results.write(store.line(result.model_copy(update={"case": case, "trial": trial, "prompt": prompt})) + "\n")


def another(kept: dict[str, Any], name: str, new: str, luck: random.Random) -> Iterator[dict[str, Any]]:
    """Give the parts of a prompt whose thread has the same words in another order, so that it packs as another would."""
    messages = []
    for message in kept[name]["messages"]:
        pieces = []
        for kind, place in message["pieces"]:
            if kind == "thread":
                words = kept[place].split(" ")
                luck.shuffle(words)
                place = f"{place}-{new}"
                yield {"id": place, "value": " ".join(words)}
            pieces.append([kind, place])
        messages.append({**message, "pieces": pieces})
    yield {"id": new, "value": {**kept[name], "messages": messages}}


def looked(page: Path) -> tuple[str, str, str]:
    """Open a page in Chromium: seconds until its list is there, milliseconds to filter, to open a case."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox", "--disable-gpu"])
        tab = browser.new_page()
        start = time.perf_counter()
        tab.goto(page.as_uri())
        tab.wait_for_function("document.querySelector('.count').textContent.includes('trials')")
        first = time.perf_counter() - start
        filtered = tab.evaluate(
            """() => { const select = document.querySelector('select[name=verdict]'), began = performance.now();
            select.value = '2'; select.dispatchEvent(new Event('input', {bubbles: true}));
            document.body.getBoundingClientRect(); return performance.now() - began; }"""
        )
        opened = tab.evaluate(
            """async () => { const began = performance.now(); document.querySelector('.trials a.open').click();
            while (!document.querySelector('.trial h3')) await new Promise((done) => setTimeout(done, 1));
            document.body.getBoundingClientRect(); return performance.now() - began; }"""
        )
        browser.close()
    return f"{first:.1f}", f"{filtered:.0f}", f"{opened:.0f}"


if __name__ == "__main__":
    for line in measure(*map(int, sys.argv[1:])):
        print(line, flush=True)
