"""Chat messages in the way that the output mode takes: native tool calls where the steps are offered as tools, text elsewhere.

With tools it is ``messages`` to the byte, without them ``messages_text``. So chat messages can be compared with a trace under all
output modes at once. Needs the role of every event.
"""

import itertools
import json

INJECTABLE = "with tools, a tool's result that is an object with one key reads like a result of that name, such as an error"

# Steps that stand for what the agent said, with their one field: any other field makes it a call, so nothing gets lost. The last
# event of a thread is a call all the same: the API wants the last message to be another's.
SAID = {"respond": "message"}


def render(thread, tools):
    for position, event in enumerate(thread["events"]):
        if event["role"] not in ("input", "step", "result"):
            raise ValueError(f"events[{position}] ({event['type']!r}) has no role: input, step or result")
    return with_tools(thread["events"]) if tools else as_text(thread["events"])


# ---------------------------------------------------------------------------------------------- without tools


def as_text(events):
    """A step is what the assistant said: the JSON of its answer. A result and anything else is a user message."""
    messages = []
    for event in events:
        said_by = "assistant" if event["role"] == "step" else "user"
        messages.append({"role": said_by, "content": compact(answer(event)) if event["role"] == "step" else user_text(event)})
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


# ---------------------------------------------------------------------------------------------- with tools


def with_tools(events):
    """Steps in a row are the calls of one message. A result right after is the answer to its call, a later one a user message."""
    given = {event["call"] for event in events}
    fresh = (name for number in itertools.count(1) if (name := f"call_{number}") not in given)
    issued = set()
    messages = []
    position = 0
    while position < len(events):
        if events[position]["role"] != "step":
            messages.append({"role": "user", "content": user_text(events[position])})
            position += 1
            continue
        texts, calls = [], []
        while text := said(events, position):
            texts.append(text)
            position += 1
        while position < len(events) and events[position]["role"] == "step" and not said(events, position):
            step = events[position]
            call = step["call"] if step["call"] and step["call"] not in issued else next(fresh)
            issued.add(call)
            calls.append({"id": call, "step": step, "open": True})
            position += 1
        message = {"role": "assistant", "content": "\n\n".join(texts) or None}
        messages.append(message | ({"tool_calls": [tool_call(call) for call in calls]} if calls else {}))
        while position < len(events) and (call := answered(events[position], calls)):
            call["open"] = False
            messages.append(tool_message(call, result_body(events[position], call["step"])))
            position += 1
        # The API wants an answer to every call: nothing is the answer of a step without a result.
        messages += [tool_message(call, "") for call in calls if call["open"]]
    return messages


def said(events, position):
    """The text that the event stands for, if it is one of the agent's and not the last event."""
    if position >= len(events) - 1 or events[position]["role"] != "step" or events[position]["type"] not in SAID:
        return None
    field, data = SAID[events[position]["type"]], events[position]["data"]
    return data[field] or None if isinstance(data, dict) and data.keys() == {field} and isinstance(data[field], str) else None


def answered(event, calls):
    """The open call that an event answers: by id, else by name, else the first."""
    if event["role"] != "result":
        return None
    open_calls = [call for call in calls if call["open"]]
    if event["call"]:
        named = [call for call in open_calls if call["step"]["call"] == event["call"]]
        return named[0] if named else None
    named = [call for call in open_calls if event["type"] in own_results(call["step"])]
    return (named or open_calls or [None])[0]


def own_results(step):
    return (f"{step['type']}_result", f"{step['type']}_response")


def tool_call(call):
    data = call["step"]["data"]
    arguments = {} if data is None else data if isinstance(data, dict) else {"data": data}
    return {"id": call["id"], "type": "function", "function": {"name": call["step"]["type"], "arguments": compact(arguments)}}


def tool_message(call, content):
    return {"role": "tool", "tool_call_id": call["id"], "content": content}


def result_body(event, step):
    """A result named after its step is its data; any other (an error, a human's answer) keeps its name."""
    return compact(event["data"] if event["type"] in own_results(step) else {event["type"]: event["data"]})


# ---------------------------------------------------------------------------------------------- both


def user_text(event):
    """What a user said stands as it is, unless it could be taken for the JSON of another event."""
    text = event["data"]
    spoken = event["role"] == "input" and event["type"] in ("user_input", "user_message") and isinstance(text, str)
    if spoken and text.strip() and not text.lstrip().startswith("{"):
        return text
    return compact({event["type"]: event["data"]})


def compact(value):
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
