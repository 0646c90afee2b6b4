"""Workers of LiveKit Agents get jobs by room, by publisher and by name, and their agents are heard in the room."""

import asyncio

from livekit import api, rtc

from access import token_for
from media import Tone, loudest_hz
from until import until

AUDIO = rtc.TrackKind.KIND_AUDIO
AGENT = rtc.ParticipantKind.PARTICIPANT_KIND_AGENT


def agents_of(person) -> list[rtc.RemoteParticipant]:
    return [other for other in person.room.remote_participants.values() if other.kind == AGENT]


async def only_agent(person) -> rtc.RemoteParticipant:
    await until("an agent joins", lambda: len(agents_of(person)) == 1, 30)
    return agents_of(person)[0]


async def hz_of(agent: rtc.RemoteParticipant, person) -> float:
    return await loudest_hz(await person.track_of(agent.identity, AUDIO))


async def echo(person, text: bytes) -> None:
    await person.me.publish_data(text, reliable=True)
    await person.event("data_received", lambda packet: packet.topic == "echo" and packet.data == text)


async def test_by_room_and_by_publisher(person, room, worker):
    """Agents without a name come by themselves: one to the room, one to each who publishes."""
    rooms, publishers = await asyncio.gather(worker("ROOM", "", 500), worker("PUBLISHER", "", 800))
    ada, bo = await person("ada").join(room), await person("bo").join(room)
    assert abs(await hz_of(await only_agent(ada), ada) - 500) < 20
    assert rooms.said("job", lambda job: job[1] == room)
    tone = Tone(300)
    await tone.publish(ada.room)
    await until("Ada has an agent", lambda: publishers.said("job", lambda job: job[1:3] == [room, "ada"]), 30)
    await until("two agents are there", lambda: len(agents_of(bo)) == 2, 30)
    assert {round(await hz_of(agent, bo), -2) for agent in agents_of(bo)} == {500, 800}
    assert len(rooms.said("job")) == len(publishers.said("job")) == 1, "agents are nobody's reason for an agent"
    await tone.stop()


async def test_by_name_drained_and_killed(person, room, worker, backend):
    """A token or a back end names the agent; when its worker dies, another one goes on."""
    config = api.RoomConfiguration(agents=[api.RoomAgentDispatch(agent_name="echo", metadata="by-token")])
    ada = await person("ada").join(room, token=token_for(room, "ada", config=config))
    assert not agents_of(ada)
    # It has waited for its worker.
    old = await worker("ROOM", "echo", 500)
    agent = await only_agent(ada)
    assert agent.attributes["lk.agent_name"] == "echo" and old.said("job")[0][3] == "by-token"
    assert abs(await hz_of(agent, ada) - 500) < 20
    await echo(ada, b"who is there?")
    dispatch = (await backend.agent_dispatch.list_dispatch(room))[0]
    assert [job.state.participant_identity for job in dispatch.state.jobs] == [agent.identity]

    # Its worker is to be replaced: it gets no more, and keeps what it has.
    new = await worker("ROOM", "echo", 800)
    await old.drain()
    other = f"{room}-other"
    request = api.CreateAgentDispatchRequest(agent_name="echo", room=other, metadata="by-name")
    await until("the old one says that it drains", lambda: old.logged("draining worker"), 30)
    await backend.agent_dispatch.create_dispatch(request)
    await until("the new one takes the next job", lambda: new.said("job", lambda job: job[1] == other), 30)
    await echo(ada, b"still there?")

    # Then it dies, and its agent with it: the new one goes on as the same participant.
    await old.kill()
    await until("the new one takes over", lambda: new.said("job", lambda job: job[1] == room), 30)
    await until("the new agent is there", lambda: agents_of(ada) and agents_of(ada)[0].sid != agent.sid, 30)
    again = await only_agent(ada)
    assert again.identity == agent.identity and abs(await hz_of(again, ada) - 800) < 20

    await backend.agent_dispatch.delete_dispatch(dispatch.id, room)
    await until("the agent goes", lambda: not agents_of(ada), 20)
    assert not await backend.agent_dispatch.list_dispatch(room)
