"""Two calculator agents that are functions of the thread's events: one that keeps to the policy, and a careless one.

Both have the sums' wording read to them (``SUMS`` and ``REPLIES``); all else they see from the events.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Sequence
from typing import Any

Tree = Any
"""A number, ``"x"`` for a number that is missing, or an operation: (intent, left, right)."""

SUMS = {
    "What do 17 and 25 make together?": "17 + 25",
    "Take 38 from 95.": "95 - 38",
    "What is 14 multiplied by 6?": "14 * 6",
    "divide 156 by 12": "156 / 12",
    "How often does 8 go into 200?": "200 / 8",
    "forty-two minus nineteen": "42 - 19",
    "What is 12 minus 30?": "12 - 30",
    "Each of 9 boxes holds 12 eggs. How many eggs are there?": "9 * 12",
    "Wie viel ist 63 geteilt durch 7?": "63 / 7",
    "add 5, 11 and 20": "5 + 11 + 20",
    "Add 46 and 18, then halve it.": "(46 + 18) / 2",
    "3 train tickets at 24 each and a reservation for 9. What do I pay?": "3 * 24 + 9",
    "A book has 320 pages. I read 25 pages a day for 8 days. How many pages are left?": "320 - 25 * 8",
    "The bill is 62.50 and I give a tip of 7.50; the two of us pay half each. How much is that?": "(62.5 + 7.5) / 2",
    "Start with 20: times 3, minus 12, divided by 4, plus 9, times 2. What comes out?": "((20 * 3 - 12) / 4 + 9) * 2",
    "28 children and 3 adults go to the museum. A child pays 4, an adult 9, and the bus costs 62. What does it cost in all?": (
        "28 * 4 + 3 * 9 + 62"
    ),
    "A garden is 18.5 m long and 11.5 m wide. How much does a fence all around cost, at 12 a metre?": "(18.5 + 11.5) * 2 * 12",
    "What is the average of 12, 19, 25 and 40?": "(12 + 19 + 25 + 40) / 4",
    "A wall is 6 m by 2.5 m, with a door of 2 square metres in it. A tin of paint is enough for 6.5 square metres "
    "and costs 19. What does the paint cost for one coat?": "(6 * 2.5 - 2) / 6.5 * 19",
    "Two sums please: 19 + 23, and 300 / 12.": "19 + 23; 300 / 12",
    "132 divided by 11": "132 / 11",
    "88 minus 59": "88 - 59",
    "15 times 15": "15 * 15",
    "How much is 45 - 17, times 3, plus 16?": "(45 - 17) * 3 + 16",
    "divide 90 by 0": "90 / 0",
    "What is 41 / 0?": "41 / 0",
    "77 / 0 please": "77 / 0",
    "Take 13 from 13 and divide 65 by what is left.": "65 / (13 - 13)",
    "Please add 48.": "48 + x",
    "What is 9 times &%§?": "9 * x",
    "Multiply the price by 4 and add 11.": "x * 4 + 11",
    "Subtract 27 from y.": "x - 27",
    "Divide the number of guests by 8.": "x / 8",
    "14 and 3": "x",
    "Write me a limerick about zebras.": "x",
    "Divide z by 16 and add 3.": "x / 16 + 3",
    "What is 70 - 26?": "70 - 26",
    "And 70 - 27?": "70 - 27",
    "What is 12 times 12?": "12 * 12",
    "Divide that by 12.": "last / 12",
    "6 times 11": "6 * 11",
    "now divide it by 5": "last / 5",
    "And multiply k by 8.": "x * 8",
    "Divide 81 by n.": "81 / x",
    "Meanwhile: what is 23 + 17?": "23 + 17",
}
"""What a text asks for: sums with a semicolon between them. A text that isn't here is a sum in signs."""

REPLIES = {
    "Right, that is zero. Divide 65 by 13 instead.": "65 / 13",
    "multiply them": "14 * 3",
    "Fine, then tell me what 19 plus 23 is.": "19 + 23",
}
"""Answers that say what to work out. Others give one number, or none."""

LEFT = {
    "then leave it, thank you",
    "Of course, that makes no sense. Forget it.",
    "Never mind, I found it in my notes.",
}
"""What withdraws a wish."""

THANKS = {"Thank you!", "great, that's all"}

SIGNS = {ast.Add: "add", ast.Sub: "subtract", ast.Mult: "multiply", ast.Div: "divide"}


def right(events: Sequence[dict[str, Any]]) -> tuple[str, dict[str, Any]]:
    """Give the step that the policy in the prompt wants."""
    desk = Desk(careless=False)
    for event in events:
        desk.see(event)
    wish = desk.current()
    if wish is None:
        return "done_for_now", {"message": f"That makes {desk.last}."}
    if has_hole(wish):
        return "request_more_information", {"message": "What exactly shall I work out?"}
    intent, a, b = first(wish)
    if desk.failures >= 2 or (intent == "divide" and b == 0):
        return "request_more_information", {"message": "That doesn't work. What shall I do?"}
    return intent, {"a": a, "b": b}


def careless(events: Sequence[dict[str, Any]]) -> tuple[str, dict[str, Any]]:
    """Give the step of an agent that works from left to right, takes 1 for what is missing, and gives up at a failure."""
    desk = Desk(careless=True)
    for event in events:
        desk.see(event)
    wish = desk.current()
    if wish is None or desk.failures:
        return "done_for_now", {"message": "Done."}
    intent, a, b = first(wish)
    return intent, {"a": a, "b": b}


class Desk:
    """What is wanted, as far as it is worked out."""

    def __init__(self, careless: bool) -> None:
        self.careless = careless
        self.wishes: list[Tree] = []
        self.failures = 0
        self.last: float = 0

    def current(self) -> Tree:
        """Give the wish to work on: the first that can be worked out, else the first with a number missing, else none."""
        left = [wish for wish in self.wishes if not is_number(wish)]
        return min(left, key=has_hole, default=None)

    def see(self, event: dict[str, Any]) -> None:
        """Take in what happened."""
        kind, data = event["type"], event["data"]
        if kind == "user_input" and data not in THANKS:
            self.hear(data)
        elif kind == "human_response":
            self.failures = 0
            self.answer(data["response"])
        elif kind == "error":
            self.failures += 1
        elif kind.endswith("_result"):
            self.failures, self.last = 0, data
            wish = self.current()
            self.change(wish, put(wish, first(wish), data))

    def hear(self, text: str) -> None:
        if text in LEFT:
            self.wishes.clear()
        else:
            self.wishes += [self.parse(part) for part in SUMS.get(text, text).split(";")]

    def answer(self, text: str) -> None:
        wish = self.current()
        numbers = re.findall(r"\d+(?:\.\d+)?", text)
        if text in LEFT:
            self.wishes.clear()
        elif wish is None:
            return
        elif text in REPLIES:
            self.change(wish, self.parse(REPLIES[text]))
        elif numbers and has_hole(wish):
            self.change(wish, put(wish, "x", int(numbers[0])))
        elif numbers:
            intent, a, _ = first(wish)
            self.change(wish, put(wish, first(wish), (intent, a, int(numbers[0]))))

    def change(self, wish: Tree, to: Tree) -> None:
        self.wishes = [to if other is wish else other for other in self.wishes]

    def parse(self, text: str) -> Tree:
        """Read a sum in signs. The careless don't see brackets or precedence."""
        text = text.strip().rstrip("= ").replace("×", "*").replace("÷", "/").replace("last", str(self.last))
        if self.careless:
            rest = re.findall(r"[-+*/]|[\d.]+", text.replace("x", "1"))
            text = rest[0]
            for sign, value in zip(rest[1::2], rest[2::2], strict=True):
                text = f"({text}) {sign} {value}"
        return tree(ast.parse(text, mode="eval").body)


def tree(node: ast.expr) -> Tree:
    if isinstance(node, ast.BinOp):
        return SIGNS[type(node.op)], tree(node.left), tree(node.right)
    return "x" if isinstance(node, ast.Name) else ast.literal_eval(node)


def is_number(wish: Tree) -> bool:
    return isinstance(wish, int | float)


def has_hole(wish: Tree) -> bool:
    return wish == "x" or (isinstance(wish, tuple) and any(map(has_hole, wish[1:])))


def first(wish: Tree) -> Tree:
    """Give the operation that comes first: the innermost on the left."""
    inner = next((side for side in wish[1:] if isinstance(side, tuple)), None)
    return wish if inner is None else first(inner)


def put(wish: Tree, old: Tree, new: Tree) -> Tree:
    """Put something in the place of the first part that is ``old``."""
    if wish == old:
        return new
    if isinstance(wish, tuple):
        left = put(wish[1], old, new)
        return wish[0], left, wish[2] if left != wish[1] else put(wish[2], old, new)
    return wish
