"""Fixtures of the suite. Every test that takes ``single`` (directly or through ``pair``) runs in both modes."""

import contextlib
import logging
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Iterator

import pytest

from access import new_room
from person import Person


@pytest.fixture(params=[True, False], ids=["single", "dual"])
def single(request: pytest.FixtureRequest) -> bool:
    """Whether clients use one peer connection or two."""
    return request.param


@pytest.fixture
def room(request: pytest.FixtureRequest) -> str:
    return new_room(request.node.originalname.removeprefix("test_"))


@pytest.fixture
async def person(single: bool) -> AsyncIterator[Callable[[str], Person]]:
    """Makes participants that leave at the end of the test."""
    everyone: list[Person] = []

    def make(identity: str) -> Person:
        everyone.append(Person(identity, single))
        return everyone[-1]

    yield make
    for one in everyone:
        with contextlib.suppress(Exception):
            await one.leave()


@pytest.fixture
async def pair(person: Callable[[str], Person], room: str) -> tuple[Person, Person]:
    """Ada and Bo in one room. Bo came second and knows of Ada; Ada may not have heard of Bo yet."""
    ada = await person("ada").join(room)
    bo = await person("bo").join(room)
    await bo.meets(ada)
    return ada, bo


@pytest.fixture
async def acquainted(pair: tuple[Person, Person]) -> tuple[Person, Person]:
    """Ada and Bo, each aware of the other."""
    ada, bo = pair
    await ada.meets(bo)
    return ada, bo


@pytest.fixture
def sections(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, list[int]]]:
    """How many sections each description of the server had, by connection, as the clients' own log tells."""
    counts: dict[str, list[int]] = defaultdict(list)

    class Count(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            text = record.getMessage()
            if "received subscriber offer" in text or "received publisher answer" in text:
                connection = text.split("a=ice-ufrag:")[1].split("\\r")[0]
                counts[connection].append(text.count("\\r\\nm="))

    handler, log = Count(), logging.getLogger("livekit")
    monkeypatch.setenv("LIVEKIT_RTC_DEBUG", "1")
    level, propagate = log.level, log.propagate
    log.addHandler(handler)
    log.setLevel(logging.DEBUG)
    log.propagate = False  # Thousands of lines that nobody reads.
    yield counts
    log.removeHandler(handler)
    log.setLevel(level)
    log.propagate = propagate
