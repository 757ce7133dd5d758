"""Hosts: an answer stands for the model that gave it, wherever that is served now and whatever it is called, and for no other."""

from __future__ import annotations

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from phrasing.runs.hosts import Host, Hosts
from phrasing.suite.schema import ModelSpec

ID = "openai/mine"
OLD = [Host("a", "http://a"), Host("b", "http://b"), Host("c", None)]
LABELS, BASES = ["a", "b", "c", "x"], ["http://a", "http://b", None, "http://x"]


def spec(host: Host, id: str = ID) -> ModelSpec:
    return ModelSpec(label=host.label, api_base=host.api_base, id=id)


def asked(*hosts: Host) -> dict[str, ModelSpec]:
    return {host.label: spec(host) for host in hosts}


def changes(host: Host) -> list[Host | None]:
    """Rename a host, or move it, or leave it out, or let it be."""
    return [None, host, *(host._replace(label=label) for label in LABELS), *(host._replace(api_base=base) for base in BASES)]


@pytest.mark.parametrize("known", [True, False], ids=["ids", "no ids"])
@pytest.mark.parametrize("count", [1, 2, 3])
def test_no_host_gets_the_answers_of_another(count: int, known: bool) -> None:
    """Of all ways to rename or move each of three hosts of one model, exchanged labels and addresses among them."""
    before = OLD[:count]
    ids = {host.label: ID for host in before} if known else {}
    tried = 0
    for now in product(*map(changes, before), [None, Host("new", "http://new"), Host("new", "http://a")]):
        listed = [host for host in now if host]
        if len({host.label for host in listed}) < len(listed) or len({host.api_base for host in listed}) < len(listed):
            continue
        hosts = Hosts(before, asked(*listed), ids)
        for mine, theirs in product(range(count), range(count)):
            place = now[theirs]
            if place and hosts.serve(before[mine], spec(place)):
                assert mine == theirs, (before, now)
                tried += 1
        if now[-1] and count > 1:
            assert not any(hosts.serve(host, spec(now[-1])) for host in before if host.api_base != now[-1].api_base)
    assert tried


@given(st.permutations(OLD), st.sampled_from(["http://y", "http://z"]))
def test_a_model_that_moves_keeps_its_answers_and_the_others_theirs(order: list[Host], base: str) -> None:
    moving, *staying = order
    moved = moving._replace(api_base=base)
    hosts = Hosts(OLD, asked(moved, *staying), {})
    assert hosts.serve(moving, spec(moved))
    assert all(hosts.serve(host, spec(host)) for host in staying)
    assert [(one.label, one.before, one.now) for one in hosts.moved] == [(moving.label, moving.api_base, base)]
    anew = Hosts(OLD, asked(moved, *staying), {}, anew=True)
    assert not anew.serve(moving, spec(moved))
    assert anew.moved == []
    assert all(anew.serve(host, spec(host)) for host in staying)


def test_one_host_alone_may_change_both_its_label_and_its_address() -> None:
    old, new = Host("a", "http://a"), Host("b", "http://b")
    assert Hosts([old], asked(new), {}).serve(old, spec(new))
    # one that has moved before, too
    assert Hosts([old, Host("a", None)], asked(new), {}).serve(old, spec(new))
    # and several labels of it, which differ in parameters
    assert Hosts([old, Host("c", "http://a")], asked(new, Host("d", "http://b")), {}).serve(old, spec(new))


def test_models_at_one_server_move_together_and_alone() -> None:
    before = [Host("small", "http://a"), Host("large", "http://a")]
    ids = {"small": "openai/small", "large": "openai/large"}
    for base in ("http://a", "http://b"):
        now = {
            "small": ModelSpec(label="small", id=ids["small"], api_base="http://b"),
            "large": ModelSpec(label="large", id=ids["large"], api_base=base),
        }
        assert Hosts(before, now, ids).serve(before[0], now["small"])


def test_a_move_is_said_in_one_line() -> None:
    (moved,) = Hosts([Host("a", "http://a")], asked(Host("a", None)), {}).moved
    assert str(moved) == f"a ({ID}): answers given at http://a count; it is asked at its provider's own address now"
