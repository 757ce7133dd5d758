"""JSON of any shape, and records of logs with a few places broken."""

from __future__ import annotations

import copy
import json
import random
from typing import Any

from hypothesis import strategies as st

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(codec="utf-8")),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(st.characters(codec="utf-8"), max_size=8), inner, max_size=4)
    ),
    max_leaves=12,
)


def broken(record: Any, luck: random.Random) -> Any:
    """Change a few places of a record: drop them, swap them, or put another value of the record or an odd one there."""
    record = json.loads(json.dumps(record))
    for _ in range(luck.randint(1, 4)):
        places = list(_places(record))
        if not places:
            break
        holder, key = luck.choice(places)
        match luck.randrange(4):
            case 0:
                del holder[key]
            case 1:
                holder[key] = copy.deepcopy(luck.choice(ODD))
            case 2:
                other, name = luck.choice(places)
                # a copy: a record that holds itself is no JSON
                holder[key] = copy.deepcopy(other[name]) if _has(other, name) else None
            case 3:
                holder[key] = json.dumps(holder[key])
    return record


ODD = (None, True, -1, 1e300, "", " ", "{", '{"a":1}', [], {}, [None], {"role": "user"}, [[]], {"$ref": 1}, "é\u2028", 10**30)


def _has(holder: Any, key: Any) -> bool:
    return key in holder if isinstance(holder, dict) else key < len(holder)


def _places(value: Any) -> Any:
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in list(inside):
        yield value, key
        yield from _places(inner)
