"""Who is in the room, what is known of them, and how they go."""

import asyncio

import pytest
from livekit import api, rtc

from access import KEY, SECRET, SERVER_URL, token_for
from media import Tone, hears
from until import until


async def test_joining_tells_both_sides(person, room):
    ada = await person("ada").join(room)
    assert ada.room.name == room
    assert (await ada.room.sid).startswith("RM_")
    assert ada.me.sid.startswith("PA_") and ada.me.name == "Ada"
    bo = await person("bo").join(room)
    (joined,) = await ada.event("participant_connected")
    assert (joined.identity, joined.name, joined.sid) == ("bo", "Bo", bo.me.sid)
    assert bo.sees("ada").sid == ada.me.sid
    await bo.leave()
    (gone,) = await ada.event("participant_disconnected")
    assert gone.identity == "bo" and gone.disconnect_reason == rtc.DisconnectReason.CLIENT_INITIATED


async def test_metadata_name_and_attributes(pair):
    ada, bo = pair
    await ada.me.set_metadata('{"seat": 4}')
    await ada.me.set_name("Ada L.")
    await ada.me.set_attributes({"instrument": "violin", "hand": "up"})
    await until("Bo knows the metadata", lambda: bo.sees("ada").metadata == '{"seat": 4}')
    await until("Bo knows the name", lambda: bo.sees("ada").name == "Ada L.")
    await until("Bo knows the attributes", lambda: bo.sees("ada").attributes == {"instrument": "violin", "hand": "up"})
    await ada.me.set_attributes({"hand": ""})
    await until("an empty value deletes", lambda: bo.sees("ada").attributes == {"instrument": "violin"})


async def test_a_late_comer_knows_the_attributes(pair, person, room):
    ada, _ = pair
    await ada.me.set_attributes({"instrument": "viola"})
    cleo = await person("cleo").join(room)
    await until("Cleo knows", lambda: cleo.sees("ada") and cleo.sees("ada").attributes.get("instrument") == "viola")


async def test_the_same_identity_twice(person, room):
    first = await person("ada").join(room)
    bo = await person("bo").join(room)
    await bo.meets(first)
    second = await person("ada").join(room)
    (reason,) = await first.event("disconnected")
    assert reason == rtc.DisconnectReason.DUPLICATE_IDENTITY
    await until("Bo sees the second Ada", lambda: bo.sees("ada") and bo.sees("ada").sid == second.me.sid)


async def test_rooms_are_apart(person, room):
    ada = await person("ada").join(room)
    bo = await person("bo").join(f"{room}-other")
    cleo = await person("cleo").join(room)
    await ada.meets(cleo)
    await cleo.meets(ada)
    assert list(bo.room.remote_participants) == []
    assert list(ada.room.remote_participants) == ["cleo"]


async def test_hidden_participants_see_and_are_not_seen(person, room):
    ghost = await person("ghost").join(room, hidden=True)
    ada = await person("ada").join(room)
    await ghost.meets(ada)
    bo = await person("bo").join(room)
    await ada.meets(bo)
    assert "ghost" not in ada.room.remote_participants and "ghost" not in bo.room.remote_participants


async def test_a_listener_cannot_publish(person, room):
    listener = await person("listener").join(room, can_publish=False)
    tone = Tone(440)
    with pytest.raises((rtc.participant.PublishTrackError, asyncio.TimeoutError)):
        await asyncio.wait_for(tone.publish(listener.room), 3)
    ada = await person("ada").join(room)
    await ada.meets(listener)
    assert dict(ada.sees("listener").track_publications) == {}
    await tone.stop()


async def test_signal_reconnect_keeps_the_session(pair):
    ada, bo = pair
    tone = Tone(440)
    await tone.publish(ada.room)
    await hears(await bo.track_of("ada", rtc.TrackKind.KIND_AUDIO), 440)
    sid = ada.me.sid
    await ada.room.simulate_scenario(rtc.SimulateScenarioKind.SIMULATE_SIGNAL_RECONNECT)
    await ada.event("reconnected", deadline_s=30)
    assert ada.me.sid == sid
    await hears(await bo.track_of("ada", rtc.TrackKind.KIND_AUDIO), 440)
    assert bo.events["participant_disconnected"] == []
    await ada.me.publish_data("still here", topic="after")
    await until("data flows", lambda: [1 for (packet,) in bo.events["data_received"] if packet.topic == "after"])
    await tone.stop()


async def test_node_failure_brings_the_tracks_back(pair):
    ada, bo = pair
    tone = Tone(440)
    await tone.publish(ada.room)
    await hears(await bo.track_of("ada", rtc.TrackKind.KIND_AUDIO), 440)
    await ada.room.simulate_scenario(rtc.SimulateScenarioKind.SIMULATE_NODE_FAILURE)
    await ada.event("reconnected", deadline_s=40)
    await until("Bo sees the new Ada", lambda: bo.sees("ada") and bo.sees("ada").sid == ada.me.sid)
    await hears(await bo.track_of("ada", rtc.TrackKind.KIND_AUDIO), 440)
    await tone.stop()


async def test_server_changes_permission(pair):
    ada, bo = pair
    async with api.LiveKitAPI(SERVER_URL, KEY, SECRET) as server:
        tone = Tone(440)
        await tone.publish(ada.room)
        await hears(await bo.track_of("ada", rtc.TrackKind.KIND_AUDIO), 440)
        await server.room.update_participant(
            api.UpdateParticipantRequest(
                room=ada.room.name,
                identity="ada",
                permission=api.ParticipantPermission(can_subscribe=True, can_publish=False, can_publish_data=True),
            )
        )
        await ada.event("participant_permissions_changed", lambda one, _: one.identity == "ada")
        await bo.event("track_unpublished")
        await tone.stop()


async def test_server_removes_a_participant(pair):
    ada, bo = pair
    async with api.LiveKitAPI(SERVER_URL, KEY, SECRET) as server:
        await server.room.remove_participant(api.RoomParticipantIdentity(room=ada.room.name, identity="ada"))
        (reason,) = await ada.event("disconnected")
        assert reason == rtc.DisconnectReason.PARTICIPANT_REMOVED
        await bo.event("participant_disconnected")


async def test_joining_with_bad_tokens(person, room):
    for name, token in {
        "a foreign key": token_for(room, "ada", key="foreign"),
        "a wrong secret": token_for(room, "ada", secret="not the secret"),
        "long expired": token_for(room, "ada", ttl_s=-7200),
        "not a token": "nonsense",
    }.items():
        with pytest.raises(rtc.ConnectError):
            await person("ada").join(room, token=token)
            pytest.fail(f"joined with {name}")


async def test_joining_a_full_room(person, room):
    config = api.RoomConfiguration(max_participants=1)
    ada = await person("ada").join(room, token=token_for(room, "ada", config=config))
    with pytest.raises(rtc.ConnectError, match="room is full"):
        await asyncio.wait_for(person("bo").join(room, token=token_for(room, "bo", config=config)), 10)
    assert not ada.room.remote_participants
    await ada.leave()
    await person("bo").join(room, token=token_for(room, "bo", config=config))
