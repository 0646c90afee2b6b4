"""A worker of LiveKit Agents, as published, whose agents play a tone and send back what they are sent.

Runs in an environment of its own: `worker.py TYPE AGENT_NAME TONE_HZ`, the server from LIVEKIT_URL. Says on standard
output when it is registered and when a job begins or ends, one line each.
"""

import asyncio
import logging
import math
import signal
import struct
import sys

from livekit import rtc
from livekit.agents import AgentServer, JobContext, JobExecutorType, WorkerType

SAMPLE_RATE_HZ = 48_000
SAMPLES = SAMPLE_RATE_HZ // 50

type_name, agent_name, tone_hz = sys.argv[1], sys.argv[2], float(sys.argv[3])
server = AgentServer(
    job_executor_type=JobExecutorType.THREAD,
    load_fnc=lambda: 0.0,
    num_idle_processes=0,
    host="127.0.0.1",
    port=0,
)


def say(*words: str) -> None:
    print(*words, flush=True)


@server.rtc_session(agent_name=agent_name, type=WorkerType[type_name])
async def serve(ctx: JobContext) -> None:
    who = ctx.job.participant.identity or "-"
    say("job", ctx.job.id, ctx.room.name or ctx.job.room.name, who, ctx.job.metadata or "-")
    ctx.add_shutdown_callback(lambda: asyncio.to_thread(say, "end", ctx.job.id))
    await ctx.connect()
    me = ctx.room.local_participant

    @ctx.room.on("data_received")
    def echo(packet: rtc.DataPacket) -> None:
        asyncio.ensure_future(me.publish_data(packet.data, topic="echo"))

    source = rtc.AudioSource(SAMPLE_RATE_HZ, 1)
    track = rtc.LocalAudioTrack.create_audio_track("tone", source)
    await me.publish_track(track, rtc.TrackPublishOptions(source=rtc.TrackSource.SOURCE_MICROPHONE))
    asyncio.ensure_future(play(source))


async def play(source: rtc.AudioSource) -> None:
    at = 0
    while True:
        tone = (int(12_000 * math.sin(2 * math.pi * tone_hz * (at + i) / SAMPLE_RATE_HZ)) for i in range(SAMPLES))
        at += SAMPLES
        frame = rtc.AudioFrame(struct.pack(f"<{SAMPLES}h", *tone), SAMPLE_RATE_HZ, 1, SAMPLES)
        await source.capture_frame(frame)  # Paces itself: waits while the queue is full.


logging.basicConfig(level=logging.INFO, stream=sys.stderr)


@server.on("worker_registered")
def registered(worker_id: str, _info: object) -> None:
    say("registered", worker_id)


async def main() -> None:
    # As a supervisor does it that replaces a worker: it takes no more, and goes when what it has is done.
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, lambda: asyncio.ensure_future(server.drain()))
    await server.run(devmode=False)


asyncio.run(main())
