"""Tones and pictures to publish, and ways to recognise them on the other side."""

import asyncio
from collections.abc import AsyncIterator

import numpy as np
from livekit import rtc

SAMPLE_RATE_HZ = 48_000
FRAME_MS = 20
SAMPLES = SAMPLE_RATE_HZ * FRAME_MS // 1000


class Tone:
    """A published microphone that plays one frequency until it is stopped."""

    def __init__(self, hz: float) -> None:
        self.hz = hz
        self.source = rtc.AudioSource(SAMPLE_RATE_HZ, 1)
        self.track = rtc.LocalAudioTrack.create_audio_track(f"tone-{hz:g}", self.source)
        self._task = asyncio.create_task(self._play())

    async def _play(self) -> None:
        at = 0
        while True:
            phase = 2 * np.pi * self.hz * (np.arange(SAMPLES) + at) / SAMPLE_RATE_HZ
            frame = rtc.AudioFrame.create(SAMPLE_RATE_HZ, 1, SAMPLES)
            np.frombuffer(frame.data, dtype=np.int16)[:] = (np.sin(phase) * 12_000).astype(np.int16)
            at += SAMPLES
            await self.source.capture_frame(frame)  # Paces itself: waits while the queue is full.

    async def publish(self, room: rtc.Room, **options) -> rtc.LocalTrackPublication:
        options.setdefault("source", rtc.TrackSource.SOURCE_MICROPHONE)
        return await room.local_participant.publish_track(self.track, rtc.TrackPublishOptions(**options))

    async def stop(self) -> None:
        self._task.cancel()
        await self.source.aclose()


class Picture:
    """A published camera: one colour with a bright block that moves, at about 15 frames a second."""

    def __init__(self, width: int, height: int, luma: int = 90) -> None:
        self.width, self.height, self.luma = width, height, luma
        self.source = rtc.VideoSource(width, height)
        self.track = rtc.LocalVideoTrack.create_video_track("picture", self.source)
        self._task = asyncio.create_task(self._play())

    async def _play(self) -> None:
        chroma = np.full(self.width * self.height // 2, 128, dtype=np.uint8)
        step = 0
        while True:
            luma = np.full((self.height, self.width), self.luma, dtype=np.uint8)
            left = (step * 8) % (self.width - 32)
            luma[8:40, left : left + 32] = 230
            data = np.concatenate([luma.ravel(), chroma]).tobytes()
            self.source.capture_frame(rtc.VideoFrame(self.width, self.height, rtc.VideoBufferType.I420, data))
            step += 1
            await asyncio.sleep(1 / 15)

    async def publish(self, room: rtc.Room, **options) -> rtc.LocalTrackPublication:
        options.setdefault("source", rtc.TrackSource.SOURCE_CAMERA)
        return await room.local_participant.publish_track(self.track, rtc.TrackPublishOptions(**options))

    async def stop(self) -> None:
        self._task.cancel()
        await self.source.aclose()


async def loudest_hz(track: rtc.Track, seconds: float = 0.5) -> float:
    """The loudest frequency in the next stretch of sound that is not silence."""
    stream = rtc.AudioStream(track, sample_rate=SAMPLE_RATE_HZ, num_channels=1)
    heard: list[np.ndarray] = []
    try:
        async for event in stream:
            samples = np.frombuffer(event.frame.data, dtype=np.int16)
            if not heard and np.abs(samples).max(initial=0) < 1_000:
                continue
            heard.append(samples.astype(np.float64))
            if sum(map(len, heard)) >= SAMPLE_RATE_HZ * seconds:
                break
    finally:
        await stream.aclose()
    sound = np.concatenate(heard) if heard else np.zeros(1)
    spectrum = np.abs(np.fft.rfft(sound * np.hanning(len(sound))))
    return float(np.argmax(spectrum) * SAMPLE_RATE_HZ / len(sound))


async def hears(track: rtc.Track, hz: float, deadline_s: float = 15.0) -> None:
    """Waits until the tone is the loudest thing in the track."""
    last = 0.0

    async def listen() -> None:
        nonlocal last
        while abs((last := await loudest_hz(track)) - hz) > 10:
            pass

    try:
        await asyncio.wait_for(listen(), deadline_s)
    except asyncio.TimeoutError:
        raise AssertionError(f"{hz} Hz not heard within {deadline_s} s, last {last:.0f} Hz") from None


async def frames(track: rtc.Track, deadline_s: float = 20.0) -> AsyncIterator[rtc.VideoFrame]:
    """The frames of a video track as they come; fails when the deadline passes before the caller has enough."""
    stream = rtc.VideoStream(track, format=rtc.VideoBufferType.I420)
    end = asyncio.get_running_loop().time() + deadline_s
    seen = "none"
    try:
        while True:
            try:
                event = await asyncio.wait_for(anext(stream), end - asyncio.get_running_loop().time())
            except asyncio.TimeoutError:
                raise AssertionError(f"the frame waited for did not come within {deadline_s} s, last {seen}") from None
            seen = f"{event.frame.width}x{event.frame.height}"
            yield event.frame
    finally:
        await stream.aclose()


def mean_luma(frame: rtc.VideoFrame) -> float:
    """Average brightness, 0 to 255, of the lower half, where nothing moves."""
    luma = np.frombuffer(frame.data, dtype=np.uint8)[: frame.width * frame.height].reshape(frame.height, frame.width)
    return float(luma[frame.height // 2 :].mean())
