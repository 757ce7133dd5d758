"""The page in Chromium: it asks nothing, finds, sorts, opens, compares, by mouse and keyboard; what a model said stays text."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from phrasing.report.html.page import html
from support.browser import browser, opened
from support.page_runs import HOSTILE, INTENT, hostile_run, mixed, run, shown
from support.paths import REPOSITORY
from support.tiny_runs import CASES, cache, case, obey

__all__ = ["browser", "cache", "opened"]

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def files(cache: None, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Pages: of an agent's run, whole and cut to fit; of a hostile one; with several pages of trials; with repeats."""
    many = [case(f"m-{i}", tags=["even"] if i % 2 == 0 else []) for i in range(120)]
    asked = hostile_run(tmp_path_factory.mktemp("hostile"))
    small = shown(run(tmp_path_factory.mktemp("small"), obey, cases=CASES))
    made = {
        "small": html([small]),
        "partial": html([small], budget=1_200),
        "many": html([shown(run(tmp_path_factory.mktemp("many"), mixed, cases=many))]),
        "hostile": html([shown(asked, HOSTILE)]),
        "repeated": html([shown(run(tmp_path_factory.mktemp("repeated"), mixed, cases=many[:10], repeats=3))]),
    }
    folder = tmp_path_factory.mktemp("pages")
    for name, text in made.items():
        (folder / f"{name}.html").write_text(text, "utf-8")
    return {name: folder / f"{name}.html" for name in made}


def ids(page: Page) -> list[str]:
    return page.locator(".trials a.open").all_inner_texts()


def test_trials_are_filtered(opened: Any) -> None:
    page = opened("small")
    expect(page.locator(".count")).to_have_text("12 of 12 trials")
    page.locator("select[name=verdict]").select_option("forbidden")
    assert ids(page) == ["a-4", "a-4"]
    page.get_by_role("button", name="Show all").click()
    expect(page.locator(".count")).to_have_text("12 of 12 trials")
    page.locator("input[name=text]").fill("A-2")
    assert ids(page) == ["a-2", "a-2"]
    page.locator("select[name=tag]").select_option("short")
    expect(page.locator(".count")).to_have_text("0 of 12 trials")


def test_trials_come_in_pages(opened: Any) -> None:
    page = opened("many")
    assert len(ids(page)) == 100
    expect(page.get_by_role("button", name="Previous")).to_be_disabled()
    page.get_by_role("button", name="Next").click()
    expect(page.locator(".pages span")).to_have_text("101–200 of 240")
    page.locator("select[name=tag]").select_option("even")
    expect(page.locator(".pages span")).to_have_text("1–100 of 120")


def test_cases_that_flipped_between_two_variants(opened: Any) -> None:
    page = opened("many")
    page.locator("select[name=one]").select_option(index=1)
    page.locator("select[name=other]").select_option(index=2)
    rows = page.locator(".trials tbody tr").all_inner_texts()
    verdicts: dict[str, set[str]] = {}
    for row in rows:
        name, _, verdict, *_ = row.split("\t")
        verdicts.setdefault(name, set()).add(verdict)
    assert verdicts
    assert all(len(found) == 2 for found in list(verdicts.values())[:-1])  # the last may go on on the next page


def test_cases_whose_repeats_differ(opened: Any) -> None:
    page = opened("repeated")
    chosen: dict[tuple[str, str], set[str]] = {}
    for row in page.locator(".trials tbody tr").all_inner_texts():
        name, variant, _, _, step, _ = row.split("\t")
        chosen.setdefault((variant, name.partition(" ")[0]), set()).add(step)
    row = section(page, "Repeats of a case").locator("tr").first
    variant = row.locator("th").inner_text()
    row.get_by_role("link").first.click()
    expect(page.locator(".count")).not_to_have_text("60 of 60 trials")
    assert {name.partition(" ")[0] for name in ids(page)} == {
        name for (of, name), steps in chosen.items() if of == variant and len(steps) > 1
    }


def test_a_trial_opens_with_its_prompt_beside_another_variants(opened: Any) -> None:
    page = opened("small")
    page.get_by_role("link", name="a-3").first.click()
    shown = page.locator(".trial")
    expect(shown.locator("h3")).to_have_text("a-3")
    expect(shown).to_contain_text("expected look_up, got finish")
    sides = shown.locator(".sides").nth(1).locator(".side")
    expect(sides).to_have_count(2)
    expect(sides.nth(0).locator("details.instructions summary")).to_contain_text("the same in both")
    expect(sides.nth(0).locator("details.instructions pre")).to_be_hidden()
    sides.nth(0).locator("details.instructions summary").click()
    expect(sides.nth(0).locator("details.instructions pre")).to_contain_text("You send mail for a person.")
    threads = [sides.nth(i).locator(".piece.thread") for i in (0, 1)]
    marked = ["".join(thread.locator("mark").all_text_contents()) for thread in threads]
    assert not any("a-3, reply" in text for text in marked)  # words that both have, in one line or in another
    assert any("<" in text for text in marked)
    expect(threads[0].locator(".kind").first).to_contain_text("tokens")
    page.keyboard.press("Escape")
    expect(shown).to_be_hidden()


def test_a_trial_that_isnt_in_the_file_says_what_is_known(opened: Any) -> None:
    page = opened("partial")
    rows = page.locator(".trials tbody tr")
    kept, left = rows.first, rows.last
    for row, answer in ((kept, 1), (left, 0)):
        verdict, chosen = (row.locator("td").nth(i).inner_text() for i in (2, 4))
        row.get_by_role("link").click()
        shown = page.locator(".trial")
        expect(shown.locator("h4", has_text="Answer")).to_have_count(2 * answer)
        side = shown.locator(".sides").first.locator(".side").first
        expect(side).to_contain_text(verdict)
        expect(side).to_contain_text(chosen)
        case = shown.locator("h3").inner_text()
        expect(side).to_contain_text(f"mail::{case}[")
        expect(shown.locator("code", has_text="phrasing show RUN TRIAL")).to_have_count(2 - 2 * answer)
        page.keyboard.press("Escape")


def test_one_goes_from_case_to_case(opened: Any) -> None:
    page = opened("many")
    page.locator("select[name=verdict]").select_option("wrong step")
    names = list(dict.fromkeys(ids(page)))
    assert len(names) > 2
    page.get_by_role("link", name=names[0]).first.click()
    expect(page.locator(".trial h3")).to_have_text(names[0])
    page.get_by_role("link", name="Next case").click()
    expect(page.locator(".trial h3")).to_have_text(names[1])
    page.get_by_role("link", name="Next case").click()
    expect(page.locator(".trial h3")).to_have_text(names[2])
    page.go_back()
    expect(page.locator(".trial h3")).to_have_text(names[1])
    page.locator(".trial").get_by_role("link", name="Close").click()
    expect(page.locator(".trial")).to_be_hidden()
    assert list(dict.fromkeys(ids(page))) == names


def test_words_that_two_texts_share_are_found(opened: Any) -> None:
    """Held against the quadratic method: as many words are shared, in the same order, and no text is lost."""
    script = (REPOSITORY / "src" / "phrasing" / "report" / "html" / "templates" / "report.js").read_text("utf-8")
    source = script[script.index("  const EDITS") : script.index("  // -", script.index("  const EDITS"))]
    luck = random.Random(0)
    pairs = [
        ["".join(luck.choices(["a", "b", "c d", "<", " ", "\n", "é"], k=luck.randrange(30))) for _ in "12"] for _ in range(500)
    ]
    pairs += [["", ""], ["a b c", "a b c"], ["x " * 3000, "y " * 3000], ["a " * 3000 + "x", "y " * 3000 + "x"]]
    page = opened("small")
    wrong = page.evaluate(
        """([source, pairs]) => {
        const { difference, shared, words } = new Function(source + "; return { difference, shared, words };")();
        const longest = (a, b) => {
            let row = new Array(b.length + 1).fill(0);
            for (const word of a) {
                const next = [0];
                b.forEach((other, i) => next.push(word === other ? row[i] + 1 : Math.max(row[i + 1], next[i])));
                row = next;
            }
            return row[b.length];
        };
        return pairs.filter(([one, other]) => {
            const lists = [words(one), words(other)], flags = shared(...lists);
            const common = lists.map((list, side) => list.filter((_, i) => flags[side][i]));
            const whole = difference(one, other).map((parts) => parts.map(([, text]) => text).join(""));
            const small = lists[0].length < 1000;
            return whole[0] !== one || whole[1] !== other || common[0].join("|") !== common[1].join("|")
                || (small && common[0].length !== longest(...lists));
        }).map((pair) => pair.map((text) => text.slice(0, 60))); }""",
        [source, pairs],
    )
    assert wrong == []


def test_a_link_leads_to_a_trial(opened: Any) -> None:
    page = opened("small")
    page.get_by_role("link", name="a-5").first.click()
    expect(page.locator(".trial h3")).to_have_text("a-5")
    linked = opened("small", place=page.url[page.url.index("#") :])
    expect(linked.locator(".trial h3")).to_have_text("a-5")


def test_all_goes_by_keyboard(opened: Any) -> None:
    page = opened("small")
    page.get_by_role("link", name="a-1").first.focus()
    page.keyboard.press("Enter")
    expect(page.locator(".trial h3")).to_have_text("a-1")
    expect(page.locator(".trial")).to_be_focused()
    page.keyboard.press("Escape")
    expect(page.locator(".trial")).to_be_hidden()
    assert page.evaluate("document.activeElement.className") == "open"


def test_tables_are_sorted(opened: Any) -> None:
    page = opened("small")
    table = page.locator("table.sortable").first
    names = table.locator("tbody th").all_inner_texts()
    header = table.get_by_role("button", name="context tokens")
    header.click()
    expect(table.locator("th[aria-sort=descending]")).to_have_count(1)
    down = table.locator("tbody th").all_inner_texts()
    header.click()
    up = table.locator("tbody th").all_inner_texts()
    assert up == down[::-1]
    assert sorted(up) == sorted(names)


def section(page: Page, title: str) -> Any:
    return page.get_by_role("region", name=title, exact=True).locator("tbody")


def test_figures_lead_to_the_trials_behind_them(opened: Any) -> None:
    page = opened("small")
    variants = section(page, "Variants")
    variants.get_by_role("link", name="1/3").first.click()
    assert ids(page) == ["a-4"]
    variants.locator("tr").nth(1).get_by_role("link", name="6", exact=True).click()
    expect(page.locator(".count")).to_have_text("6 of 12 trials")
    confused = section(page, "Where the step was wrong, most frequent first").locator("tr").first
    count = confused.get_by_role("link").inner_text()
    confused.get_by_role("link").click()
    expect(page.locator(".count")).to_have_text(f"{count} of 12 trials")
    section(page, "Trials that picked a forbidden step").get_by_role("link", name="a-4").first.click()
    expect(page.locator(".trial h3")).to_have_text("a-4")
    page.go_back()
    expect(page.locator(".trial")).to_be_hidden()
    expect(page.locator(".count")).to_have_text(f"{count} of 12 trials")


@pytest.mark.parametrize("name", ["small", "many", "hostile"])
def test_counts_are_as_many_trials_as_they_lead_to(opened: Any, name: str) -> None:
    """Every count of the tables of forms, stages and confusions, followed."""
    page = opened(name)
    total = page.locator(".count").inner_text().split(" of ")[1]
    for title in ("Forms of answers, and the stages of failure", "Where the step was wrong, most frequent first"):
        links = section(page, title).locator("a.lead")
        page.evaluate("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
        for i in range(min(links.count(), 30)):
            count = links.nth(i).inner_text()
            links.nth(i).click()
            expect(page.locator(".count")).to_have_text(f"{count} of {total}")


def test_hostile_texts_stay_texts(opened: Any) -> None:
    page = opened("hostile")
    expect(page.locator("h1")).to_contain_text("<script>window.pwned=1</script>")
    page.get_by_role("link", name="a-0").first.click()
    expect(page.locator(".trial h3")).to_have_text("a-0")
    expect(page.locator(".trial")).to_contain_text("<script>window.pwned=1</script>")
    expect(page.locator(".trial .control").first).to_have_text("U+202E")
    page.locator("select[name=chosen]").select_option(INTENT)
    page.locator(".trials").get_by_role("link").first.click()
    expect(page.locator(".trial dl").nth(1)).to_contain_text(f"{INTENT}()")
    page.locator(".trial select").first.select_option(index=1)
    expect(page.locator(".trial select").first).to_contain_text(INTENT)
    page.locator("select[name=chosen]").select_option("(guard)")
    page.locator(".trials").get_by_role("link").first.click()
    page.get_by_role("button", name="Show all 1,000").first.click()
    for link in page.locator("a.lead").all()[:20]:
        link.click()
    assert page.evaluate("window.pwned") is None
    assert page.locator("img, svg[onload], .trial svg").count() == 0
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")


def test_on_paper_it_is_the_figures(opened: Any) -> None:
    page = opened("small")
    page.emulate_media(media="print")
    expect(page.locator("section.cases")).to_be_hidden()
    expect(page.locator("figure.chart").first).to_be_visible()
    assert page.locator("table.sortable").count() > 5


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_people_with_other_senses_can_use_it(opened: Any, scheme: str, width: int) -> None:
    page = opened("small", color_scheme=scheme, viewport={"width": width, "height": 900})
    page.get_by_role("link", name="a-3").first.click()
    expect(page.locator(".trial h3")).to_have_text("a-3")
    found = Axe().run(page).response["violations"]
    serious = [
        (one["id"], [node["html"][:120] for node in one["nodes"]][:3])
        for one in found
        if one["impact"] in ("serious", "critical")
    ]
    assert serious == []
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
