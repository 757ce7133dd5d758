"""Which answers may stand for a model at its address of now: a request doesn't say where a model is served.

A host is a model at an address. A suite may move it to another address, or give it another label. Where several hosts serve one
model, their requests have equal keys, so what is known of labels and addresses must tell their answers apart; where it can't, an
answer is used for none of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from phrasing.suite.schema import ModelSpec


class Host(NamedTuple):
    """Who answers: a model by its label, and the ``api_base`` at which it is served."""

    label: str
    api_base: str | None


class Moved(NamedTuple):
    """A model that has answers from another ``api_base`` than it is asked at now."""

    label: str
    id: str
    before: str | None
    now: str | None

    def __str__(self) -> str:
        before, now = (address or "its provider's own address" for address in (self.before, self.now))
        return f"{self.label} ({self.id}): answers given at {before} count; it is asked at {now} now"


class Hosts:
    """Holds the hosts that have answered, ``before``, against those that are asked now.

    ``ids`` are the models of the labels before, as far as that is known. ``anew``: answers from another address count for none.
    """

    def __init__(
        self, before: Iterable[Host], now: Mapping[str, ModelSpec], ids: Mapping[str, str | None], *, anew: bool = False
    ) -> None:
        self._before, self._now, self._ids, self._anew = sorted(set(before), key=str), now, ids, anew

    def serve(self, host: Host, spec: ModelSpec) -> bool:
        """Whether an answer of a host to an equal request is one of the model as it is asked now."""
        asked = Host(spec.label, spec.api_base)
        if host == asked:
            return True
        # whose model isn't known any more may be one of this model
        before = {one for one in self._before if self._ids.get(one.label, spec.id) == spec.id}
        now = {Host(one.label, one.api_base) for one in self._now.values() if one.id == spec.id}
        if host.api_base == asked.api_base:  # another label, unless either is known elsewhere
            return _only(now, host) and _only(before, asked)
        if self._anew:
            return False
        if _single(before) and _single(now):
            return True
        labels = ({one.label for one in listed} for listed in (now, before))
        return (
            host.label == spec.label
            and set.issubset(*labels)
            and spec.api_base not in _others(before, spec.label)
            and host.api_base not in _others(now, spec.label)
        )

    @property
    def moved(self) -> list[Moved]:
        """The models that have answers from other addresses, which count."""
        found = ((host, self._now[host.label]) for host in self._before if host.label in self._now)
        return [
            Moved(spec.label, spec.id, host.api_base, spec.api_base)
            for host, spec in found
            if host.api_base != spec.api_base and self.serve(host, spec)
        ]


def _single(hosts: set[Host]) -> bool:
    """Whether these can be one host only: one label, whose address changed, or one address, whatever its labels."""
    return len({host.label for host in hosts}) <= 1 or len({host.api_base for host in hosts}) <= 1


def _only(hosts: set[Host], known: Host) -> bool:
    """Whether a label stands there for no other address."""
    return all(host == known for host in hosts if host.label == known.label)


def _others(hosts: set[Host], label: str) -> set[str | None]:
    return {host.api_base for host in hosts if host.label != label}
