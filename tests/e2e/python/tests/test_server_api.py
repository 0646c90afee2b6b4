"""A back end in Python drives every method of the server API, with people and media in the room."""

import aiohttp
import pytest
from livekit import api, rtc

from access import KEY, SECRET, SERVER_URL
from media import Tone
from until import until

AUDIO = rtc.TrackKind.KIND_AUDIO


@pytest.fixture
def single() -> bool:
    return True


async def perform_rpc(room: str, identity: str, method: str, payload: str = "") -> tuple[int, dict]:
    """``PerformRpc``, which this SDK has not."""
    grants = api.VideoGrants(room_admin=True, room=room)
    token = api.AccessToken(KEY, SECRET).with_grants(grants).to_jwt()
    body = {"room": room, "destination_identity": identity, "method": method, "payload": payload}
    url, headers = f"{SERVER_URL}/twirp/livekit.RoomService/PerformRpc", {"Authorization": f"Bearer {token}"}
    async with aiohttp.ClientSession() as http, http.post(url, json=body, headers=headers) as response:
        return response.status, await response.json()


async def test_rooms_and_participants(person, room):
    async with api.LiveKitAPI(SERVER_URL, KEY, SECRET) as server:
        made = await server.room.create_room(api.CreateRoomRequest(name=room, metadata="first", max_participants=3))
        assert (made.name, made.metadata, made.max_participants) == (room, "first", 3)
        ada, bo = await person("ada").join(room), await person("bo").join(room, auto_subscribe=False)
        tone = Tone(440)
        publication = await tone.publish(ada.room)
        await bo.publication_of("ada", AUDIO)

        listed = await server.room.list_rooms(api.ListRoomsRequest(names=[room]))
        assert [one.sid for one in listed.rooms] == [made.sid]
        there = await server.room.list_participants(api.ListParticipantsRequest(room=room))
        assert sorted(one.identity for one in there.participants) == ["ada", "bo"]
        one = await server.room.get_participant(api.RoomParticipantIdentity(room=room, identity="ada"))
        assert [it.sid for it in one.tracks] == [publication.sid]

        await server.room.update_room_metadata(api.UpdateRoomMetadataRequest(room=room, metadata="second"))
        await bo.event("room_metadata_changed", lambda _old, new: new == "second")
        change = api.UpdateParticipantRequest(room=room, identity="ada", name="Ada L.", attributes={"hand": "up"})
        assert (await server.room.update_participant(change)).name == "Ada L."
        await bo.event("participant_attributes_changed", lambda changed, who: changed == {"hand": "up"})

        wish = api.UpdateSubscriptionsRequest(room=room, identity="bo", track_sids=[publication.sid], subscribe=True)
        await server.room.update_subscriptions(wish)
        await bo.event("track_subscribed", lambda _track, it, _who: it.sid == publication.sid)
        mute = api.MuteRoomTrackRequest(room=room, identity="ada", track_sid=publication.sid, muted=True)
        assert (await server.room.mute_published_track(mute)).track.muted
        await bo.event("track_muted")
        mute.muted = False
        with pytest.raises(api.TwirpError) as refused:
            await server.room.mute_published_track(mute)
        assert refused.value.code == api.TwirpErrorCode.FAILED_PRECONDITION

        await server.room.send_data(
            api.SendDataRequest(room=room, data=b"psst", kind=api.DataPacket.Kind.RELIABLE, destination_identities=["bo"], topic="t")
        )
        await bo.event("data_received", lambda packet: (packet.data, packet.topic, packet.participant) == (b"psst", "t", None))
        await server.room.remove_participant(api.RoomParticipantIdentity(room=room, identity="ada"))
        await bo.event("participant_disconnected", lambda one: one.identity == "ada")
        await server.room.delete_room(api.DeleteRoomRequest(room=room))
        (reason,) = await bo.event("disconnected")
        assert reason == rtc.DisconnectReason.ROOM_DELETED
        with pytest.raises(api.TwirpError) as gone:
            await server.room.delete_room(api.DeleteRoomRequest(room=room))
        assert gone.value.code == api.TwirpErrorCode.NOT_FOUND
        await tone.stop()


async def test_a_participant_is_called(pair):
    ada, _bo = pair
    room = ada.room.name

    @ada.me.register_rpc_method("greet")
    async def greet(call: rtc.RpcInvocationData) -> str:
        return f"{call.payload}, back end"

    @ada.me.register_rpc_method("fail")
    async def fail(_call: rtc.RpcInvocationData) -> str:
        raise rtc.RpcError(42, "not today", "data")

    await until("Ada is there", lambda: ada.room.isconnected())
    assert await perform_rpc(room, "ada", "greet", "hello") == (200, {"payload": "hello, back end"})
    status, error = await perform_rpc(room, "ada", "fail")
    assert (status, error["code"], error["msg"]) == (500, "internal", "RpcError 42: not today: data")
    status, error = await perform_rpc(room, "ada", "nothing")
    assert (status, error["code"]) == (400, "invalid_argument") and "1400" in error["msg"]
    status, error = await perform_rpc(room, "ada", "greet", "x" * 15_361)
    assert (status, error["code"]) == (400, "malformed") and "1402" in error["msg"]
    status, error = await perform_rpc(room, "nobody", "greet")
    assert (status, error["code"]) == (404, "not_found")


async def test_dispatches_of_a_room(room):
    async with api.LiveKitAPI(SERVER_URL, KEY, SECRET) as server:
        request = api.CreateAgentDispatchRequest(agent_name="nobody", room=room, metadata="m")
        made = await server.agent_dispatch.create_dispatch(request)
        assert (made.agent_name, made.room, made.metadata) == ("nobody", room, "m")
        assert (await server.agent_dispatch.get_dispatch(made.id, room)).id == made.id
        assert made.id in [one.id for one in await server.agent_dispatch.list_dispatch(room)]
        assert (await server.agent_dispatch.delete_dispatch(made.id, room)).state.deleted_at > 0
        assert await server.agent_dispatch.get_dispatch(made.id, room) is None
        await server.room.delete_room(api.DeleteRoomRequest(room=room))
