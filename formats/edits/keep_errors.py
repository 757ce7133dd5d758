"""Keep the last n errors of a thread, and forget the others with the steps that ran into them.

Counted over the whole thread, not by errors in a row: so n bounds what errors can cost, however they are spread.
"""

LOSSY = "all errors but the last ones, and the steps that ran into them"


def edit(thread, n=1):
    if not isinstance(n, int) or n < 1:
        raise ValueError(f"wanted a number of errors from 1 on, got {n!r}")
    errors = [event["call"] for event in thread["events"] if event["role"] == "result" and event["type"] == "error"]
    gone = set(errors[:-n])
    return {"events": [event for event in thread["events"] if event["role"] == "input" or event["call"] not in gone]}
