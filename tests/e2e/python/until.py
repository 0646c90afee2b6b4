"""Waiting for a condition, with a deadline and a sentence that says what did not come."""

import asyncio
import inspect
from typing import Any, Callable

PAUSE_S = 0.05


async def until(what: str, probe: Callable[[], Any], deadline_s: float = 15.0) -> Any:
    """Asks ``probe`` (plain or async) again and again until it gives something truthy, and returns that."""
    loop = asyncio.get_running_loop()
    end = loop.time() + deadline_s
    while True:
        value = probe()
        if inspect.isawaitable(value):
            value = await value
        if value:
            return value
        if loop.time() > end:
            raise AssertionError(f"not within {deadline_s} s: {what} (last: {value!r})")
        await asyncio.sleep(PAUSE_S)
