"""A participant made of GStreamer's `webrtcbin`: publishes H.264 and Opus, decodes what the others publish.

    client.py --url URL --token TOKEN --setup actpass|active|passive

`--setup` is the DTLS role that its descriptions ask for: `active` is a DTLS client on both connections, `passive` a DTLS
server. It writes what happens as one JSON object a line (`{"event": "frames", ...}`) and leaves when its input ends.
"""

import argparse
import asyncio
import json
import re
import sys

from dialogue import AddTrackRequest, Dialogue, SignalTarget
from livekit.protocol.models import TrackSource, TrackType
from pipelines import Connection, Receiver, publisher_pipeline, receiver_pipeline

SOURCES = {"audio": (TrackType.AUDIO, TrackSource.MICROPHONE), "video": (TrackType.VIDEO, TrackSource.CAMERA)}


def tell(event: str, **more: object) -> None:
    print(json.dumps({"event": event} | more), flush=True)


class Client:
    def __init__(self, dialogue: Dialogue, setup: str) -> None:
        self.dialogue = dialogue
        # A description of the server's is answered, so "either" is not a role for it.
        answered = "active" if setup == "actpass" else setup
        self.publisher = Connection(publisher_pipeline(), "publisher", setup, tell, self._trickle(SignalTarget.PUBLISHER))
        self.subscriber = Connection(receiver_pipeline(), "subscriber", answered, tell, self._trickle(SignalTarget.SUBSCRIBER))
        self.receiver = Receiver(self.subscriber, tell)

    def _trickle(self, target: "SignalTarget.ValueType"):
        async def send(line: int, text: str) -> None:
            await self.dialogue.trickle(target, json.dumps({"candidate": text, "sdpMid": "", "sdpMLineIndex": line}))

        return send

    async def publish(self) -> None:
        await self.publisher.start_sending()
        offer = await self.publisher.describe("offer")
        for section in re.split(r"(?m)^m=", offer)[1:]:
            kind = section.split()[0]
            stream = re.search(r"(?m)^a=(?:ssrc:\d+ )?msid:\S+ (\S+)", section)
            if kind in SOURCES and stream:
                type_, source = SOURCES[kind]
                size = {"width": 320, "height": 180} if kind == "video" else {}
                await self.dialogue.add_track(AddTrackRequest(cid=stream[1], name=kind, type=type_, source=source, **size))
        await self.dialogue.offer(offer)

    async def listen(self) -> None:
        async for response in self.dialogue.responses():
            kind = response.WhichOneof("message")
            if kind == "offer":
                self.subscriber.start()
                await self.subscriber.take("offer", response.offer.sdp)
                await self.dialogue.answer(await self.subscriber.describe("answer"))
            elif kind == "answer":
                tell("answer", setup=re.search(r"a=setup:(\w+)", response.answer.sdp)[1])
                await self.publisher.take("answer", response.answer.sdp)
            elif kind == "track_published":
                tell("published", sid=response.track_published.track.sid, name=response.track_published.track.name)
            elif kind == "leave":
                tell("leave", reason=response.leave.reason, action=response.leave.action)

    async def end(self) -> None:
        await self.dialogue.leave()
        self.publisher.stop()
        self.subscriber.stop()


async def input_ends() -> None:
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    await reader.read()


async def main() -> None:
    arguments = argparse.ArgumentParser()
    for name in ("--url", "--token"):
        arguments.add_argument(name, required=True)
    arguments.add_argument("--setup", choices=("actpass", "active", "passive"), default="actpass")
    asked = arguments.parse_args()
    dialogue, first = await Dialogue.begin(asked.url, asked.token)
    tell("joined", identity=first.join.participant.identity)
    client = Client(dialogue, asked.setup)
    listening = asyncio.create_task(client.listen())
    await client.publish()
    input_over = asyncio.create_task(input_ends())
    await asyncio.wait({listening, input_over}, return_when=asyncio.FIRST_COMPLETED)
    if listening.done():
        listening.result()
    else:
        await client.end()


if __name__ == "__main__":
    asyncio.run(main())
