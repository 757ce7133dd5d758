"""The loop of "12-factor agents": pick the next step, do it, append what came of it, until there is nothing left to do.

Whoever has read ``run`` knows what an agent is: a prompt (the model is shown the thread and picks one step), a switch (the
environment does that step), a context (the thread, which gets the step and its result), and this loop. What fails goes into
the context too, so that the next step can mend it; after three failures in a row a person should look.
"""

MAX_FAILURES = 3


async def run(agent):
    """Run an agent to its end."""
    failures = 0
    while agent.running:
        step = await agent.next_step()
        if step is None:  # the answer couldn't be read as a step
            events = agent.append({"type": "error", "data": agent.problem})
        else:
            events = await agent.do(step)
        failures = failures + 1 if any(event["type"] == "error" for event in events) else 0
        if failures == MAX_FAILURES:
            agent.stop("three failures in a row")
