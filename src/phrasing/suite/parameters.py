"""Parameters of models: on which of them two models of one id differ, such as ``reasoning_effort``."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping, Sequence

from pydantic import JsonValue

from phrasing.types import canonical_json

Parameters = Mapping[str, JsonValue]


def varied(models: Sequence[tuple[Hashable, Parameters]]) -> list[dict[str, JsonValue]]:
    """Give, for each model, the parameters on which those of the same id (or whatever tells models apart) differ.

    What stands inside a parameter is named with dots, ``thinking.budget_tokens``. ``None``: the model has no such parameter.
    """
    flat = [(id, dict(_flat(params))) for id, params in models]
    found = []
    for id, mine in flat:
        others = [params for other, params in flat if other == id]
        names = dict.fromkeys(name for params in others for name in params)
        differ = [name for name in names if len({canonical_json(params.get(name)) for params in others}) > 1]
        found.append({name: mine.get(name) for name in differ})
    return found


def _flat(params: Parameters, before: str = "") -> Iterator[tuple[str, JsonValue]]:
    for name, value in params.items():
        if isinstance(value, dict) and value:
            yield from _flat(value, f"{before}{name}.")
        elif value is not None:
            yield f"{before}{name}", value


def shown(value: JsonValue) -> str:
    """Write a parameter's value: a text as it is, all else as JSON."""
    return value if isinstance(value, str) else canonical_json(value)
