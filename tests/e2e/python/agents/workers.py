"""Workers of LiveKit Agents as processes of their own, in their own environment."""

import asyncio
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

from access import KEY, SECRET, SERVER_URL
from until import until

HERE = Path(__file__).parent
PYTHON = os.environ.get("AGENTS_PYTHON", str(HERE / ".venv/bin/python"))


class Worker:
    """One worker's process, and what it has said."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.lines: list[list[str]] = []
        self.log: list[str] = []
        self._reading = [asyncio.create_task(self._read()), asyncio.create_task(self._read_log())]

    @classmethod
    async def start(cls, kind: str, agent_name: str, tone_hz: float) -> "Worker":
        """A worker that is registered. ``kind``: ROOM or PUBLISHER."""
        environment = os.environ | {"LIVEKIT_URL": SERVER_URL, "LIVEKIT_API_KEY": KEY, "LIVEKIT_API_SECRET": SECRET}
        arguments = [str(HERE / "worker.py"), kind, agent_name, str(tone_hz)]
        process = await asyncio.create_subprocess_exec(
            PYTHON, *arguments, env=environment, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
        )
        worker = cls(process)
        await until("the worker registers", lambda: worker.said("registered") or process.returncode is not None, 60)
        assert process.returncode is None, "the worker ended at once"
        return worker

    async def _read(self) -> None:
        async for line in self.process.stdout or ():
            self.lines.append(line.decode().split())

    async def _read_log(self) -> None:
        async for line in self.process.stderr or ():
            self.log.append(line.decode(errors="replace"))
            sys.stderr.write(self.log[-1])

    def logged(self, text: str) -> bool:
        return any(text in line for line in self.log)

    def said(self, word: str, where: Callable[[list[str]], bool] = lambda _: True) -> list[list[str]]:
        return [line[1:] for line in self.lines if line and line[0] == word and where(line[1:])]

    async def kill(self) -> None:
        """As when its machine dies."""
        if self.process.returncode is None:
            self.process.kill()
        await self.process.wait()

    async def drain(self) -> None:
        """As when it is replaced by a newer version."""
        self.process.send_signal(signal.SIGTERM)
