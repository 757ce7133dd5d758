"""Cut every text in a result to n characters. A text that was cut ends in the mark, which is counted."""

LOSSY = "the ends of long texts in results"
MARK = "… [cut]"


def edit(thread, n=500):
    if not isinstance(n, int) or n < len(MARK):
        raise ValueError(f"wanted a number of characters from {len(MARK)} on, got {n!r}")
    return {
        "events": [{**event, "data": cut(event["data"], n)} if event["role"] == "result" else event for event in thread["events"]]
    }


def cut(value, n):
    if isinstance(value, str):
        return value if len(value) <= n else value[: n - len(MARK)] + MARK
    if isinstance(value, list):
        return [cut(item, n) for item in value]
    if isinstance(value, dict):
        return {key: cut(item, n) for key, item in value.items()}
    return value
