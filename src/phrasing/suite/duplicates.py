"""Repeated cases in a stream of any length."""

from __future__ import annotations

import hashlib
from array import array


class Seen:
    """The cases met so far, as digests: tells repeats, of any number of cases.

    ``repeats`` counts cases whose thread and label had both been met, ``relabelled`` those whose thread had been met with other
    labels only. Takes 24 to 48 bytes a case. Two of a million different cases are taken for one with a chance below 1 in 10^7.
    """

    def __init__(self) -> None:
        self.repeats = self.relabelled = 0
        self._threads, self._cases = _Numbers(), _Numbers()

    def add(self, thread: bytes, label: bytes) -> bool:
        """Remember a case, and tell whether it is new. Equal threads must be equal bytes, and so must equal labels."""
        of_thread = hashlib.blake2b(thread, digest_size=8).digest()
        of_case = hashlib.blake2b(of_thread + label, digest_size=8).digest()
        if not self._cases.add(int.from_bytes(of_case)):
            self.repeats += 1
            return False
        self.relabelled += not self._threads.add(int.from_bytes(of_thread))
        return True


class _Numbers:
    """A set of 64-bit numbers that look random: 12 to 24 bytes each, where a Python set takes about a hundred."""

    def __init__(self) -> None:
        self._slots, self._count = array("Q", bytes(8 * 1024)), 0

    def add(self, number: int) -> bool:
        """Add a number, and tell whether it is new."""
        number = number or 1  # 0 is an empty slot
        slots, last = self._slots, len(self._slots) - 1
        at = number & last
        while slots[at]:
            if slots[at] == number:
                return False
            at = (at + 1) & last
        slots[at] = number
        self._count += 1
        if self._count * 3 > len(slots) * 2:
            self._slots, self._count = array("Q", bytes(16 * len(slots))), 0
            for each in slots:
                if each:
                    self.add(each)
        return True
