"""Names as they fit into a picture: cleaned, shortened, told apart, measured, and placed where they cover nothing.

Names come from users: an arm's format, a tag, an intent. They may have a thousand characters, or turn the direction of writing.
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


def width(text: str, size: float = SIZE) -> float:
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

    def covers(self, other: Box) -> bool:
        """Whether the two have a place in common."""
        return self.left < other.right and other.left < self.right and self.top < other.bottom and other.top < self.bottom


@dataclass(frozen=True)
class Place:
    """Where a label stands: at (x, y), vertically centred."""

    x: float
    y: float
    align: Literal["left", "right", "center"]


MARK = 7.0
"""Half the side of the square that a mark takes."""


def places(
    labels: Sequence[str], marks: Sequence[tuple[float, float]], bars: Sequence[Box], area: tuple[float, float]
) -> list[Place] | None:
    """Place each label beside its mark (pixels in an area of width and height) so that it covers no mark and no other label.

    Bars are kept free where that is possible. ``None`` where a label has no place.
    """
    whole = Box(0, 0, *area)
    taken = [Box(x - MARK, y - MARK, x + MARK, y + MARK) for x, y in marks]
    found: dict[int, Place] = {}
    # who is near others has the least choice
    crowd = [sum(abs(x - a) < 150 and abs(y - b) < 40 for a, b in marks) for x, y in marks]
    for i in sorted(range(len(labels)), key=lambda i: -crowd[i]):
        free = [
            (place, box)
            for place in _around(*marks[i])
            if _inside(box := _box(place, labels[i]), whole) and not any(box.covers(other) for other in taken)
        ]
        if not free:
            return None
        place, box = min(free, key=lambda one: sum(one[1].covers(bar) for bar in bars))
        found[i] = place
        taken.append(box)
    return [found[i] for i in range(len(labels))]


def _around(x: float, y: float) -> Iterable[Place]:
    """Give the places around a mark, the best first."""
    side, line = MARK + 3, MARK + SIZE / 2 + 1
    for away in (line, line + 6, line + 14):
        yield from (Place(x + side, y, "left"), Place(x - side, y, "right"))
        for up in (-away, away):
            yield from (Place(x + 5, y + up, "left"), Place(x - 5, y + up, "right"), Place(x, y + up, "center"))


def _box(place: Place, label: str) -> Box:
    wide, half = width(label), SIZE / 2 + 1
    left = place.x - {"left": 0.0, "right": wide, "center": wide / 2}[place.align]
    return Box(left, place.y - half, left + wide, place.y + half)


def _inside(box: Box, area: Box) -> bool:
    return box.left >= area.left and box.top >= area.top and box.right <= area.right and box.bottom <= area.bottom
