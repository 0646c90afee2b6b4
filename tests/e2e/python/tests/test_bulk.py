"""Much reliable data, to receivers that stop, lag and die: whoever is there gets all of it."""

import asyncio
import contextlib
import hashlib
import os
from collections.abc import AsyncIterator, Callable

import pytest

from listener import TOPIC, Listener
from until import until

MIB = 1 << 20


@pytest.fixture
async def listener(room: str) -> AsyncIterator[Callable[[str], Listener]]:
    """Makes participants in processes of their own, which are ended with the test."""
    everyone: list[Listener] = []

    async def make(identity: str) -> Listener:
        everyone.append(await Listener.join(room, identity))
        return everyone[-1]

    yield make
    for one in everyone:
        await one.kill()


async def stream(person, data: bytes) -> str:
    """Sends a byte stream and gives its digest."""
    writer = await person.me.stream_bytes(name="bulk", topic=TOPIC, total_size=len(data))
    for start in range(0, len(data), 15_000):
        await writer.write(data[start : start + 15_000])
    await writer.aclose()
    return hashlib.sha1(data).hexdigest()


def numbers(person, topic: str) -> list[int]:
    packets = (packet for (packet,) in person.events["data_received"] if packet.topic == topic)
    return [int.from_bytes(packet.data[:4], "big") for packet in packets]


@pytest.mark.parametrize(("count", "size"), [(1_500, 14_000), (6_000, 100)], ids=["large", "many"])
async def test_a_burst_arrives_whole_and_in_order(acquainted, count, size):
    ada, bo = acquainted
    for number in range(count):
        await ada.me.publish_data(number.to_bytes(4, "big") + bytes(size - 4), reliable=True, topic="burst")
    await until("the whole burst arrives", lambda: len(numbers(bo, "burst")) >= count, 60)
    assert numbers(bo, "burst") == list(range(count))


async def test_ten_megabytes_in_one_stream(person, room, listener):
    ada = await person("ada").join(room)
    bo = await listener("bo")
    await until("Ada meets Bo", lambda: ada.sees("bo"))
    digest = await stream(ada, os.urandom(10_000_000))
    await until("the stream is whole", lambda: bo.told("stream"), 60)
    assert bo.told("stream") == [digest]


@pytest.mark.parametrize("single", [True], ids=["single"])
async def test_a_receiver_that_stops_for_six_seconds_gets_thirty_mebibytes(person, room, listener):
    ada = await person("ada").join(room)
    bo = await listener("bo")
    await until("Ada meets Bo", lambda: ada.sees("bo"))
    sending = asyncio.create_task(stream(ada, os.urandom(30 * MIB)))
    await until("it has begun", lambda: bo.told("megabytes"), 30)
    bo.stop()
    # The time itself is what is tested.
    await asyncio.sleep(6)
    assert not sending.done(), "the sender was slowed"
    bo.go_on()
    digest = await asyncio.wait_for(sending, 120)
    await until("the stream is whole", lambda: bo.told("stream"), 60)
    assert bo.told("stream") == [digest]
    assert bo.told("event") == [], "it was never away"


@pytest.mark.parametrize("single", [True], ids=["single"])
async def test_a_receiver_that_dies_stops_nobody(person, room, listener):
    ada = await person("ada").join(room)
    bo, cleo = await listener("bo"), await listener("cleo")
    await until("Ada meets both", lambda: ada.sees("bo") and ada.sees("cleo"))
    sending = asyncio.create_task(stream(ada, os.urandom(10 * MIB)))
    await until("it has begun", lambda: bo.told("megabytes") and cleo.told("megabytes"), 30)
    await bo.kill()
    digest = await asyncio.wait_for(sending, 120)
    await until("Cleo has all of it", lambda: cleo.told("stream"), 60)
    assert cleo.told("stream") == [digest]


@pytest.mark.parametrize("single", [True], ids=["single"])
async def test_a_slow_receiver_among_others_is_waited_for(person, room, listener):
    ada = await person("ada").join(room)
    slow, fast = await listener("slow"), await listener("fast")
    await until("Ada meets both", lambda: ada.sees("slow") and ada.sees("fast"))

    async def in_slices() -> None:
        while True:
            slow.stop()
            await asyncio.sleep(0.3)
            slow.go_on()
            await asyncio.sleep(0.3)

    slices = asyncio.create_task(in_slices())
    digest = await asyncio.wait_for(stream(ada, os.urandom(4 * MIB)), 120)
    slices.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await slices
    slow.go_on()
    for one in (fast, slow):
        await until("everything is whole", lambda one=one: one.told("stream"), 60)
        assert one.told("stream") == [digest]
