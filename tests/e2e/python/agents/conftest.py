"""Fixtures of the suite: those of the tests beside it, in one mode, and workers."""

from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from livekit import api

from access import KEY, SECRET, SERVER_URL
from workers import Worker


@pytest.fixture
def single() -> bool:
    return True


@pytest.fixture
async def worker() -> AsyncIterator[Callable[..., Awaitable[Worker]]]:
    """Starts workers that end with the test."""
    everyone: list[Worker] = []

    async def start(kind: str, agent_name: str, tone_hz: float = 440) -> Worker:
        everyone.append(await Worker.start(kind, agent_name, tone_hz))
        return everyone[-1]

    yield start
    for one in everyone:
        await one.kill()


@pytest.fixture
async def backend() -> AsyncIterator[api.LiveKitAPI]:
    """The server API, as a back end calls it."""
    async with api.LiveKitAPI(SERVER_URL, KEY, SECRET) as backend:
        yield backend
