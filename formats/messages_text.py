"""The turns of a chat as plain user and assistant text, for outputs that offer no tools. Bodies are compact JSON.

A step is what the assistant said: the JSON of its answer, {"intent": ..., arguments}. A result and anything else is a user
message, {"<type>": data}. Needs the role of every event.
"""

import json


def render(thread):
    messages = []
    for position, event in enumerate(thread["events"]):
        if event["role"] == "step":
            messages.append({"role": "assistant", "content": compact(answer(event))})
        elif event["role"] in ("input", "result"):
            messages.append({"role": "user", "content": user_text(event)})
        else:
            raise ValueError(f"events[{position}] ({event['type']!r}) has no role: input, step or result")
    if messages[-1]["role"] == "assistant":
        # Servers continue an assistant message that comes last. An empty object says that the step has no result.
        messages.append({"role": "user", "content": "{}"})
    return messages


def answer(step):
    """The step as the model would have written it."""
    intent, data = step["type"], step["data"]
    if data is None:
        return {"intent": intent}
    if not isinstance(data, dict) or data.get("intent", intent) != intent:
        return {"intent": intent, "data": data}
    return data if "intent" in data else {"intent": intent, **data}


def user_text(event):
    """What a user said stands as it is, unless it could be taken for the JSON of another event."""
    text = event["data"]
    spoken = event["role"] == "input" and event["type"] in ("user_input", "user_message") and isinstance(text, str)
    if spoken and text.strip() and not text.lstrip().startswith("{"):
        return text
    return compact({event["type"]: event["data"]})


def compact(value):
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
