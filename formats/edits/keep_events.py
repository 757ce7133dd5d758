"""Keep the last n events, and the first one: an agent that forgets what it was asked can't work.

A result whose step falls out goes too. If the first event is a step, its result stays with it.
"""

LOSSY = "all events but the first and the last ones"


def edit(thread, n=10):
    if not isinstance(n, int) or n < 1:
        raise ValueError(f"wanted a number of events from 1 on, got {n!r}")
    first, *rest = thread["events"]
    steps = {event["call"] for event in [first, *rest[-n:]] if event["role"] == "step"}
    last = len(rest) - n
    return {
        "events": [first]
        + [event for i, event in enumerate(rest) if (event["call"] in steps if event["role"] == "result" else i >= last)]
    }
