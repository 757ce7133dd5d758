"""The list of events in TOON (Token-Oriented Object Notation), as the notation's own Python package writes it.

Needs that package. A list of objects that have the same keys becomes a table: the keys once, then a row an object. Rows have the
order of the first one's keys. TOON knows one kind of number, so 1.0 is written as 1.
"""

import json

try:
    import toon_format
except ImportError as error:
    raise ImportError("this format needs the package toon-format: python -m pip install 'toon-format>=1.2,<1.3'") from error


def render(thread):
    events = [{"type": event["type"], "data": event["data"]} for event in thread["events"]]
    # TOON has no numbers that aren't finite and would write null for them. JSON hasn't either, and says so.
    json.dumps(events, allow_nan=False)
    text = toon_format.dumps(events)
    # White space at the end would be stripped. TOON quotes a blank or a tab there, but not what Unicode has: a comment keeps it.
    return text if text == text.rstrip() else text + "\n#"
