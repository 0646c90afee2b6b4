"""One participant in a test: connects, writes down every event, disconnects."""

import asyncio
from collections import defaultdict
from typing import Any, Callable, get_args

from livekit import rtc
from livekit.rtc.room import EventTypes

from access import SERVER_URL, token_for
from until import until


class Person:
    def __init__(self, identity: str, single: bool) -> None:
        self.identity = identity
        self.single = single
        self.room = rtc.Room()
        self.events: dict[str, list[tuple[Any, ...]]] = defaultdict(list)
        for name in get_args(EventTypes):
            self.room.on(name, lambda *args, name=name: self.events[name].append(args))

    async def join(self, room: str, *, token: str | None = None, auto_subscribe: bool = True, **grants) -> "Person":
        options = rtc.RoomOptions(auto_subscribe=auto_subscribe, single_peer_connection=self.single, connect_timeout=10)
        await asyncio.wait_for(self.room.connect(SERVER_URL, token or token_for(room, self.identity, **grants), options), 30)
        return self

    async def leave(self) -> None:
        await asyncio.wait_for(self.room.disconnect(), 10)

    @property
    def me(self) -> rtc.LocalParticipant:
        return self.room.local_participant

    def sees(self, identity: str) -> rtc.RemoteParticipant | None:
        return self.room.remote_participants.get(identity)

    async def meets(self, *others: "Person") -> None:
        for other in others:
            await until(f"{self.identity} meets {other.identity}", lambda: self.sees(other.identity))

    async def event(self, name: EventTypes, where: Callable[..., bool] = lambda *_: True, deadline_s: float = 15) -> tuple[Any, ...]:
        """The first event of that name, past or to come, that fits."""
        found = await until(
            f"{self.identity} is told {name}",
            lambda: [args for args in self.events[name] if where(*args)],
            deadline_s,
        )
        return found[0]

    async def track_of(self, identity: str, kind: "rtc.TrackKind.ValueType", deadline_s: float = 20) -> rtc.RemoteTrack:
        """The subscribed track of that kind."""

        def subscribed() -> rtc.Track | None:
            participant = self.sees(identity)
            for publication in participant.track_publications.values() if participant else ():
                if publication.kind == kind and publication.track is not None:
                    return publication.track
            return None

        return await until(f"{self.identity} is subscribed to {identity}", subscribed, deadline_s)

    async def publication_of(self, identity: str, kind: "rtc.TrackKind.ValueType") -> rtc.RemoteTrackPublication:
        def published() -> rtc.RemoteTrackPublication | None:
            participant = self.sees(identity)
            publications = participant.track_publications.values() if participant else ()
            return next((publication for publication in publications if publication.kind == kind), None)

        return await until(f"{self.identity} sees a track of {identity}", published)
