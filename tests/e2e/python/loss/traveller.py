"""A participant that runs in a network namespace of its own and tells what happens to it, one JSON line per event.

Plays 440 Hz, listens for 1000 Hz. Ends when its standard input closes.
"""

import asyncio
import json
import sys

from livekit import rtc

from media import Tone, loudest_hz
from person import Person


def tell(event: str, **more: object) -> None:
    print(json.dumps({"event": event, **more}), flush=True)


async def listen(person: Person) -> None:
    """Tells each time the other's tone is heard, again and again."""
    while True:
        track = await person.track_of("home", rtc.TrackKind.KIND_AUDIO, deadline_s=3600)
        hz = await loudest_hz(track, seconds=0.2)
        tell("heard", right=abs(hz - 1000) < 15)


async def main(room: str, single: bool) -> None:
    person = Person("traveller", single)
    for name in ("reconnecting", "reconnected", "disconnected", "participant_disconnected", "track_unsubscribed"):
        person.room.on(name, lambda *_, name=name: tell(name, sid=person.me.sid))
    await person.join(room)
    tell("joined", sid=person.me.sid)
    await Tone(440).publish(person.room)
    listening = asyncio.create_task(listen(person))
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    listening.cancel()
    tell("ended", sid=person.me.sid)
    await person.leave()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2] == "single"))
