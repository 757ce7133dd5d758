"""Models of one id under other parameters: what differs is found, and names them where the suite doesn't."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from phrasing.suite.file import load_suite
from phrasing.suite.parameters import varied
from phrasing.suite.schema import Suite
from phrasing.types import Variant

values = st.recursive(
    st.none() | st.booleans() | st.integers(0, 3) | st.sampled_from(["low", "high"]),
    lambda inside: st.dictionaries(st.sampled_from("ab"), inside, max_size=2),
    max_leaves=4,
)
parameters = st.dictionaries(st.sampled_from("xyz"), values, max_size=3)


def leaves(value: Any, before: str = "") -> dict[str, Any]:
    """What stands inside, by path; nothing for what is null."""
    if isinstance(value, dict) and (value or not before):
        return {path: leaf for name, item in value.items() for path, leaf in leaves(item, f"{before}{name}.").items()}
    return {} if value is None else {before.removesuffix("."): value}


@given(st.lists(st.tuples(st.sampled_from(["one", "two"]), parameters), max_size=4))
def test_what_differs_is_what_tells_models_of_an_id_apart(models: list[tuple[str, dict[str, Any]]]) -> None:
    found = varied(models)
    for (id, mine), differing in zip(models, found, strict=True):
        own = leaves(mine)
        assert all(own.get(name) == value for name, value in differing.items())
        for (other, theirs), same in zip(models, found, strict=True):
            if id == other:
                assert differing.keys() == same.keys()
                equal = {repr(one) for one in sorted(own.items())} == {repr(one) for one in sorted(leaves(theirs).items())}
                assert (differing == same and {*map(repr, differing.values())} == {*map(repr, same.values())}) == equal


def suite(models: list[Any]) -> Suite:
    return Suite.model_validate(
        {"description": "?", "agents": [{"dataset": "d", "functions": ["f"]}], "formats": ["json"], "models": models}
    )


def model(id: str = "openai/gpt-5", **params: Any) -> dict[str, Any]:
    return {"id": id, "params": params}


LABELS: dict[str, tuple[list[Any], list[str]]] = {
    "efforts": (
        [model(reasoning_effort="low"), model(reasoning_effort="high")],
        ["gpt-5(reasoning_effort=low)", "gpt-5(reasoning_effort=high)"],
    ),
    "without one": (["openai/gpt-5", model(reasoning_effort="high")], ["gpt-5", "gpt-5(reasoning_effort=high)"]),
    "inside a parameter": (
        [model(thinking={"type": "enabled", "budget_tokens": n}, max_tokens=9000) for n in (1024, 4096)],
        ["gpt-5(thinking.budget_tokens=1024)", "gpt-5(thinking.budget_tokens=4096)"],
    ),
    "two parameters": (
        [model(a=1, b=True), model(a=2, b=False)],
        ["gpt-5(a=1;b=true)", "gpt-5(a=2;b=false)"],
    ),
    "another model": ([model(a=1), model("openai/gpt-4", a=2)], ["gpt-5", "gpt-4"]),
    "a label": ([{**model(a=1), "label": "mine"}, model(a=2)], ["mine", "gpt-5"]),
}


@pytest.mark.parametrize("what", LABELS)
def test_models_are_labelled_by_what_differs(what: str) -> None:
    models, labels = LABELS[what]
    read = suite(models)
    assert [model.label for model in read.models] == labels
    assert suite(read.stored["models"]).models == read.models  # type: ignore[arg-type]
    for label in labels:
        variant = Variant("f", "none", "json", "prompted", label)
        assert Variant.parse(str(variant)) == variant


@pytest.mark.parametrize(
    "models",
    [
        [model(a=1), model(a=1)],
        [model(a="x y"), model(a="x z")],
        [model(a=[1, 2]), model(a=[1, 3])],
        [{**model(), "api_base": "http://127.0.0.1:1"}, {**model(), "api_base": "http://127.0.0.1:2"}],
    ],
)
def test_what_no_label_can_say_needs_one(models: list[Any]) -> None:
    with pytest.raises(ValidationError, match=r"is named twice; give each a label of its own"):
        suite(models)


def test_a_suite_compares_efforts_by_these_labels(tmp_path: Path) -> None:
    written = {**suite([model(reasoning_effort="low"), model(reasoning_effort="high")]).stored}
    written["models"] = [model(reasoning_effort="low"), model(reasoning_effort="high")]  # type: ignore[assignment]
    written["baseline"] = {"model": "gpt-5(reasoning_effort=low)"}
    (tmp_path / "s.yaml").write_text(yaml.safe_dump(written))
    assert load_suite(tmp_path / "s.yaml").suite.baseline == {"model": "gpt-5(reasoning_effort=low)"}
