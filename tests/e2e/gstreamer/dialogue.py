"""A LiveKit dialogue as a small device would write it: one WebSocket, protobuf messages, no SDK."""

import asyncio
from collections.abc import AsyncIterator

import websockets
from livekit.protocol.models import DataPacket
from livekit.protocol.rtc import (
    AddTrackRequest,
    LeaveRequest,
    SessionDescription,
    SignalRequest,
    SignalResponse,
    SignalTarget,
    TrickleRequest,
)

__all__ = ["AddTrackRequest", "DataPacket", "Dialogue", "SignalResponse", "SignalTarget"]

# Subscriptions come on a connection that the server offers (3), and resumes are not asked for.
PROTOCOL = 9

# libnice checks nothing once it is connected, so the server has to.
QUERY = f"auto_subscribe=1&protocol={PROTOCOL}&disable_ice_lite=1"


class Dialogue:
    """Requests and responses, each a message of `livekit_rtc.proto`."""

    def __init__(self, socket: websockets.ClientConnection, ping_interval_s: float) -> None:
        self._socket = socket
        self._pinging = asyncio.create_task(self._ping(ping_interval_s))

    @classmethod
    async def begin(cls, url: str, token: str) -> tuple["Dialogue", SignalResponse]:
        """Joins; gives the dialogue and its first response."""
        socket = await websockets.connect(f"{url.replace('http', 'ws', 1)}/rtc?access_token={token}&{QUERY}")
        first = SignalResponse.FromString(await socket.recv())
        assert first.WhichOneof("message") == "join", first
        return cls(socket, first.join.ping_interval or 10), first

    async def _ping(self, interval_s: float) -> None:
        while True:
            await asyncio.sleep(interval_s)
            await self._send(SignalRequest(ping=1))

    async def _send(self, request: SignalRequest) -> None:
        await self._socket.send(request.SerializeToString())

    async def responses(self) -> AsyncIterator[SignalResponse]:
        async for message in self._socket:
            yield SignalResponse.FromString(message)

    async def add_track(self, request: AddTrackRequest) -> None:
        await self._send(SignalRequest(add_track=request))

    async def offer(self, sdp: str) -> None:
        await self._send(SignalRequest(offer=SessionDescription(type="offer", sdp=sdp)))

    async def answer(self, sdp: str) -> None:
        await self._send(SignalRequest(answer=SessionDescription(type="answer", sdp=sdp)))

    async def trickle(self, target: "SignalTarget.ValueType", candidate_json: str) -> None:
        await self._send(SignalRequest(trickle=TrickleRequest(target=target, candidateInit=candidate_json)))

    async def leave(self) -> None:
        self._pinging.cancel()
        await self._send(SignalRequest(leave=LeaveRequest()))
        await self._socket.close()
