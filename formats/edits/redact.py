"""Put placeholders for e-mail addresses, phone and card numbers, and keys. Equal values get equal placeholders within a thread.

Looks at texts in data. Keys of objects, and numbers that are no text, stay as they are.
"""

import re

LOSSY = "e-mail addresses, phone numbers, card numbers, keys"

# Tried in this order at each place: a key may hold digits, a card number could be read as a phone number.
KINDS = {
    "key": r"\b(?:sk|pk|rk|gsk|ghp|gho|hf|xai|xox[a-z]|glpat)[-_][A-Za-z0-9_-]{12,}|\bAKIA[0-9A-Z]{16}\b|\bAIza[A-Za-z0-9_-]{20,}"
    r"|\beyJ[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+|-----BEGIN [A-Z ]*KEY-----.*?-----END [A-Z ]*KEY-----",
    "email": r"[A-Za-z0-9._%+-]{1,64}@(?:[A-Za-z0-9-]{1,63}\.)+[A-Za-z]{2,}",
    "card": r"(?<![\w.+-])(?:\d{13,19}|\d{4}(?:[ -]\d{4}){3}|\d{4}[ -]\d{6}[ -]\d{5})(?![\w-])",
    "phone": r"(?<![\w.])\+\d(?:[ ()./-]{0,2}\d){6,14}(?!\w)|(?<![\w.-])\(?\d{3}\)?[ .-]\d{3}[ .-]\d{4}(?![\w-])",
}
PRIVATE = re.compile("|".join(f"(?P<{kind}>{pattern})" for kind, pattern in KINDS.items()), re.DOTALL)


def edit(thread):
    seen = {}
    return {"events": [{**event, "data": hide(event["data"], seen)} for event in thread["events"]]}


def hide(value, seen):
    if isinstance(value, str):
        return PRIVATE.sub(lambda found: placeholder(found.lastgroup, found[0], seen), value)
    if isinstance(value, list):
        return [hide(item, seen) for item in value]
    if isinstance(value, dict):
        return {key: hide(item, seen) for key, item in value.items()}
    return value


def placeholder(kind, text, seen):
    """The same for the same address or number, however it is written: ``[email 1]``, ``[email 2]``, ``[phone 1]``."""
    same = {"key": text, "email": text.lower()}.get(kind) or re.sub(r"\D", "", text)
    if kind == "card" and not valid_card(same):
        return text
    known = seen.setdefault(kind, {})
    return f"[{kind} {known.setdefault(same, len(known) + 1)}]"


def valid_card(digits):
    """Hold the check digit of card numbers (Luhn), so that order numbers and times stay."""
    doubled = [int(digit) * (1 + i % 2) for i, digit in enumerate(reversed(digits))]
    return sum(number - 9 if number > 9 else number for number in doubled) % 10 == 0
