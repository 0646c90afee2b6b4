"""A participant in a process of its own, which a test can stop, slow down and kill. It takes data and says what came.

Run as ``python listener.py URL TOKEN``. One JSON line when it is in the room, one for each byte stream that is whole
(``{"stream": sha1, "bytes": n}``), and one for every 100th message and whenever the room is left.
"""

import asyncio
import hashlib
import json
import os
import signal
import sys
from asyncio.subprocess import PIPE, Process

from access import SERVER_URL, token_for
from until import until

TOPIC = "bulk"


class Listener:
    """The test's end of such a process."""

    def __init__(self, process: Process) -> None:
        self.process = process
        self.said: list[dict] = []
        self.reading = asyncio.create_task(self.read())

    @classmethod
    async def join(cls, room: str, identity: str) -> "Listener":
        # Its own folder is where its imports are.
        process = await asyncio.create_subprocess_exec(
            sys.executable, __file__, SERVER_URL, token_for(room, identity), stdout=PIPE, cwd=os.path.dirname(__file__)
        )
        listener = cls(process)
        await until(f"{identity} is in the room", lambda: listener.told("joined"))
        return listener

    async def read(self) -> None:
        assert self.process.stdout
        async for line in self.process.stdout:
            self.said.append(json.loads(line))

    def told(self, what: str) -> list:
        return [said[what] for said in self.said if what in said]

    def stop(self) -> None:
        self.process.send_signal(signal.SIGSTOP)

    def go_on(self) -> None:
        self.process.send_signal(signal.SIGCONT)

    async def kill(self) -> None:
        if self.process.returncode is None:
            self.process.kill()
            await self.process.wait()
        await self.reading


async def listen(url: str, token: str) -> None:
    from livekit import rtc

    def say(**what: object) -> None:
        print(json.dumps(what), flush=True)

    room = rtc.Room()
    reading = set()

    def take(reader: rtc.ByteStreamReader, _: str) -> None:
        async def read() -> None:
            digest, count = hashlib.sha1(), 0
            async for chunk in reader:
                digest.update(chunk)
                count += len(chunk)
                if count // 1_000_000 != (count - len(chunk)) // 1_000_000:
                    say(megabytes=count // 1_000_000)
            say(stream=digest.hexdigest(), bytes=count)

        task = asyncio.create_task(read())
        reading.add(task)
        task.add_done_callback(reading.discard)

    room.register_byte_stream_handler(TOPIC, take)
    for event in ("reconnecting", "reconnected", "disconnected"):
        room.on(event, lambda *_, event=event: say(event=event))
    await room.connect(url, token)
    say(joined=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(listen(sys.argv[1], sys.argv[2]))
