"""A client whose network is taken away for ten seconds comes back in place. Run by ``with-link.mjs``."""

import asyncio
import json
import os
import pathlib
import sys
import time

import pytest
from livekit import rtc

from media import Tone, hears, loudest_hz
from until import until

NAMESPACE = os.environ.get("TUTTI_E2E_NAMESPACE", "")
LINK = os.environ.get("TUTTI_E2E_LINK", "")
AWAY_S = 10.0

pytestmark = pytest.mark.skipif(not (NAMESPACE and LINK), reason="not started by with-link.mjs")


class Traveller:
    """The process in the namespace, and what it told so far."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.told: list[dict] = []
        self._reading = asyncio.create_task(self._read())

    @classmethod
    async def start(cls, room: str, single: bool) -> "Traveller":
        here = pathlib.Path(__file__).parent
        process = await asyncio.create_subprocess_exec(
            *("ip", "netns", "exec", NAMESPACE, sys.executable, "-W", "ignore", str(here / "traveller.py")),
            *(room, "single" if single else "dual"),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": str(here.parent)},
        )
        return cls(process)

    async def _read(self) -> None:
        assert self.process.stdout
        async for line in self.process.stdout:
            if line.startswith(b"{"):
                self.told.append(json.loads(line) | {"at": time.monotonic()})

    def events(self, name: str, since: float = 0.0) -> list[dict]:
        return [told for told in self.told if told["event"] == name and told["at"] >= since]

    def hears_home(self, since: float) -> bool:
        return any(told["right"] for told in self.events("heard", since))

    async def end(self) -> None:
        assert self.process.stdin
        self.process.stdin.close()
        try:
            await asyncio.wait_for(self.process.wait(), 10)
        except asyncio.TimeoutError:
            self.process.kill()
        await self._reading


async def run(*command: str) -> str:
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    output, _ = await process.communicate()
    assert process.returncode == 0, command
    return output.decode()


async def link(state: str) -> None:
    await run("ip", "-n", NAMESPACE, "link", "set", LINK, state)


async def cut_signalling() -> None:
    """Ends the traveller's TCP connections, as happens where a router has forgotten them meanwhile."""
    in_namespace = ("ip", "netns", "exec", NAMESPACE)
    await run(*in_namespace, "ss", "-K", "-t", "state", "established")
    if (await run(*in_namespace, "ss", "-Htn", "state", "established")).strip():
        pytest.skip("this kernel cannot end TCP connections (CONFIG_INET_DIAG_DESTROY)")


@pytest.mark.parametrize("cut", [False, True], ids=["quiet", "cut"])
async def test_ten_seconds_without_a_network(person, room, single, cut):
    home = await person("home").join(room)
    tone = Tone(1000)
    await tone.publish(home.room)
    traveller = await Traveller.start(room, single)
    try:
        (joined,) = await until("the traveller joins", lambda: traveller.events("joined"), 30)
        sid = joined["sid"]
        track = await home.track_of("traveller", rtc.TrackKind.KIND_AUDIO)
        await hears(track, 440)
        await until("the traveller hears home", lambda: traveller.hears_home(0), 20)

        await link("down")
        await asyncio.sleep(AWAY_S)  # The scenario itself, not a wait for something to happen.
        assert not traveller.events("disconnected"), "the client gave up while it was away"
        await link("up")
        if cut:
            await cut_signalling()
        back = time.monotonic()

        await until("the traveller hears home again", lambda: traveller.hears_home(back), 40)
        await until("home hears the traveller again", lambda: heard_again(home), 40)

        assert home.events["participant_disconnected"] == [], "for the others the traveller never left"
        assert home.sees("traveller").sid == sid
        if cut:
            await until("the traveller is told that it is back", lambda: traveller.events("reconnected", back), 20)
        assert not traveller.events("disconnected") and not traveller.events("participant_disconnected")
        for told in traveller.events("reconnected"):
            assert told["sid"] == sid, "resumed as the same participant"
    finally:
        await traveller.end()
        await tone.stop()
    assert traveller.events("ended")[0]["sid"] == sid


async def heard_again(home) -> bool:
    track = await home.track_of("traveller", rtc.TrackKind.KIND_AUDIO)
    try:
        return abs(await asyncio.wait_for(loudest_hz(track, 0.2), 5) - 440) < 15
    except asyncio.TimeoutError:
        return False
