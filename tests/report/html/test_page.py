"""The page as a file: what is in it, what can't act in it, and that equal results give equal bytes."""

from __future__ import annotations

import base64
import gzip
import json
import random
import re
from dataclasses import replace
from html import unescape
from pathlib import Path
from typing import Any

import pytest

import phrasing
from phrasing.analysis.run import Run
from phrasing.errors import UserError
from phrasing.report.html.page import html
from phrasing.types import Completion, Request
from support.page_runs import HOSTILE, INTENT, hostile_run, run, shown
from support.paths import REPOSITORY
from support.tiny_runs import CASES, cache, case, obey, world

__all__ = ["cache"]


@pytest.fixture(scope="module")
def done(cache: None, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A run of a small suite."""
    return run(tmp_path_factory.mktemp("page"), obey)


@pytest.fixture(scope="module")
def page(done: Run) -> str:
    """Its page."""
    return html([shown(done)])


def packed(page: str, name: str) -> Any:
    (text,) = re.findall(rf'<script type="text/plain" id="{name}">([^<]*)</script>', page)
    return json.loads(gzip.decompress(base64.b64decode(text)))


def trials(page: str) -> list[str]:
    """The names of a page's trials, as the list has them."""
    index = packed(page, "r0-index")
    cases = [f"{index['datasets'][dataset]}::{case}" for dataset, case, *_ in index["cases"]]
    columns = zip(*(index["trials"][name] for name in ("case", "variant", "repeat")), strict=True)
    return [f"{cases[case]}[{index['ids'][variant]}]#{repeat}" for case, variant, repeat in columns]


def test_the_page_says_what_was_asked_and_found(page: str) -> None:
    assert "<h1" in page
    assert "Do tags change the step?" in page
    titles = re.findall(r"<h2>([^<]*)</h2>", page)
    assert titles[:3] == ["Accuracy against tokens", "Differences from the baseline", "Tokens by segment"]
    assert titles[-1] == "The cases"
    assert page.count("<svg") >= 3


def test_the_page_asks_nothing_of_anywhere(page: str) -> None:
    # names of XML aren't addresses that are asked
    text = page.replace("http://www.w3.org/2000/svg", "").replace("http://www.w3.org/1999/xlink", "")
    outside = re.findall(r'(?:src|href|action|url)\s*[=(]\s*["\']?(?!#)[a-z]+:', text)
    assert outside == []
    assert "default-src 'none'" in unescape(page)


def test_every_trial_is_there_with_its_prompt_and_answer(done: Run, page: str) -> None:
    index, block, common = (packed(page, name) for name in ("r0-index", "r0-block-0", "r0-common"))
    assert len(index["trials"]["case"]) == len(done.results) == len(block["trials"])
    assert index["ends"] == [len(done.results)]
    held = dict(zip(trials(page), block["trials"], strict=True))
    for name, result in done.results.items():
        assert held[name]["answer"] == (result.completion.text if result.completion else None)
        text = "".join(
            block["texts"][place] if place >= 0 else common[-1 - place]
            for message in held[name]["prompt"]["messages"]
            for _, place in message["pieces"]
        )
        assert "You send mail for a person." in text
        assert f"{result.case}, reply: " in text
    assert [case["labels"][0]["intent"] for case in block["cases"]] == ["send", "ask", "look_up", "ask", "look_up", "ask"]


def test_a_case_that_wants_several_steps_says_how(tmp_path: Path) -> None:
    wanted = [{"intent": "send"}, {"intent": "ask"}]
    both = {key: value for key, value in case("b-1").items() if key != "expect"} | {"sequence": wanted}
    run = phrasing.run(world(tmp_path, cases=[both, case("b-2")]), complete=obey)
    block, index = (packed(html([shown(run)]), name) for name in ("r0-block-0", "r0-index"))
    assert {found["labels"][-1]["intent"]: found.get("together") for found in block["cases"]} == {"ask": "sequence", "send": None}
    assert "send, then ask" in json.dumps(index)


def test_equal_results_give_equal_bytes_in_any_order(done: Run, page: str) -> None:
    names = list(done.results)
    random.Random(0).shuffle(names)
    one = shown(done)
    assert html([replace(one, results={name: done.results[name] for name in names})]) == page


def test_what_a_model_or_a_dataset_says_is_text(tmp_path: Path) -> None:
    found = html([shown(hostile_run(tmp_path), HOSTILE)])
    assert "<script>window" not in found
    assert "<img" not in found
    assert "<svg/" not in found
    assert len(re.findall(r"<script", found)) == 4  # index, common texts, a block, and the page's own
    index = packed(found, "r0-index")
    assert index["tags"] == [HOSTILE]
    assert INTENT in index["steps"]
    assert index["variants"][0] == f"lines {INTENT}"


def test_a_recording_has_no_prompts_and_says_so(done: Run) -> None:
    found = html([replace(shown(done), prompts=None)])
    assert "A recording keeps no prompts" in found
    assert "prompt" not in packed(found, "r0-block-0")["trials"][0]


@pytest.mark.slow
def test_cases_that_say_least_are_left_out_where_there_is_no_room(done: Run) -> None:
    whole = html([shown(done)])
    blocks = re.findall(r'<script type="text/plain" id="r0-(?:common|block-\d+)">([^<]*)<', whole)
    small = html([shown(done)], budget=sum(map(len, blocks)) - 200)
    assert len(packed(small, "r0-index")["trials"]["case"]) == len(done.results)
    (kept,) = re.findall(r"Prompts and answers of (\d+) of 6 cases are in this file", small)
    assert 0 < int(kept) < 6
    (kept,) = packed(small, "r0-index")["ends"]
    assert any("a-4" in name for name in trials(small)[:kept])  # harm was done
    assert "are in this file" not in whole


@pytest.mark.slow
def test_several_runs_share_a_page(done: Run) -> None:
    found = html([shown(done, "one"), shown(done, "two")])
    assert re.findall(r'<article class="run" id="([^"]*)"', found) == ["r0", "r1"]
    assert 'href="#r1">two' in found
    ids = re.findall(r' id="([^"]*)"', found)
    assert len(ids) == len(set(ids))


@pytest.mark.slow
def test_a_template_of_ones_own_goes_first(done: Run, tmp_path: Path) -> None:
    (tmp_path / "report.css").write_text("body { color: teal; }", "utf-8")
    found = html([shown(done)], templates=tmp_path)
    assert "color: teal" in found
    assert "default-src 'none'" in unescape(found)
    (tmp_path / "report.html.j2").write_text("{% for run in runs %}{{ run.nothing }}{% endfor %}", "utf-8")
    with pytest.raises(UserError, match="has no attribute 'nothing'"):
        html([shown(done)], templates=tmp_path)
    (tmp_path / "report.css").write_text("</style>", "utf-8")
    with pytest.raises(UserError, match="mustn't hold '</'"):
        html([shown(done)], templates=tmp_path)


def test_the_script_parses_no_markup() -> None:
    script = (REPOSITORY / "src" / "phrasing" / "report" / "html" / "templates" / "report.js").read_text("utf-8")
    assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(|new Function|DOMParser", script)


@pytest.mark.slow
def test_logged_labels_have_a_part_of_their_own(tmp_path: Path) -> None:
    cases = [{**case, "strength": "observed"} if i % 2 else case for i, case in enumerate(CASES)]
    found = html([shown(run(tmp_path, obey, cases=cases))])
    assert "Agreement with the logged agent</h2>" in found
    assert "<h3>Agreement against tokens</h3>" in found


@pytest.mark.slow
def test_prices_are_of_a_thousand_decisions(tmp_path: Path) -> None:
    async def priced(request: Request) -> Completion:
        return (await obey(request)).model_copy(update={"cost": 0.002})

    found = html([shown(run(tmp_path, priced))])
    table = found[found.index("<caption>Quantiles over answers") :].partition("</table>")[0]
    assert re.findall(r'<th scope="col">([^<]*)</th>', table)[-3:] == ["$ per 1,000 50 %", "$ per 1,000 90 %", "$ per 1,000 99 %"]
    rows = [re.findall(r"<bdi>([^<]*)</bdi>", row) for row in table.split("<tr>")[2:]]
    assert [row[-3:] for row in rows] == [["2.00"] * 3] * 2
