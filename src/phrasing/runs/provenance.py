"""What a run was made of, written down so that its figures can be traced and its reports made from its folder alone."""

from __future__ import annotations

import subprocess
from collections import Counter
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from phrasing.files import GIT
from phrasing.models.provider import provider_of
from phrasing.plan.grid import GroupKey
from phrasing.plan.resolve import Plan
from phrasing.records import Group, RunRecord, served
from phrasing.rollout.environment import Environment
from phrasing.suite.schema import Suite
from phrasing.types import CaseNote, Variant, canonical_json

PACKAGES = ("phrasing", "baml-py", "jinja2", "litellm", "tiktoken", "toon-format", "xllamacpp")
"""Whose versions a run records: they shape prompts, answers or counts."""


def describe(resolved: Plan, *, started: str, stops: bool = False, before: RunRecord | None = None) -> RunRecord:
    """Write down what a run is made of: names, digests, versions, and what was skipped or warned of.

    ``stops``: it stops early, so its order belongs to it. ``before``: what it was made of before it was brought up to date.
    """
    agents = resolved.agents.values()
    return RunRecord(
        suite=resolved.file.name,
        started=started,
        versions=dict(_versions()),
        commit=resolved.file.commit or _commit(resolved.file.root),
        resolved=resolved.suite.stored,
        partial=resolved.partial,
        shard=resolved.selection.shard,
        trials=len(resolved.trials),
        spared=0 if stops else None,
        order=_order(resolved) if stops else None,
        variants=tuple(map(str, resolved.variants)),
        baselines={str(variant): str(baseline) for variant, baseline in resolved.baselines.items()},
        steps={f"{a.dataset.name} {label}": tuple(a.picked_from(label)) for a in agents for label in a.labels},
        cases={name: _notes(resolved, name) for name in resolved.agents},
        words={f"{a.dataset.name} {name}": dict(picked) for a in agents for name, picked in a.by_words.items()},
        exact_tokens=resolved.tokenizer.exact,
        tool_rules={label: rule.name for label, rule in resolved.tool_rules.items()},
        set_aside={name: agent.set_aside for name, agent in resolved.agents.items() if agent.set_aside},
        formats={  # a mark is stored under its old name
            name: {"digest": format.digest, "spoofable": format.injectable, "lossy": format.lossy}
            for name, format in resolved.formats.items()
        },
        edits={name: {"digest": edit.digest, "lossy": edit.lossy, "adds": edit.adds} for name, edit in resolved.edits.items()},
        datasets={agent.dataset.name: agent.dataset.digest for agent in agents},
        baml={f"{resolved.suite.baml_src}/{name}": sha for name, sha in resolved.project.digests.items()},
        prompts=_prompts(resolved),
        added={f"{a.dataset.name} {name}": tools for a in agents for name, tools in a.added_to.items()},
        notations={file.shown: file.digest for file in resolved.notation_files.values()},
        environments={environment.name: environment.digest for environment in _environments(resolved)},
        judged=tuple(dict.fromkeys(name for environment in _environments(resolved) for name in environment.scores)),
        controls={name: control.digest for name, control in resolved.controls.items()},
        scorers={scorer.file: scorer.digest for scorer in resolved.scorers.values()},
        models={
            label: {"id": spec.id, "digest": provider_of(spec.id).digest(spec.id)} for label, spec in resolved.models.items()
        },
        served=_served(resolved, before),
        skipped=tuple(map(str, resolved.skipped)),
        warnings=resolved.warnings,
    )


def _environments(resolved: Plan) -> list[Environment]:
    return [agent.environment for agent in resolved.agents.values() if agent.environment]


def _prompts(resolved: Plan) -> dict[str, str]:
    """Give the digests of the files that change functions: rewrites, and lists of added tools."""
    lists = {agent.added.shown: agent.added.digest for agent in resolved.agents.values() if agent.added}
    return {**{file.shown: file.digest for file in resolved.rewrites.values()}, **lists}


def changes(before: RunRecord, now: RunRecord) -> tuple[str, ...]:
    """Name the files, models and parameters of which two runs had different ones."""
    found = []
    for what, one, other in (
        ("dataset", before.datasets, now.datasets),
        ("format", before.formats, now.formats),
        ("edit", before.edits, now.edits),
        ("model", before.models, now.models),
        ("parameter", _parameters(before), _parameters(now)),
        ("", before.baml, now.baml),
        ("", before.prompts, now.prompts),
        ("", before.notations, now.notations),
        ("", before.scorers, now.scorers),
        ("environment", before.environments, now.environments),
        ("control", before.controls, now.controls),
    ):
        differing = (name for name in {**one, **other} if one.get(name) != other.get(name))
        found += [f"{what} {name}".strip() for name in sorted(differing)]
    return tuple(found)


def _parameters(record: RunRecord) -> dict[str, list[str]]:
    """Give what a run's models were sent, by the parameter's name: each value once."""
    suite = Suite.model_validate(record.resolved)
    sent = [{**suite.params, **model.params} for model in suite.models]
    return {name: sorted({canonical_json(params.get(name)) for params in sent}) for params in sent for name in params}


def _served(resolved: Plan, before: RunRecord | None) -> dict[str, tuple[str | None, ...]]:
    """List where each model was served until now, of those that have or had an address of their own."""
    listed = {label: served(before.addresses(label) if before else (), spec.api_base) for label, spec in resolved.models.items()}
    return {label: bases for label, bases in listed.items() if bases != (None,)}


def _notes(resolved: Plan, dataset: str) -> dict[str, CaseNote]:
    notes = resolved.agents[dataset].notes
    asked = sorted({trial.case for trial in resolved.trials if trial.dataset == dataset})
    return {name: notes[name] for name in asked}


def _order(resolved: Plan) -> tuple[Group, ...]:
    trials: Counter[tuple[GroupKey, Variant]] = Counter()
    cases: dict[GroupKey, dict[str, None]] = {}
    for trial in resolved.trials:
        group = resolved.group(trial)
        trials[group, trial.variant] += 1
        cases.setdefault(group, {})[trial.case] = None
    return tuple(
        Group(dataset=group[0], cases=tuple(cases[group]), trials=tuple(trials[group, variant] for variant in resolved.variants))
        for block in resolved.blocks
        for group in block
    )


@cache
def _versions() -> dict[str, str]:
    found = {}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def _commit(root: Path) -> str | None:
    """Name the git commit of the project, with ``+`` if files differ from it."""
    try:
        done = subprocess.run(
            [*GIT, "-C", str(root), "describe", "--always", "--dirty=+", "--abbrev=40", "--exclude=*"],
            capture_output=True,
            text=True,
            check=True,
        )
    except (OSError, subprocess.CalledProcessError):
        return None
    return done.stdout.strip()
