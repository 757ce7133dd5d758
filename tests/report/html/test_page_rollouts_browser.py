"""Runs of agents on the page in Chromium: listed, filtered, opened step by step, side by side with where they part."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

import phrasing
from phrasing.report.html.page import html
from support.browser import browser, opened
from support.page_runs import HOSTILE, shown
from support.paths import REPOSITORY
from support.tiny_rollouts import TASKS, follow, ran, rollouts
from support.tiny_runs import cache

__all__ = ["browser", "cache", "opened"]

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def files(cache: None, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Pages: of a run; of a recording of it, with and without steps; cut to fit; of a hostile one; by an older template."""
    one = shown(ran(tmp_path_factory.mktemp("rollouts")))
    tasks = [{**TASKS[1], "world": {"book": [HOSTILE]}, "tags": [HOSTILE], "group": HOSTILE}]
    hostile = phrasing.run(rollouts(tmp_path_factory.mktemp("hostile"), tasks=tasks), complete=follow)
    ours = REPOSITORY / "src" / "phrasing" / "report" / "html" / "templates" / "report.html.j2"
    template = ours.read_text("utf-8").replace('("ended", "Ended"), ', "").replace('("steps", "Steps"), ', "")
    older = tmp_path_factory.mktemp("templates")
    (older / "report.html.j2").write_text(template, "utf-8")
    made = {
        "whole": html([one]),
        "older": html([one], templates=older),
        "recorded": html([replace(one, prompts=None)]),
        "bare": html([replace(one, prompts=None, steps={})]),
        "partial": html([one], budget=900),
        "hostile": html([shown(hostile, HOSTILE)]),
    }
    folder = tmp_path_factory.mktemp("pages")
    for name, text in made.items():
        (folder / f"{name}.html").write_text(text, "utf-8")
    return {name: folder / f"{name}.html" for name in made}


def rows(page: Page) -> list[list[str]]:
    return [row.split("\t")[:5] for row in page.locator(".trials tbody tr").all_inner_texts()]


def open_run(page: Page, task: str, format: str) -> Any:
    page.locator("select[name=variant]").select_option(format)
    page.locator(".trials").get_by_role("link", name=task, exact=True).click()
    trial = page.locator(".trial")
    expect(trial.locator("h3")).to_have_text(task)
    return trial


def test_runs_are_listed_and_filtered(opened: Any) -> None:
    page = opened("whole")
    assert ["t-5", "tags", "no success", "limit", "3"] in rows(page)
    page.locator("select[name=ended]").select_option("limit")
    assert rows(page) == [["t-5", "tags", "no success", "limit", "3"]]
    page.get_by_role("button", name="Show all").click()
    page.locator("select[name=verdict]").select_option("success")
    expect(page.locator(".count")).to_have_text("6 of 10 trials")
    page.locator("input[name=steps]").fill("4")
    assert rows(page) == [["t-2", "tags", "success", "done", "4"]]
    page.get_by_role("button", name="Show all").click()
    page.locator("select[name=one]").select_option("lines")
    page.locator("select[name=other]").select_option("tags")
    assert {row[0] for row in rows(page)} == {"t-3", "t-5"}


def test_a_run_opens_step_by_step(opened: Any) -> None:
    trial = open_run(opened("whole"), "t-2", "tags")
    steps = trial.locator(".steps .sides .side:first-child")
    expect(steps.nth(0)).to_contain_text("shown mail")
    expect(steps.nth(1)).to_contain_text('Step 1 · at 0 slook_up(query="ann")')
    expect(steps.nth(1).locator(".came details")).to_contain_text("look_up_result")
    expect(steps.nth(1).locator(".came")).to_contain_text("effect looked_up")
    expect(steps.nth(3)).to_contain_text("Step 3 · at 62 s")
    expect(steps.nth(5)).to_contain_text("Endeddone")
    expect(trial.locator(".sides").first).to_contain_text("virtual time64 s")


def test_a_prompt_is_one_click_away_and_what_is_new_in_it_is_marked(opened: Any) -> None:
    trial = open_run(opened("whole"), "t-2", "tags")
    step = trial.locator(".steps .sides").nth(2).locator(".side").first
    expect(step.locator(".message")).to_have_count(0)
    step.locator("details.asked > summary").click()
    expect(step.locator("details.asked > pre")).to_have_text('{"intent": "ask", "message": "who?"}')
    expect(step.locator("details.instructions summary")).to_contain_text("the same a step before")
    marked = "".join(step.locator(".piece.thread mark").all_text_contents())
    assert "look_up_result" in marked
    assert "t-2, plan" not in marked


def test_two_runs_part_where_they_part(opened: Any) -> None:
    page = opened("whole")
    trial = open_run(page, "t-2", "tags")
    expect(trial.locator(".parting")).to_have_text("Here they part: step 2")
    after = trial.locator(".parting + .sides .picked")
    assert after.all_inner_texts() == ['ask(message="who?")', 'send(to="ann", urgent=false)']
    expect(trial.locator(".apart")).to_have_count(4)  # three steps, and how the longer one ended
    trial.get_by_role("button", name="They part at step 2").click()
    expect(trial.locator(".parting")).to_be_focused()
    page.keyboard.press("Escape")
    trial = open_run(page, "t-1", "tags")
    expect(trial.locator(".steps")).to_contain_text("Both took the same steps.")
    expect(trial.locator(".parting")).to_have_count(0)


def test_what_isnt_in_a_file_is_said(opened: Any) -> None:
    trial = open_run(opened("recorded"), "t-2", "tags")
    expect(trial.locator(".steps")).to_contain_text('ask(message="who?")')
    expect(trial.locator(".came li")).to_have_count(0)
    expect(trial.locator("details.asked > summary").first).to_contain_text("Answer · ")
    bare = open_run(opened("bare"), "t-2", "tags")
    expect(bare.locator(".steps")).to_contain_text("This file keeps no steps of such a run.")
    page = opened("partial")
    page.locator(".trials").get_by_role("link").last.click()
    left = page.locator(".trial")
    expect(left).to_contain_text("What was done isn't in this file")
    expect(left.locator(".sides").first).to_contain_text("ended")


def test_hostile_texts_stay_texts(opened: Any) -> None:
    page = opened("hostile")
    trial = open_run(page, "t-2", "tags")
    expect(trial).to_contain_text("<script>window.pwned=1</script>")
    for summary in trial.locator("details > summary").all():
        summary.click()
    expect(trial.locator(".came .control").first).to_have_text("U+202E")
    assert page.evaluate("window.pwned") is None
    assert page.locator("img, svg[onload], .trial svg").count() == 0
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_people_with_other_senses_can_use_it(opened: Any, scheme: str, width: int) -> None:
    page = opened("whole", color_scheme=scheme, viewport={"width": width, "height": 900})
    trial = open_run(page, "t-5", "lines")
    trial.locator("details.asked > summary").first.click()
    found = Axe().run(page).response["violations"]
    serious = [
        (one["id"], [node["html"][:120] for node in one["nodes"]][:3])
        for one in found
        if one["impact"] in ("serious", "critical")
    ]
    assert serious == []
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")


def test_a_template_that_lacks_a_filter_still_lists(opened: Any) -> None:
    page = opened("older")
    expect(page.locator(".count")).to_have_text("10 of 10 trials")


def test_counts_of_how_runs_ended_lead_to_them(opened: Any) -> None:
    page = opened("whole")
    links = page.get_by_role("region", name="Runs by why they ended", exact=True).locator("a.lead")
    counts = links.all_inner_texts()
    assert sum(map(int, counts)) == 10
    for number, count in enumerate(counts):
        links.nth(number).click()
        expect(page.locator(".count")).to_have_text(f"{count} of 10 trials")
