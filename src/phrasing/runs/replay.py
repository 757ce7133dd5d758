"""A replay: answers of an earlier run to the requests of this one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from phrasing.plan.resolve import Plan
from phrasing.records import Result
from phrasing.runs import store
from phrasing.runs.hosts import Host, Hosts
from phrasing.suite.schema import ModelSpec
from phrasing.types import Request, Trial


class Recording:
    """Looks answers up by request and repeat: the same trial's, else one of a trial that has another name now.

    ``path`` is a run folder or a file of results. An answer serves one trial only: variants that send the same don't share it.
    That of another host serves none (``hosts``); ``anew``: nor that from another address. A recorded error is given too.
    ``damaged`` are the lines that are left out.
    """

    def __init__(self, path: Path, plan: Plan, *, anew: bool = False) -> None:
        found, self.damaged = store.read_results(path)
        record = store.read_run(path) if path.is_dir() else None
        unnamed = record.unnamed if record else {}
        read = [result.at_base(unnamed) for result in found.values()]
        answered = (Host(result.model, result.api_base) for result in read if result.error is None)
        self.hosts = Hosts(answered, plan.models, record.ids if record else {}, anew=anew)
        self._plan = plan
        self._bases = {result.api_base for result in read}
        self._says_where = record is not None
        self._same: dict[str, Result] = {}
        self._renamed: dict[tuple[str, int], list[Result]] = {}
        planned = {trial.id for trial in plan.trials}
        for result in read:
            if result.trial.rpartition("/")[0] in planned if result.step else result.trial in planned:
                self._same[result.trial] = result
            elif result.error is None:
                self._renamed.setdefault((result.key, result.repeat), []).append(result)

    def __call__(self, trial: Trial, request: Request, step: int = 0) -> Result | None:
        """Find what answers a trial's request, or that of one of its steps."""
        spec = self._plan.models[trial.variant.model]
        same = self._same.get(trial.step(step) if step else trial.id)
        for key, base in self._keys(request):
            if same is not None and same.key == key and (same.error or self._serves(same, base, spec)):
                return same.model_copy(update={"api_base": base or same.api_base})
            left = self._renamed.get((key, trial.repeat), [])
            for number, result in enumerate(left):
                if self._serves(result, base, spec):
                    del left[number]
                    return result.model_copy(update={"api_base": base or result.api_base})
        return None

    def _serves(self, result: Result, base: str | None, spec: ModelSpec) -> bool:
        return self.hosts.serve(Host(result.model, base or result.api_base), spec)

    def _keys(self, request: Request) -> Iterator[tuple[str, str | None]]:
        """Give the keys that a request may have, now and in earlier versions, with the address that was a part of one."""
        yield request.key, None
        for base in self._bases if self._says_where else {*self._bases, request.api_base}:
            if base is not None:
                yield request.key_at(base), base
