"""Drop all events of a type. A step takes its result with it; where results are dropped, their steps stay."""

LOSSY = "all events of one type"


def edit(thread, type):
    gone = {event["call"] for event in thread["events"] if event["role"] == "step" and event["type"] == type}
    return {
        "events": [
            event
            for event in thread["events"]
            if event["type"] != type and not (event["role"] == "result" and event["call"] in gone)
        ]
    }
