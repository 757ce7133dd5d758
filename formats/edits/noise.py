"""Add irrelevant events: invented chatter of an office and its machines, as inputs of type ``notification``.

Events are added until that share of the characters of the thread's compact JSON (a list of type and data) is noise; 0 adds none.
They stand anywhere before the last event, but never between a step and its result. What is added, and where, is drawn from the
thread's own content, one event after the other: so a larger share adds to what a smaller one added.
"""

import json
import random

ADDS = "irrelevant notifications that ask for nothing"

PEOPLE = ("Ines", "Tomasz", "Aiko", "Bram", "Leila", "Oskar", "Priya", "Nuno", "Greta", "Samir", "Wanda", "Elio")
PLACES = ("Aspen", "Birch", "Cedar", "Dahlia", "Elm", "Fern", "Ginkgo", "Hazel")
DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday")
TEXTS = {
    "ci": (
        "Nightly build {number} passed in {small} minutes.",
        "Build {number} of the documentation passed; {small} pages changed.",
        "Lint finished on branch {place}-cleanup: 0 findings in {number} files.",
        "Cache of runner {small} was rebuilt in {other} seconds.",
        "Unit tests of the style guide: {number} passed, 0 failed.",
        "Runner {place} went idle after {small} minutes without work.",
        "Weekly licence scan found nothing new in {number} packages.",
        "Spell check of the handbook passed with {small} words added to its dictionary.",
        "Benchmark job {number} finished; its chart was archived.",
        "Artifacts older than {small} days were removed: {number} files.",
        "Link check of the handbook passed: {number} links answered.",
        "Screenshots of the intranet were compared: {small} of {number} differ by a pixel.",
        "Job {number} waited {small} seconds for a runner.",
    ),
    "office": (
        "The coffee machine on floor {small} works again.",
        "Room {place} has a new screen.",
        "Lift {small} was inspected and is in service.",
        "The window cleaners are on floor {small} until noon on {day}.",
        "A grey umbrella was found in room {place} and is at the front desk.",
        "New plants arrived for the lounge on floor {small}.",
        "The printer beside {place} was moved two doors to the left.",
        "Lunch on {day} was lentil soup and flatbread; {number} portions were served.",
        "The bicycle rack has {small} more places.",
        "The fire drill on {day} took {small} minutes.",
        "Fruit baskets come on {day} from now on.",
        "{who} won the table football round against {whom}, {small} to {other}.",
        "The lights in room {place} now switch off after {small} minutes.",
    ),
    "calendar": (
        "{who} is out of office on {day}.",
        "The reading circle meets in {place} on {day}; {small} people have joined.",
        "{who} and {whom} moved their lunch to {day}.",
        "Room {place} is booked from {small}:00 for the choir.",
        "Quarterly photo day is on {day} in {place}.",
        "{who} has worked here for {small} years.",
        "The yoga class on {day} is full: {small} places.",
        "The language table on {day} speaks Portuguese this week.",
        "{who} is back from holiday.",
        "The book swap ran from {small}:00 to {other}:00 in {place}.",
        "It is the birthday of {who} on {day}.",
        "The walk around the lake on {day} had {small} walkers.",
    ),
    "chat": (
        "{who} shared a picture of a cat on a keyboard.",
        "{who} reacted with a thumbs up to a message from {whom}.",
        "{who} joined the channel #gardening.",
        "{who} left the channel #lost-and-found.",
        "{who} changed the topic of #music to {small} songs for {day}.",
        "{who} pinned a recipe for plum cake in #kitchen.",
        "{who}: thanks {whom}, that was a lovely talk.",
        "{who} posted {small} photos of the summer party.",
        "{who} and {whom} solved the crossword in {small} minutes.",
        "{who} set a status: listening to rain.",
        "{who}: the train was {small} minutes late again.",
        "{who} recommends the exhibition in the old mill; it closes on {day}.",
        "{who} started a poll on the name of the new plant; {place} leads with {small} votes.",
    ),
    "newsletter": (
        "Issue {number} of the house letter is out: bees on the roof, and {who} on sourdough.",
        "The library has {small} new novels, among them one about {place} trees.",
        "This week in history: the first tram ran {number} metres.",
        "The photo contest had {number} entries; {who} took second place.",
        "The choir sang {small} songs in {place} on {day}.",
        "The canteen served {number} pancakes in one day, a house record.",
        "A fox was seen behind the car park on {day}.",
        "The running group covered {number} kilometres this month.",
        "The rooftop bees made {small} jars of honey.",
        "{who} has written a short guide to identifying {place} leaves.",
    ),
    "facilities": (
        "Air filter of unit {small} was replaced; pressure is normal.",
        "Water meter read on {day}: {number} litres since last week.",
        "Heating circuit {place} switched to its night programme at {small}:30.",
        "Solar panels made {number} kilowatt hours on {day}.",
        "Sensor {number} in room {place} reports 21 degrees.",
        "The door of the archive was oiled; it no longer squeaks.",
        "Battery of smoke detector {small} is at {number} millivolts, within range.",
        "The parking garage has {small} free spaces on level {other}.",
    ),
}  # fmt: skip
CHATTER = tuple((source, text) for source, texts in TEXTS.items() for text in texts)


def edit(thread, share=0.5):
    if not 0 <= share < 1:
        raise ValueError(f"wanted a share from 0 to below 1, got {share!r}")
    events = thread["events"]
    places = free_places(events)
    added = {place: [] for place in places}
    own, noise = len(written(events)), 0
    chance = random.Random(written(events))
    deck = []
    while noise < share * (own + noise):
        if not deck:
            deck = chance.sample(CHATTER, len(CHATTER))
        event = notification(*deck.pop(), chance)
        added[chance.choice(places)].append(event)
        noise += len(written([event])) - 1  # a comma for two brackets
    return {"events": [one for i, event in enumerate(events) for one in [*added.get(i, ()), event]]}


def free_places(events):
    """Before which events noise may stand: those with no step before them whose result is still to come."""
    ends = {event["call"]: i for i, event in enumerate(events) if event["role"] == "result"}
    closed, free = -1, []
    for i, event in enumerate(events):
        if i > closed:
            free.append(i)
        if event["role"] == "step":
            closed = max(closed, ends.get(event["call"], i))
    return free


def notification(source, text, chance):
    who, whom = chance.sample(PEOPLE, 2)
    numbers = {"number": chance.randint(31, 990), "small": chance.randint(2, 14), "other": chance.randint(15, 23)}
    text = text.format(who=who, whom=whom, place=chance.choice(PLACES), day=chance.choice(DAYS), **numbers)
    return {"type": "notification", "data": {"source": source, "text": text}, "role": "input", "call": None}


def written(events):
    shown = [{"type": event["type"], "data": event["data"]} for event in events]
    return json.dumps(shown, ensure_ascii=False, separators=(",", ":"))
