"""Leave out every second thing that happened: an input, or a step and its result. The first one stays.

Nobody would do that. It is a coarse ruler: an instrument that doesn't see the harm in it sees nothing.
"""

LOSSY = "every second input or step"


def edit(thread):
    kept, number = {}, 0
    events = []
    for event in thread["events"]:
        if event["role"] != "result":
            kept[event["call"]] = stays = number % 2 == 0
            number += 1
        else:
            stays = kept[event["call"]]
        if stays:
            events.append(event)
    return {"events": events}
