"""User code that takes too long is interrupted, and nothing else is."""

from __future__ import annotations

import threading
import time

import pytest

from phrasing.user_code import TookTooLong, within


def spin() -> None:
    while True:
        pass


def test_what_never_ends_is_interrupted() -> None:
    with pytest.raises(TookTooLong), within(0.1):
        spin()


def test_what_runs_within_has_its_own_time() -> None:
    with within(0.4):
        with within(60):
            time.sleep(0.6)
        with pytest.raises(TookTooLong), within(0.1):
            spin()


def test_what_ends_in_time_isnt_interrupted_later() -> None:
    for _ in range(40):
        try:
            with within(0.01):
                time.sleep(0.03)
        except TookTooLong:
            pass
    time.sleep(0.2)


def test_each_thread_has_its_own_time() -> None:
    interrupted = []

    def other() -> None:
        try:
            with within(0.1):
                spin()
        except TookTooLong:
            interrupted.append(True)

    thread = threading.Thread(target=other)
    with within(60):
        thread.start()
        thread.join()
    assert interrupted
