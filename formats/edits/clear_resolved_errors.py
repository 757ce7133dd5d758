"""Forget an error once it is mended: it goes, with the step that ran into it, when a later step of the same type has worked."""

LOSSY = "errors that a later step of the same type has mended, and the steps that ran into them"


def edit(thread):
    events = thread["events"]
    results = {event["call"]: event["type"] for event in events if event["role"] == "result"}
    steps = [(i, event["type"], results.get(event["call"])) for i, event in enumerate(events) if event["role"] == "step"]
    worked = {kind: i for i, kind, result in steps if result not in (None, "error")}
    gone = {events[i]["call"] for i, kind, result in steps if result == "error" and worked.get(kind, -1) > i}
    return {"events": [event for event in events if event["role"] == "input" or event["call"] not in gone]}
