"""Sound and pictures through the server, in every codec the client can encode."""

import pytest
from livekit import rtc

from media import Picture, Tone, frames, hears, mean_luma
from until import until

AUDIO = rtc.TrackKind.KIND_AUDIO
VIDEO = rtc.TrackKind.KIND_VIDEO


async def test_tones_cross(pair):
    ada, bo = pair
    low, high = Tone(440), Tone(1000)
    await low.publish(ada.room)
    await high.publish(bo.room)
    await hears(await bo.track_of("ada", AUDIO), 440)
    await hears(await ada.track_of("bo", AUDIO), 1000)
    await low.stop()
    await high.stop()


@pytest.mark.parametrize("codec", ["VP8", "VP9", "H264", "AV1"])
async def test_picture(pair, codec):
    ada, bo = pair
    picture = Picture(640, 360, luma=150)
    await picture.publish(ada.room, video_codec=getattr(rtc.VideoCodec, codec), simulcast=False)
    track = await bo.track_of("ada", VIDEO)
    seen = 0
    async for frame in frames(track):
        if (frame.width, frame.height) == (640, 360) and abs(mean_luma(frame) - 150) < 12:
            seen += 1
        if seen == 10:
            break
    publication = await bo.publication_of("ada", VIDEO)
    assert publication.mime_type.lower() == f"video/{codec.lower()}"
    assert (publication.width, publication.height) == (640, 360)
    await picture.stop()


async def test_latecomer_gets_a_key_frame(person, room):
    ada = await person("ada").join(room)
    picture, tone = Picture(320, 180), Tone(440)
    await picture.publish(ada.room, simulcast=False)
    await tone.publish(ada.room)
    for late in ("bo", "cleo"):
        one = await person(late).join(room)
        async for frame in frames(await one.track_of("ada", VIDEO)):
            assert (frame.width, frame.height) == (320, 180)
            break
        await hears(await one.track_of("ada", AUDIO), 440)
    await picture.stop()
    await tone.stop()


async def test_simulcast_quality(pair):
    ada, bo = pair
    picture = Picture(1280, 720)
    await picture.publish(ada.room, simulcast=True, video_codec=rtc.VideoCodec.VP8)
    track = await bo.track_of("ada", VIDEO)
    publication = await bo.publication_of("ada", VIDEO)
    assert publication.simulcasted
    for quality, fits in [
        (rtc.VideoQuality.VIDEO_QUALITY_LOW, lambda width: width <= 320),
        (rtc.VideoQuality.VIDEO_QUALITY_MEDIUM, lambda width: 320 < width <= 640),
        (rtc.VideoQuality.VIDEO_QUALITY_LOW, lambda width: width <= 320),
    ]:
        publication.set_video_quality(quality)
        async for frame in frames(track, 30):
            assert abs(frame.width / frame.height - 16 / 9) < 0.03
            if fits(frame.width):
                break
    await picture.stop()


async def test_mute_and_unmute(pair):
    ada, bo = pair
    tone = Tone(440)
    await tone.publish(ada.room)
    track = await bo.track_of("ada", AUDIO)
    await hears(track, 440)
    tone.track.mute()
    await bo.event("track_muted", lambda participant, _: participant.identity == "ada")
    assert (await bo.publication_of("ada", AUDIO)).muted
    tone.track.unmute()
    await bo.event("track_unmuted", lambda participant, _: participant.identity == "ada")
    await hears(track, 440)
    await tone.stop()


async def test_unpublish_and_publish_again(pair):
    ada, bo = pair
    for hz in (440, 1000, 700):
        tone = Tone(hz)
        publication = await tone.publish(ada.room)
        await hears(await bo.track_of("ada", AUDIO), hz)
        await ada.me.unpublish_track(publication.sid)
        await bo.event("track_unpublished", lambda gone, _: gone.sid == publication.sid)
        await tone.stop()


async def test_many_tracks_at_once(pair):
    """More than the sections a client brings along with its first offer."""
    ada, bo = pair
    tones = [Tone(400 + 150 * index) for index in range(6)]
    wanted = {}
    for tone in tones:
        publication = await tone.publish(ada.room, source=rtc.TrackSource.SOURCE_UNKNOWN)
        wanted[publication.sid] = tone.hz
    for sid, hz in wanted.items():
        track, *_ = await bo.event("track_subscribed", lambda track, *_: track.sid == sid)
        await hears(track, hz)
    for tone in tones:
        await tone.stop()


async def test_subscribing_by_hand(person, room):
    ada = await person("ada").join(room)
    tone = Tone(440)
    await tone.publish(ada.room)
    bo = await person("bo").join(room, auto_subscribe=False)
    publication = await bo.publication_of("ada", AUDIO)
    assert publication.track is None
    publication.set_subscribed(True)
    await hears(await bo.track_of("ada", AUDIO), 440)
    publication.set_subscribed(False)
    await bo.event("track_unsubscribed")
    publication.set_subscribed(True)
    await hears(await bo.track_of("ada", AUDIO), 440)
    await tone.stop()


async def test_tracks_that_come_and_go_do_not_grow_the_descriptions(person, room, sections):
    ada = await person("ada").join(room)
    tone = Tone(440)
    publication = await tone.publish(ada.room)
    bo = await person("bo").join(room, auto_subscribe=False)
    for turn in range(24):
        if turn % 8 == 7:
            await ada.me.unpublish_track(publication.sid)
            await bo.event("track_unpublished", lambda gone, _: gone.sid == publication.sid)
            await tone.stop()
            tone = Tone(440 + 100 * turn)
            publication = await tone.publish(ada.room)
        seen = await bo.publication_of("ada", AUDIO)
        seen.set_subscribed(True)
        track = await bo.track_of("ada", AUDIO)
        if turn % 8 in (0, 1, 7):
            await hears(track, tone.hz)
        seen.set_subscribed(False)
        await until("bo has no track", lambda: seen.track is None)
    # Those for data, and what a client brings along or the one in use and the one that is being freed.
    exchanged = max(sections.values(), key=len)
    assert len(exchanged) > 24 and max(exchanged) <= (7 if bo.single else 3), exchanged
    await tone.stop()


async def test_publisher_chooses_who_may_subscribe(person, room):
    ada = await person("ada").join(room)
    ada.me.set_track_subscription_permissions(
        allow_all_participants=False,
        participant_permissions=[rtc.ParticipantTrackPermission(participant_identity="bo", allow_all=True)],
    )
    tone = Tone(440)
    await tone.publish(ada.room)
    bo = await person("bo").join(room)
    cleo = await person("cleo").join(room)
    await hears(await bo.track_of("ada", AUDIO), 440)
    publication = await cleo.publication_of("ada", AUDIO)
    assert publication.track is None
    ada.me.set_track_subscription_permissions(allow_all_participants=True)
    await hears(await cleo.track_of("ada", AUDIO), 440)
    await tone.stop()


async def test_active_speaker(pair):
    ada, bo = pair
    tone = Tone(440)
    await tone.publish(ada.room)
    await hears(await bo.track_of("ada", AUDIO), 440)
    await bo.event("active_speakers_changed", lambda speakers: [one.identity for one in speakers] == ["ada"])
    tone.track.mute()
    await bo.event("active_speakers_changed", lambda speakers: speakers == [])
    await tone.stop()


async def test_dynacast_resumes_when_someone_watches(person, room):
    ada = await person("ada").join(room)
    picture = Picture(640, 360)
    await picture.publish(ada.room, simulcast=True)
    for visitor in ("bo", "cleo"):
        one = await person(visitor).join(room)
        async for frame in frames(await one.track_of("ada", VIDEO)):
            assert frame.width > 0
            break
        await one.leave()
    await picture.stop()
