"""Two `webrtcbin` elements, one that publishes and one that receives, and what is measured of what comes."""

import asyncio
import re
from collections.abc import Awaitable, Callable

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstSdp", "1.0")
gi.require_version("GstWebRTC", "1.0")
from gi.repository import Gst, GstSdp, GstWebRTC  # noqa: E402

Gst.init(None)

RATE_HZ = 48_000

# Encoders and payloaders as people write them down, with the defaults of everything.
PUBLISHED = """
videotestsrc is-live=true ! video/x-raw,width=320,height=180,framerate=15/1 ! x264enc ! rtph264pay !
  application/x-rtp,media=video,encoding-name=H264,payload=96 ! bin.
audiotestsrc is-live=true freq=880 ! audioconvert ! audioresample ! opusenc ! rtpopuspay !
  application/x-rtp,media=audio,encoding-name=OPUS,payload=97 ! bin.
webrtcbin name=bin bundle-policy=max-bundle
"""

# From packets to raw media, by the encoding name of their format.
DECODERS = {
    "OPUS": f"rtpopusdepay ! opusdec ! audioconvert ! audioresample ! audio/x-raw,format=S16LE,channels=1,rate={RATE_HZ}",
    "VP8": "rtpvp8depay ! vp8dec ! videoconvert ! video/x-raw,format=I420",
    "VP9": "rtpvp9depay ! vp9dec ! videoconvert ! video/x-raw,format=I420",
    "H264": "rtph264depay ! avdec_h264 ! videoconvert ! video/x-raw,format=I420",
}

Tell = Callable[..., None]


class Connection:
    """One `webrtcbin` in a pipeline of its own. Its signals come on threads of GStreamer and are handed to the loop."""

    def __init__(self, pipeline: Gst.Pipeline, name: str, setup: str, tell: Tell, on_candidate: Callable[[int, str], Awaitable[None]]) -> None:
        self.pipeline, self.bin = pipeline, pipeline.get_by_name("bin")
        self.name, self.setup = name, setup
        self._tell, self._loop = tell, asyncio.get_running_loop()
        self.bin.connect("on-ice-candidate", lambda _, line, text: asyncio.run_coroutine_threadsafe(on_candidate(line, text), self._loop))
        for state in ("connection-state", "ice-connection-state"):
            self.bin.connect(f"notify::{state}", lambda _bin, _spec, state=state: self._told(state))
        pipeline.get_bus().set_sync_handler(self._message)

    def _told(self, state: str) -> None:
        value = self.bin.get_property(state).value_nick
        self._loop.call_soon_threadsafe(lambda: self._tell(state, connection=self.name, value=value))

    def _message(self, _bus: Gst.Bus, message: Gst.Message) -> Gst.BusSyncReply:
        if message.type == Gst.MessageType.ERROR:
            error, where = message.parse_error()
            self._loop.call_soon_threadsafe(lambda: self._tell("error", connection=self.name, text=f"{error.message}: {where}"))
        return Gst.BusSyncReply.PASS

    async def describe(self, kind: str) -> str:
        """An offer or an answer of ours, with the DTLS role that was asked for, once it is in force."""
        reply = await self._ask(f"create-{kind}", None)
        text = reply.get_value(kind).sdp.as_text()
        # An offer leaves the role open, and an answer is the client's, unless told otherwise.
        text = text.replace("a=setup:actpass" if kind == "offer" else "a=setup:active", f"a=setup:{self.setup}")
        text = complete(text)
        await self._ask("set-local-description", self._parse(kind, text))
        return text

    async def take(self, kind: str, text: str) -> None:
        """The server's offer or answer."""
        await self._ask("set-remote-description", self._parse(kind, without_red(text)))

    @staticmethod
    def _parse(kind: str, text: str) -> GstWebRTC.WebRTCSessionDescription:
        _, message = GstSdp.SDPMessage.new_from_text(text)
        return GstWebRTC.WebRTCSessionDescription.new(GstWebRTC.WebRTCSDPType.OFFER if kind == "offer" else GstWebRTC.WebRTCSDPType.ANSWER, message)

    async def _ask(self, signal: str, argument: object) -> Gst.Structure | None:
        done = self._loop.create_future()
        promise = Gst.Promise.new_with_change_func(lambda promise, *_: self._loop.call_soon_threadsafe(done.set_result, promise.get_reply()))
        self.bin.emit(signal, argument, promise)
        reply = await asyncio.wait_for(done, 90)
        if reply is not None and reply.has_field("error"):
            raise RuntimeError(f"{signal}: {reply.get_value('error')}")
        return reply

    def start(self) -> None:
        self.pipeline.set_state(Gst.State.PLAYING)

    async def start_sending(self) -> None:
        """Starts, and waits until every stream has said its format: an offer made before names no stream."""
        self.start()
        while not all(self._is_known(pad) for pad in self.bin.sinkpads):
            await asyncio.sleep(0.05)

    @staticmethod
    def _is_known(pad: Gst.Pad) -> bool:
        caps = pad.get_current_caps()
        return caps is not None and caps.get_structure(0).has_field("ssrc")

    def stop(self) -> None:
        self.pipeline.set_state(Gst.State.NULL)


def complete(description: str) -> str:
    """Gives every section the credentials of the first. GStreamer 1.22 leaves them out where a track has gone, and then
    refuses its own description for want of them."""
    head, *sections = re.split(r"(?m)^(?=m=)", description)
    credentials = re.findall(r"(?m)^a=(?:ice-ufrag|ice-pwd|fingerprint):.*\n", sections[0])
    return head + "".join(s if "a=ice-ufrag:" in s else s + "".join(credentials) for s in sections)


def without_red(description: str) -> str:
    """GStreamer answers with the first format of a section alone, and RED is none without the one that it wraps."""
    for number in re.findall(r"(?m)^a=rtpmap:(\d+) red/48000", description):
        description = re.sub(rf"(?m)^a=(?:rtpmap|fmtp|rtcp-fb):{number} .*\n", "", description)
        description = re.sub(rf"(?m)^(m=audio .*?) {number}\b", r"\1", description)
    return description


class Receiver:
    """Decodes whatever the receiving `webrtcbin` gives, and tells twice a second what came."""

    def __init__(self, connection: Connection, tell: Tell) -> None:
        self._pipeline, self._tell, self._loop = connection.pipeline, tell, asyncio.get_running_loop()
        connection.bin.connect("pad-added", self._added)

    def _added(self, _bin: Gst.Element, pad: Gst.Pad) -> None:
        if pad.direction != Gst.PadDirection.SRC:
            return
        encoding = pad.get_current_caps().get_structure(0).get_string("encoding-name").upper()
        chain = f"queue ! {DECODERS[encoding]} ! appsink name=sink sync=false emit-signals=true max-buffers=100 drop=true"
        decoder = Gst.parse_bin_from_description(chain, True)
        measure = Sound(encoding, self._told) if encoding == "OPUS" else Pictures(encoding, self._told)
        decoder.get_by_name("sink").connect("new-sample", measure.take)
        self._pipeline.add(decoder)
        decoder.sync_state_with_parent()
        pad.link(decoder.get_static_pad("sink"))

    def _told(self, event: str, **more: object) -> None:
        self._loop.call_soon_threadsafe(lambda: self._tell(event, **more))


class Pictures:
    def __init__(self, encoding: str, tell: Tell) -> None:
        self._encoding, self._tell, self._frames = encoding, tell, 0

    def take(self, sink: Gst.Element) -> Gst.FlowReturn:
        caps = sink.emit("pull-sample").get_caps().get_structure(0)
        self._frames += 1
        if self._frames % 10 == 0:
            self._tell("frames", encoding=self._encoding, count=self._frames, width=caps.get_value("width"), height=caps.get_value("height"))
        return Gst.FlowReturn.OK


class Sound:
    def __init__(self, encoding: str, tell: Tell) -> None:
        self._encoding, self._tell, self._heard = encoding, tell, bytearray()

    def take(self, sink: Gst.Element) -> Gst.FlowReturn:
        buffer = sink.emit("pull-sample").get_buffer()
        self._heard += buffer.extract_dup(0, buffer.get_size())
        if len(self._heard) >= RATE_HZ:  # Half a second of two bytes each.
            samples = memoryview(self._heard[:RATE_HZ]).cast("h")
            self._tell("sound", encoding=self._encoding, peak=max(map(abs, samples)), hz=round(crossings_hz(samples)))
            self._heard.clear()
        return Gst.FlowReturn.OK


def crossings_hz(samples: memoryview) -> float:
    """The frequency of a tone, by how often it rises through zero."""
    rises = sum(1 for before, after in zip(samples, samples[1:]) if before < 0 <= after)
    return rises * RATE_HZ / len(samples)


def publisher_pipeline() -> Gst.Pipeline:
    return Gst.parse_launch(PUBLISHED)


def receiver_pipeline() -> Gst.Pipeline:
    pipeline = Gst.Pipeline.new(None)
    receiver = Gst.ElementFactory.make("webrtcbin", "bin")
    receiver.set_property("bundle-policy", GstWebRTC.WebRTCBundlePolicy.MAX_BUNDLE)
    pipeline.add(receiver)
    return pipeline
