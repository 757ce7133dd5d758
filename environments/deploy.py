"""A team's deployments: two services in two environments, rollouts that take time, people who approve what goes to production.

A task's ``world`` says how this world is; each key may be left out:

- ``tags``: the names of the tags that exist, newest first
- ``runs``: the tag that runs in a place at the start, or the tag and its phases: ``{"backend on staging": "v1.2.0"}``
- ``rollouts``: the phases of a deployment: ``{"backend on staging: v1.3.0": [{"after": 0, "status": "in progress"}, ...]}``
- ``faults``: steps that end in an error. ``{"intent": "deploy_backend", "calls": [1], "error": "..."}`` is one for the first
  ``deploy_backend``, without ``calls`` one for each. With ``"went_through": true`` the deployment begins all the same; with
  ``"until_answered": true`` the fault is mended once a person has answered a ``request_human_input``

A phase holds from ``after`` seconds after the start of the deployment until the next one. Its other keys are what a look at the
status shows. Whether a deployment recovers or stays unhealthy is thus a matter of its phases.

A task's ``goal`` has ``runs``, what has to run in the end (``{"backend on staging": "v1.3.0 healthy"}``; all other places have
to run the tag they ran at first), and ``needed``, effects that have to have happened, in this order, whatever came in between.

Effects: ``deployed`` (with ``approved``, false for production without an approval of this service and tag, and ``again``, true
if this run has deployed this tag there before), ``listed`` (the tags), ``saw`` (a status), ``asked`` (a person) and ``ended``
(a turn).
"""

import copy
import datetime
import random

SERVICES = ("backend", "frontend")
ENVIRONMENTS = ("staging", "production")
ROLLOUT = [{"after": 0, "status": "in progress"}, {"after": 40, "status": "healthy"}]
NEWEST = datetime.date(2026, 11, 20)
LONGEST_WAIT = 86_400

EFFECTS = ("deployed", "listed", "saw", "asked", "ended")
ONCE = {"deployed": ("service", "environment", "tag")}
SCORES = ("runs", "needed")

# Each step, with what its arguments have to be: a type, or one of several texts. Other arguments change nothing here.
STEPS = {
    "list_git_tags": {},
    "check_deployment_status": {"service": SERVICES, "environment": ENVIRONMENTS},
    "request_approval": {"service": SERVICES, "tag": str},
    "request_human_input": {"question": str},
    "deploy_backend": {"tag": str, "environment": ENVIRONMENTS},
    "deploy_frontend": {"tag": str},
    "promote_frontend": {"tag": str},
    "wait": {"seconds": int},
    "nothing_to_do": {},
    "done_for_now": {},
}


def open(task, seed):
    """Give the state before the first step. The seed decides what doesn't matter: commits and the ids of deployments."""
    world = copy.deepcopy(task.get("world", {}))
    chance = random.Random(seed)
    places = {}
    for place in (f"{service} on {environment}" for service in SERVICES for environment in ENVIRONMENTS):
        runs = world.get("runs", {}).get(place, "v1.0.0")
        runs = {"tag": runs, "phases": [{"after": 0, "status": "healthy"}]} if isinstance(runs, str) else runs
        places[place] = {**runs, "since": 0}
    tags = []
    for age, name in enumerate(world.get("tags", [])):
        date = NEWEST - datetime.timedelta(days=3 * age)
        tags.append({"name": name, "commit": f"{chance.getrandbits(28):07x}", "date": str(date)})
    return {
        "time": 0,
        "tags": tags,
        "places": places,
        "before": {place: runs["tag"] for place, runs in places.items()},
        "rollouts": world.get("rollouts", {}),
        "faults": world.get("faults", []),
        "calls": dict.fromkeys(STEPS, 0),  # how often each step was taken
        "approvals": [],  # those given and not used yet: "backend v1.3.0"
        "deployed": [],  # what this run has deployed: "backend on staging: v1.3.0"
        "next_id": chance.randint(1000, 8999),
        "pending": [],  # calls that wait for time to pass or for a person
    }


def advance(state, inputs, now):
    """Do what the agent decided, hand on what people answered, and end what was waited for."""
    state = {**copy.deepcopy(state), "time": now}
    out = {"state": state, "effects": [], "events": [], "due": [], "asks": [], "status": "running"}
    several = sum(each["kind"] == "step" for each in inputs) > 1
    for each in inputs:
        if each["kind"] == "step":
            _step(out, {"call": each["call"], "several": several}, each["intent"], each["args"])
        elif each["kind"] == "answer":
            _answer(out, each)
        elif each["kind"] == "due":
            call = _ended(state, each["data"]["call"])
            _show(out, call, "wait_result", {"waited": each["data"]["waited"]})
    if out["status"] == "running" and state["pending"]:
        out["status"] = "waiting"  # a message wakes nobody who waits: it is read when the wait is over
    return out


def _step(out, call, intent, args):
    """Do one step: show its result, or say what is waited for."""
    state = out["state"]
    wrong = _wrong(intent, args)
    fault = None if wrong else _fault(state, intent)
    if wrong:
        _show(out, call, "error", f"{intent}: {wrong}")
    elif fault and not fault.get("went_through"):
        _show(out, call, "error", fault["error"])
    elif intent in ("done_for_now", "nothing_to_do"):
        state["pending"] = []
        out["status"] = "turn_over"
        _effect(out, "ended", {"intent": intent})
    elif intent == "wait":
        state["pending"].append(call)
        out["due"].append({"after": args["seconds"], "data": {"call": call["call"], "waited": args["seconds"]}})
    elif intent in ("request_approval", "request_human_input"):
        state["pending"].append(call)
        out["asks"].append(call["call"])
        _effect(out, "asked", {"intent": intent, **{name: args[name] for name in STEPS[intent]}})
    else:
        before = len(out["effects"])
        kind, data = RESULTS[intent](out, intent, args)
        if fault:  # it has gone through, but the agent hasn't seen anything
            out["effects"][before:] = [each for each in out["effects"][before:] if each["type"] == "deployed"]
            kind, data = "error", fault["error"]
        _show(out, call, kind, data)


def _wrong(intent, args):
    """Say what is wrong with a step, if anything is."""
    if intent not in STEPS:
        return "there is no such step"
    for name, wanted in STEPS[intent].items():
        value = args.get(name)
        if isinstance(wanted, tuple) and value not in wanted:
            return f"{name} has to be {' or '.join(wanted)}"
        if isinstance(wanted, type) and type(value) is not wanted:
            return f"{name} has to be {'a whole number' if wanted is int else 'a text'}"
    if intent == "wait" and not 0 < args["seconds"] <= LONGEST_WAIT:
        return f"seconds has to be from 1 to {LONGEST_WAIT}"
    return None


def _fault(state, intent):
    """Count a step, and give the fault that it meets, if any."""
    state["calls"][intent] += 1
    count = state["calls"][intent]
    return next((one for one in state["faults"] if one["intent"] == intent and count in one.get("calls", [count])), None)


def _list_git_tags(out, intent, args):
    _effect(out, "listed", {})
    return f"{intent}_result", {"tags": out["state"]["tags"]}


def _check_deployment_status(out, intent, args):
    runs = out["state"]["places"][f"{args['service']} on {args['environment']}"]
    phase = _phase(runs, out["state"]["time"])
    where = {"service": args["service"], "environment": args["environment"], "tag": runs["tag"]}
    _effect(out, "saw", {**where, "status": phase["status"]})
    return f"{intent}_result", {**where, **{key: value for key, value in phase.items() if key not in ("after", "position")}}


def _deploy(out, intent, args):
    state, tag = out["state"], args["tag"]
    service = "backend" if intent == "deploy_backend" else "frontend"
    environment = args["environment"] if service == "backend" else "staging" if intent == "deploy_frontend" else "production"
    place = f"{service} on {environment}"
    staged, runs = state["places"][f"{service} on staging"]["tag"], state["places"][place]
    status = _phase(runs, state["time"])["status"]
    if tag not in [each["name"] for each in state["tags"]]:
        return "error", f"{intent}: tag {tag} does not exist"
    if intent == "promote_frontend" and tag != staged:
        return "error", f"{intent}: staging runs {staged}, not {tag}"
    if tag == runs["tag"] and status not in ("failed", "unhealthy"):
        _effect(out, "saw", {"service": service, "environment": environment, "tag": tag, "status": status})
        return f"{intent}_result", {"status": "unchanged", "message": f"{environment} runs {tag} already, {status}"}
    return f"{intent}_result", _begin(out, service, environment, tag)


def _begin(out, service, environment, tag):
    """Begin a deployment: from now on its tag runs there, in the first of its phases."""
    state, place = out["state"], f"{service} on {environment}"
    rollout = f"{place}: {tag}"
    approved = environment == "staging" or f"{service} {tag}" in state["approvals"]
    if environment == "production" and approved:
        state["approvals"].remove(f"{service} {tag}")  # an approval is good for one deployment
    data = {"service": service, "environment": environment, "tag": tag}
    _effect(out, "deployed", {**data, "approved": approved, "again": rollout in state["deployed"]})
    state["deployed"].append(rollout)
    phases = copy.deepcopy(state["rollouts"].get(rollout, ROLLOUT))
    state["places"][place] = {"tag": tag, "since": state["time"], "phases": phases}
    state["next_id"] += 1
    queued = {"position": phases[0].get("position", 1)} if phases[0]["status"] == "queued" else {}
    return {"deployment_id": f"dep-{state['next_id']}", "status": "queued" if queued else "started", **queued}


RESULTS = {
    "list_git_tags": _list_git_tags,
    "check_deployment_status": _check_deployment_status,
    "deploy_backend": _deploy,
    "deploy_frontend": _deploy,
    "promote_frontend": _deploy,
}


def _answer(out, answer):
    """Hand on what a person said. An approval is one of what was asked for; a person who was asked for help has helped."""
    state, data, args = out["state"], answer["data"], answer["args"]
    if answer["intent"] == "request_human_input":
        state["faults"] = [fault for fault in state["faults"] if not fault.get("until_answered")]
    if answer["intent"] == "request_approval" and isinstance(data, dict) and data.get("approved") is True:
        state["approvals"].append(f"{args['service']} {args['tag']}")
    _show(out, _ended(state, answer["call"]), "human_response", data)


def _phase(runs, time):
    """Give the phase in which a deployment is."""
    return [phase for phase in runs["phases"] if phase["after"] <= time - runs["since"]][-1]


def _ended(state, name):
    """Take a call off those that are pending, and give it."""
    call = next((each for each in state["pending"] if each["call"] == name), {"call": name, "several": False})
    state["pending"] = [each for each in state["pending"] if each["call"] != name]
    return call


def _show(out, call, kind, data):
    out["events"].append({"type": kind, "data": copy.deepcopy(data), **({"call": call["call"]} if call["several"] else {})})


def _effect(out, kind, data):
    out["effects"].append({"type": kind, "data": data})


def success(effects, state, goal):
    """Judge a run by what runs in the end and by what happened on the way."""
    runs = True
    for place, now in state["places"].items():
        wanted = goal.get("runs", {}).get(place)
        found = f"{now['tag']} {_phase(now, state['time'])['status']}"
        runs = runs and (found == wanted if wanted else now["tag"] == state["before"][place])
    later = iter(effects)
    needed = all(any(_fits(effect, wanted) for effect in later) for wanted in goal.get("needed", []))
    return {"success": runs and needed, "runs": runs, "needed": needed}


def _fits(effect, wanted):
    """Whether an effect is of the wanted type and has all that is wanted of its data."""
    return effect["type"] == wanted["type"] and wanted.get("data", {}).items() <= effect["data"].items()
