"""Let what people wrote come by Slack, by e-mail or by SMS: the same words, in the shape that messages of that channel have.

Inputs of the types in MESSAGES get the channel's type and keys; other keys of theirs, such as a time, stay. A channel without
subjects has the subject above the words. Inputs that came by the channel stay as they are, and so do other inputs, and answers to
a question of the agent: these are results.
"""

import re

LOSSY = "who an e-mail went to, the name of a Slack channel, and in an SMS the name of who wrote"
ADDS = "a sender where none was named, a Slack channel, an e-mail's line of the subject"

MESSAGES = ("user_input", "user_message", "chat_message", "slack_message", "email_received", "sms_received")
CHANNELS = MESSAGES[-3:]
NO_SUBJECT = "(no subject)"  # a greeting or a summary could change which step is right


def edit(thread, channel):
    if channel not in CHANNELS:
        raise ValueError(f"wanted {', '.join(CHANNELS[:-1])} or {CHANNELS[-1]}, got {channel!r}")
    senders = {}
    return {"events": [moved(event, channel, senders) for event in thread["events"]]}


def moved(event, channel, senders):
    if event["role"] != "input" or event["type"] not in MESSAGES or event["type"] == channel:
        return event
    data = event["data"] if isinstance(event["data"], dict) else {"text": event["data"]}
    said = [key for key in ("text", "body") if isinstance(data.get(key), str)]
    if len(said) != 1:
        return event
    subject, sender = (str(data.get(key) or "") for key in ("subject", "from"))
    senders.setdefault(sender, len(senders))
    message = written(channel, data[said[0]], "" if subject == NO_SUBJECT else subject, sender, senders[sender])
    kept = {key: value for key, value in data.items() if key not in ("from", "to", "channel", "subject", *said)}
    return {**event, "type": channel, "data": {**kept, **message}}


def written(channel, words, subject, sender, number):
    """Write a message of a channel. ``number`` tells senders apart: phone numbers are made of it."""
    name = re.sub(r"[^\w.-]+", ".", sender.lstrip("@").partition("@")[0]).strip(".") or "robin"
    if channel == "email_received":
        address = sender if re.fullmatch(r"[^@\s]+@[^@\s]+", sender) else f"{name}@mail.example"
        return {"from": address, "subject": subject or NO_SUBJECT, "body": words}
    text = f"{subject}\n\n{words}" if subject else words
    if channel == "sms_received":
        return {"from": f"+1 202 555 {100 + number:04}", "text": text}
    return {"from": f"@{name}", "channel": "#general", "text": text}
