"""`phrasing show`: what went wrong, one trial in full, and what a terminal shows of it."""

from __future__ import annotations

import math
import os
import re
import struct
import subprocess
import sys
from pathlib import Path

import pytest

from phrasing.cli.text import plain, trial_text
from phrasing.types import Completion, Prompt, Request
from support.tiny_commands import call, flaky, project, recorded
from support.tiny_runs import CASES, cache, result, world

__all__ = ["cache", "project"]

# litellm ignores this warning of its own; pytest undoes that after the test in which litellm was first imported
pytestmark = pytest.mark.filterwarnings("ignore:.*`ReadOnly` qualifier:UserWarning")


def test_show_lists_what_went_wrong(project: Path) -> None:
    recorded(flaky)
    out = call("show", "latest").output
    assert "mail::a-3[DetermineNextStepMail,none,lines,prompted,scripted]#0\n    intent: expected look_up, got finish\n" in out
    assert "    error: transient: HTTP 503\n" in out
    assert "forbidden here: send()" in out
    assert "a-1[" not in out
    assert "\n6 of 12 trials. One of them in full: phrasing show latest TRIAL\n" in out
    assert call("show", "latest", "-k", "a-3 and tags").output.count("mail::") == 1
    assert call("show", "latest", "--all").output.count("mail::") == 12


def test_show_of_one_trial_is_everything_about_it(project: Path) -> None:
    recorded()
    out = call("show", "latest", "a-4[DetermineNextStepMail,none,tags").output
    assert out.startswith(
        "mail::a-4[DetermineNextStepMail,none,tags,prompted,scripted]#0\n── system ──\nYou send mail for a person.\n"
    )
    for part in (
        '<mail>\n{"text":"a-4, reply: send"}\n</mail>\n\nWhat is the next step?',
        '── answer ──\n{"intent": "send", "to": "ann", "urgent": false}\n(stop; tokens: prompt 100, completion 10; 0.50 s)',
        '── parsed ──\n{"step":{"intent":"send"',
        "intent: 0  expected ask, got send",
        "forbidden: 1  forbidden here: send()",
    ):
        assert part in out
    assert '"as_it_stands":{"intent":"send"' in out
    world(project, cases=CASES[:1], outputs=["tool"])
    recorded()
    assert 'send({"to": "ann", "urgent": false})' in call("show", "latest", "lines").output


def test_show_says_how_likely_an_answer_was_where_the_provider_did() -> None:
    done = Completion(text="{}", finish_reason="stop", logprobs=(("{", math.log(0.5)), ("}", math.log(0.32))))
    shown = plain(trial_text(result(completion=done), Prompt((), ())))
    assert "(probability: geometric mean of 2 tokens 0.400; least, of '}', 0.320; of the whole answer 0.16)" in shown
    assert "probability" not in plain(trial_text(result(completion=Completion(text="{}")), Prompt((), ())))


def on_a_terminal(*words: str, **environment: str) -> str:
    """Run a command in a process whose output is a terminal of 80 columns, and give what came there."""
    import fcntl
    import pty
    import termios

    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    kept = {key: value for key, value in os.environ.items() if key not in ("COLUMNS", "NO_COLOR", "FORCE_COLOR")}
    command = [sys.executable, "-m", "phrasing", *words]
    with subprocess.Popen(command, stdout=theirs, env={**kept, "TERM": "xterm", **environment}) as running:
        os.close(theirs)
        came = b""
        while part := _read(ours):
            came += part
    os.close(ours)
    assert running.returncode == 0
    return came.decode().replace("\r\n", "\n")


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 65_536)
    except OSError:  # Linux says so where the other end is closed
        return b""


@pytest.mark.slow
def test_a_terminal_shows_segments_in_colour_and_what_a_model_wrote_as_text(project: Path) -> None:
    async def hostile(request: Request) -> Completion:
        return Completion(text='\x1b]0;mine\x07{"intent": "send"}\x1b[2J')

    recorded(hostile)
    trial = "a-4[DetermineNextStepMail,none,tags"
    coloured = on_a_terminal("show", "latest", trial)
    assert coloured.startswith("segments: \x1b[36minstructions\x1b[0m \x1b[35mschema\x1b[0m \x1b[32mthread\x1b[0m ")
    assert "\x1b[36mYou send mail for a person." in coloured
    assert '\x1b[32m<mail>\n{"text":"a-4, reply: send"}\n</mail>\x1b[0m' in coloured
    plain = on_a_terminal("show", "latest", trial, NO_COLOR="1")
    assert "\x1b" not in plain
    assert '\n␛]0;mine␇{"intent": "send"}␛[2J\n' in plain
    assert '\n\x1b]0;mine\x07{"intent": "send"}\x1b[2J\n' in call("show", "latest", trial).stdout  # a file gets what there is
    assert re.sub(r"\x1b\[\d*m", "", coloured).partition("\n")[2] == plain
