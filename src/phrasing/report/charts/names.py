"""Names as they fit into a picture: cleaned, shortened, told apart, measured, and placed where they cover nothing.

Names come from users: a variant's format, a tag, an intent. They may have a thousand characters, or turn the direction of
writing.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal
from unicodedata import east_asian_width

SIZE = 11
"""The size of letters in pictures, in pixels."""

_NARROW = frozenset("ijl.,:;|'!()[]{}ftrI /\\-")
_WIDE = frozenset("mwMW%@—…")


def shorten(text: str, most: int = 40) -> str:
    """Write a name in one line of at most ``most`` characters, its middle left out; what can't be seen becomes a space."""
    line = " ".join("".join(c if c.isprintable() else " " for c in text).split()) or "(no name)"
    if len(line) <= most:
        return line
    head = (most - 1) // 2
    return f"{line[:head].rstrip()}…{line[len(line) - (most - 1 - head) :].lstrip()}"


def distinct(texts: Iterable[str], most: int = 40) -> list[str]:
    """Shorten names, and number those that would look the same."""
    shown: list[str] = []
    for text in texts:
        name, again = shorten(text, most), 1
        while name in shown:
            again += 1
            name = f"{shorten(text, most - 3 - len(str(again)))} ({again})"
        shown.append(name)
    return shown


def text_width(text: str, size: float = SIZE) -> float:
    """Say about how many pixels wide a text is in Liberation Sans or Arial; rather too many than too few."""
    return size * sum(
        1.0 if east_asian_width(c) in "WF" else 0.34 if c in _NARROW else 0.92 if c in _WIDE else 0.7 if c.isupper() else 0.57
        for c in text
    )


@dataclass(frozen=True)
class Box:
    """A rectangle in pixels, y downward."""

    left: float
    top: float
    right: float
    bottom: float

    def shared(self, other: Box) -> float:
        """How wide the place is that the two have in common: 0 where there is none."""
        over = min(self.bottom, other.bottom) - max(self.top, other.top)
        return max(0, min(self.right, other.right) - max(self.left, other.left)) if over > 0 else 0


@dataclass(frozen=True)
class Mark:
    """A mark around (x, y), as wide as high: ``half`` is half of that."""

    x: float
    y: float
    half: float


Side = Literal["left", "right"]

_SIDES: tuple[tuple[int, Side], ...] = ((1, "left"), (-1, "right"))


@dataclass(frozen=True)
class Place:
    """Where a label stands: at (x, y), vertically centred. ``far``: a line has to lead there."""

    x: float
    y: float
    align: Side
    far: bool


def places(labels: Sequence[str], marks: Sequence[Mark], bars: Sequence[Box], area: tuple[float, float]) -> list[Place] | None:
    """Place each label near its mark, in an area of a width and a height, so that it covers no mark and no other label.

    Of bars as little as possible is covered. ``None`` where a label has no place.
    """
    whole = Box(0, 0, *area)
    taken = [Box(mark.x - mark.half, mark.y - mark.half, mark.x + mark.half, mark.y + mark.half) for mark in marks]
    found: dict[int, Place] = {}
    # who is near others has the least choice
    crowd = [sum(abs(mark.x - other.x) < 150 and abs(mark.y - other.y) < 40 for other in marks) for mark in marks]
    for i in sorted(range(len(labels)), key=lambda i: -crowd[i]):
        free = [
            (away + sum(box.shared(bar) for bar in bars), place, box)
            for away, place in _around(marks[i])
            if _inside(box := _box(place, labels[i]), whole) and not any(box.shared(other) for other in taken)
        ]
        if not free:
            return None
        _, found[i], box = min(free, key=lambda one: one[0])
        taken.append(box)
    return [found[i] for i in range(len(labels))]


def _around(mark: Mark) -> Iterable[tuple[float, Place]]:
    """Give places around a mark, and how bad each is by lying away from it."""
    near = mark.half + SIZE / 2 + 1
    for side, align in _SIDES:
        yield 0, Place(mark.x + side * (mark.half + 3), mark.y, align, far=False)
        for over in (5, 20, 40):
            for down in (near, near + 10, near + 24, near + 38, near + 52, near + 66):
                far = over > 5 or down > near
                for way in (-1, 1):
                    yield over + down - near, Place(mark.x + side * over, mark.y + way * down, align, far)


def _box(place: Place, label: str) -> Box:
    wide, half = text_width(label), SIZE / 2 + 1
    left = place.x if place.align == "left" else place.x - wide
    return Box(left, place.y - half, left + wide, place.y + half)


def _inside(box: Box, area: Box) -> bool:
    return box.left >= area.left and box.top >= area.top and box.right <= area.right and box.bottom <= area.bottom
