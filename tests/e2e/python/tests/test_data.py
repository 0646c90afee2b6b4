"""Data packets, remote calls and streams between participants."""

import asyncio
import os

import pytest
from livekit import rtc
from livekit.rtc.rpc import RpcError

from until import until

RELIABLE = rtc.DataPacketKind.KIND_RELIABLE
LOSSY = rtc.DataPacketKind.KIND_LOSSY


def received(person, topic: str) -> list[bytes]:
    return [packet.data for (packet,) in person.events["data_received"] if packet.topic == topic]


async def test_reliable_data_is_complete_and_in_order(pair):
    ada, bo = pair
    sent = [index.to_bytes(2, "big") + os.urandom(600) for index in range(200)]
    for payload in sent:
        await ada.me.publish_data(payload, reliable=True, topic="order")
    await until("all 200 packets arrive", lambda: len(received(bo, "order")) == 200)
    assert received(bo, "order") == sent
    packet = bo.events["data_received"][0][0]
    assert packet.kind == RELIABLE and packet.participant.identity == "ada"
    assert received(ada, "order") == [], "nothing comes back to the sender"


async def test_lossy_data(pair):
    ada, bo = pair
    number = 0

    async def arrives() -> bool:
        nonlocal number
        await ada.me.publish_data(f"tick {number}", reliable=False, topic="lossy")
        number += 1
        return len(received(bo, "lossy")) >= 5

    await until("lossy packets arrive", arrives)
    assert next(packet for (packet,) in bo.events["data_received"]).kind == LOSSY


async def test_data_for_one_is_for_nobody_else(pair, person, room):
    ada, bo = pair
    cleo = await person("cleo").join(room)
    await cleo.meets(ada, bo)
    await ada.me.publish_data("secret", destination_identities=["cleo"], topic="private")
    await ada.me.publish_data("open", topic="private")
    await until("both arrive at Cleo", lambda: received(cleo, "private") == [b"secret", b"open"])
    await until("the open one arrives at Bo", lambda: received(bo, "private") == [b"open"])


async def test_data_without_the_right_to_send(person, room):
    ada = await person("ada").join(room)
    mute = await person("mute").join(room, can_publish_data=False)
    await mute.meets(ada)
    try:
        await mute.me.publish_data("nobody hears this", topic="barred")
    except rtc.participant.PublishDataError:
        pass
    await ada.me.publish_data("fence", topic="fence")
    await until("Ada's packet passes", lambda: received(mute, "fence"))
    assert received(ada, "barred") == []


async def test_rpc(acquainted):
    ada, bo = acquainted

    @bo.me.register_rpc_method("greet")
    async def greet(call: rtc.RpcInvocationData) -> str:
        return f"{call.caller_identity}: {call.payload}!"

    @bo.me.register_rpc_method("fail")
    async def fail(_: rtc.RpcInvocationData) -> str:
        raise RpcError(1234, "no luck", "details")

    call = ada.me.perform_rpc
    assert await call(destination_identity="bo", method="greet", payload="hello") == "ada: hello!"
    assert len(await call(destination_identity="bo", method="greet", payload="x" * 14_000)) == 14_006
    many = await asyncio.gather(*(call(destination_identity="bo", method="greet", payload=str(n)) for n in range(20)))
    assert many == [f"ada: {n}!" for n in range(20)]

    with pytest.raises(RpcError) as failed:
        await call(destination_identity="bo", method="fail", payload="")
    assert (failed.value.code, failed.value.message, failed.value.data) == (1234, "no luck", "details")
    with pytest.raises(RpcError) as unknown:
        await call(destination_identity="bo", method="unknown", payload="")
    assert unknown.value.code == RpcError.ErrorCode.UNSUPPORTED_METHOD


async def test_rpc_to_someone_who_leaves_fails_fast(acquainted):
    ada, bo = acquainted
    started = asyncio.Event()

    @bo.me.register_rpc_method("never")
    async def never(_: rtc.RpcInvocationData) -> str:
        started.set()
        await asyncio.Event().wait()
        return ""

    call = asyncio.create_task(
        ada.me.perform_rpc(destination_identity="bo", method="never", payload="", response_timeout=60)
    )
    await asyncio.wait_for(started.wait(), 10)
    await bo.leave()
    with pytest.raises(RpcError) as failed:
        await asyncio.wait_for(call, 10)
    assert failed.value.code == RpcError.ErrorCode.RECIPIENT_DISCONNECTED


@pytest.mark.parametrize("compress", [True, False], ids=["compressed", "plain"])
async def test_text_stream(acquainted, compress):
    ada, bo = acquainted
    text = "".join(f"{n} 合唱 " for n in range(20_000))
    arrived: asyncio.Future[tuple[str, str, dict]] = asyncio.get_running_loop().create_future()

    async def read(reader: rtc.TextStreamReader, identity: str) -> None:
        arrived.set_result((identity, await reader.read_all(), dict(reader.info.attributes or {})))

    bo.room.register_text_stream_handler("novel", lambda reader, identity: asyncio.create_task(read(reader, identity)) and None)
    await ada.me.send_text(text, topic="novel", attributes={"chapter": "1"}, compress=compress)
    identity, got, attributes = await asyncio.wait_for(arrived, 20)
    assert identity == "ada" and got == text and attributes["chapter"] == "1"


async def test_text_stream_in_pieces(acquainted):
    ada, bo = acquainted
    pieces: list[str] = []
    ended = asyncio.Event()

    async def read(reader: rtc.TextStreamReader) -> None:
        async for piece in reader:
            pieces.append(piece)
        ended.set()

    bo.room.register_text_stream_handler("live", lambda reader, _: asyncio.create_task(read(reader)) and None)
    writer = await ada.me.stream_text(topic="live")
    for word in ("one ", "two ", "three"):
        await writer.write(word)
        await until(f"{word!r} arrives while the stream is open", lambda: "".join(pieces).endswith(word))
    await writer.aclose()
    await asyncio.wait_for(ended.wait(), 10)
    assert "".join(pieces) == "one two three"


async def test_byte_stream(acquainted, tmp_path):
    ada, bo = acquainted
    content = os.urandom(700_000)
    file = tmp_path / "score.bin"
    file.write_bytes(content)
    arrived: asyncio.Future[tuple[str, bytes]] = asyncio.get_running_loop().create_future()

    async def read(reader: rtc.ByteStreamReader) -> None:
        got = b"".join([piece async for piece in reader])
        arrived.set_result((reader.info.name, got))

    bo.room.register_byte_stream_handler("files", lambda reader, _: asyncio.create_task(read(reader)) and None)
    await ada.me.send_file(str(file), topic="files")
    name, got = await asyncio.wait_for(arrived, 30)
    assert name == "score.bin" and got == content


async def test_data_track(pair):
    ada, bo = pair
    track = await ada.me.publish_data_track(name="sensor")
    (remote,) = await bo.event("data_track_published")
    assert remote.info.name == "sensor" and remote.publisher_identity == "ada"
    stream = remote.subscribe()
    number = 0

    async def push() -> None:
        nonlocal number
        while True:
            # A frame of several packets, to be put together again on the other side.
            track.try_push(rtc.DataTrackFrame(payload=number.to_bytes(4, "big") + b"x" * 5_000, user_timestamp=number))
            number += 1
            await asyncio.sleep(0.05)

    pushing = asyncio.create_task(push())
    try:
        last = -1
        for _ in range(10):
            frame = await asyncio.wait_for(anext(stream), 15)
            current = int.from_bytes(frame.payload[:4], "big")
            assert len(frame.payload) == 5_004 and frame.user_timestamp == current > last
            last = current
    finally:
        pushing.cancel()
    await track.unpublish()
    await bo.event("data_track_unpublished")
