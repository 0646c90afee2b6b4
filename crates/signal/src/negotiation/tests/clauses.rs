//! What the standards let a client describe, clause by clause, and what it is answered. The text of single lines is the
//! matter of `tutti-sdp`.

use std::collections::BTreeMap;

use tutti_rtp::Codec;
use tutti_sdp::{MediaKind, Setup};
use tutti_transport::{CertificateHash, Fingerprint, PeerFingerprints};

use super::*;
use crate::negotiation::{Answered, NegotiationError};

const HEAD: &str = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n";
const ICE: &str = "a=ice-ufrag:abcd\r\na=ice-pwd:abcdefghijklmnopqrstuv\r\n";
const SHA_256: &str = "a=fingerprint:sha-256 00:01:02:03:04:05:06:07:08:09:0A:0B:0C:0D:0E:0F:10:11:12:13:14:15:16:17:18:19:\
    1A:1B:1C:1D:1E:1F\r\n";
const SHA_1: &str = "a=fingerprint:sha-1 00:01:02:03:04:05:06:07:08:09:0A:0B:0C:0D:0E:0F:10:11:12:13\r\n";
const AUDIO: &str = "m=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=sendonly\r\na=rtcp-mux\r\na=rtpmap:111 opus/48000/2\r\n";
const VIDEO: &str = "m=video 9 UDP/TLS/RTP/SAVPF 96\r\na=sendonly\r\na=rtcp-mux\r\na=rtpmap:96 VP8/90000\r\n";
const DATA: &str = "m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\na=sctp-port:5000\r\n";

fn sha_512(byte: u8) -> String {
    format!("a=fingerprint:sha-512 {}\r\n", vec![format!("{byte:02X}"); 64].join(":"))
}

fn answer(offer: &str) -> Result<(Answered, SessionDescription), NegotiationError> {
    let mut connection = connection(Role::Publisher, &plain());
    connection.read_offer(&description("offer", offer, 1))?;
    let answered = connection.answer(&BTreeMap::new())?;
    let parsed = parse(&answered.description);
    Ok((answered, parsed))
}

/// An offer whose sections have their transport in the session.
fn session(lines: &str) -> String {
    format!("{HEAD}{ICE}{SHA_256}{lines}")
}

/// One row: a clause, the offer, whether each section lives in the answer, and what else must be true.
type Row = (&'static str, String, &'static [bool], fn(&Answered, &SessionDescription) -> bool);

#[test]
fn offers() {
    let always = |_: &Answered, _: &SessionDescription| true;
    let rows: Vec<Row> = vec![
        ("RFC 8829, 5.2.1: no section", HEAD.into(), &[], |a, _| a.remote.is_none()),
        (
            "RFC 8829, 5.3.1: all sections stopped",
            format!("{HEAD}m=audio 0 UDP/TLS/RTP/SAVPF 111\r\nm=video 0 UDP/TLS/RTP/SAVPF 96\r\na=mid:1\r\n"),
            &[false, false],
            |a, d| a.remote.is_none() && d.bundle.is_empty(),
        ),
        ("RFC 8829, 5.10: a section without a name", session(AUDIO), &[true], |a, d| {
            d.media[0].mid.is_none() && a.waiting.len() == 1
        }),
        (
            "RFC 9143, 7.2: sections without a bundle have a transport each",
            session(&format!("{AUDIO}a=mid:a\r\n{VIDEO}a=mid:v\r\n")),
            &[true, false],
            always,
        ),
        (
            "RFC 9143, 7.1.3: transport in the tagged section alone",
            format!(
                "{HEAD}a=group:BUNDLE a v\r\n{AUDIO}a=mid:a\r\n{ICE}{SHA_256}a=setup:actpass\r\n{}a=mid:v\r\n",
                VIDEO.replace("a=rtcp-mux\r\n", "")
            ),
            &[true, true],
            |_, d| d.bundle == ["a", "v"],
        ),
        (
            "RFC 9143, 6: for a bundle alone",
            session(&format!(
                "a=group:BUNDLE a v\r\n{AUDIO}a=mid:a\r\n{}a=mid:v\r\na=bundle-only\r\n",
                VIDEO.replace(" 9 ", " 0 ")
            )),
            &[true, true],
            |_, d| d.media[1].port == 9 && !d.media[1].bundle_only,
        ),
        (
            "RFC 5761, 5.1.3: RTCP on a port of its own",
            session(&AUDIO.replace("a=rtcp-mux\r\n", "")),
            &[false],
            |a, _| a.remote.is_none(),
        ),
        (
            "RFC 5888, 9.1: a name that no packet can carry",
            session(&format!(
                "a=group:BUNDLE a-name-of-24-characters\r\n{AUDIO}a=mid:a-name-of-24-characters\r\na=extmap:4 urn:ietf:params:rtp-hdrext:sdes:mid\r\n"
            )),
            &[true],
            |_, d| d.media[0].extensions.is_empty(),
        ),
        (
            "RFC 8285, 5: extensions of the session",
            session(&format!("a=extmap:20 urn:ietf:params:rtp-hdrext:ssrc-audio-level\r\n{AUDIO}a=mid:a\r\n")),
            &[true],
            |_, d| d.media[0].extensions.len() == 1 && d.media[0].extensions[0].id == 20,
        ),
        (
            "RFC 8285, 6: ids to be chosen",
            session(&format!("{AUDIO}a=extmap:4096 urn:ietf:params:rtp-hdrext:ssrc-audio-level\r\n")),
            &[true],
            |_, d| d.media[0].extensions.is_empty(),
        ),
        (
            "RFC 8866, 5.14: sections that nobody here knows",
            session(&format!(
                "a=group:BUNDLE b t a\r\nm=application 9 UDP/BFCP *\r\na=mid:b\r\nm=text 9 UDP/TLS/RTP/SAVPF 98\r\na=mid:t\r\n{AUDIO}a=mid:a\r\n"
            )),
            &[false, false, true],
            |_, d| d.media[0].format == "*" && d.media[1].kind == MediaKind::Other("text".into()) && d.bundle == ["a"],
        ),
        (
            "RFC 8829, 5.1.2: other profiles",
            session(&AUDIO.replace("UDP/TLS/RTP/SAVPF", "RTP/AVP")),
            &[true],
            |_, d| d.media[0].protocol.text() == "RTP/AVP",
        ),
        (
            "RFC 8841, 5: port by default, messages of any size",
            session("m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\na=max-message-size:0\r\n"),
            &[true],
            |a, d| {
                d.media[0].sctp_port == Some(5000)
                    && a.remote.as_ref().is_some_and(|it| it.data_channels && it.max_message_size.is_none())
            },
        ),
        ("RFC 8841, 6.1: the size that nobody states", session(DATA), &[true], |a, _| {
            a.remote.as_ref().is_some_and(|it| it.max_message_size == Some(65_536))
        }),
        ("RFC 8841, 5: a port of the client's own", session(&DATA.replace("5000", "5001")), &[true], |a, d| {
            d.media[0].sctp_port == Some(5000) && a.remote.as_ref().is_some_and(|it| it.sctp_port == 5001)
        }),
        ("RFC 8841, 5.2: no association", session(&DATA.replace("5000", "0")), &[false], always),
        (
            "draft-ietf-mmusic-sctp-sdp-05: data channels",
            session("m=application 9 DTLS/SCTP 5000\r\na=sctpmap:5000 webrtc-datachannel 1024\r\n"),
            &[true],
            |_, d| d.media[0].format == "5000" && d.media[0].sctp_map == Some(5000) && d.media[0].sctp_port.is_none(),
        ),
        ("RFC 8842, 5.3: the client is active", session(&format!("a=setup:active\r\n{AUDIO}")), &[true], |_, d| {
            d.media[0].transport.setup == Some(Setup::Passive)
        }),
        ("RFC 8842, 5.3: the client is passive", session(&format!("a=setup:passive\r\n{AUDIO}")), &[true], |_, d| {
            d.media[0].transport.setup == Some(Setup::Active)
        }),
        ("RFC 8122, 5: several functions", format!("{HEAD}{ICE}{SHA_1}{SHA_256}{AUDIO}"), &[true], |a, _| {
            a.remote.as_ref().is_some_and(|it| it.fingerprints == Fingerprint(std::array::from_fn(|n| n as u8)).into())
        }),
        (
            "RFC 8122, 5: the strongest function, and all certificates by it",
            format!("{HEAD}{ICE}{}{SHA_256}{}{AUDIO}", sha_512(1), sha_512(2)),
            &[true],
            |a, _| {
                let two = [1, 2].map(|byte| (CertificateHash::Sha512, vec![byte; 64]));
                a.remote.as_ref().is_some_and(|it| Some(&it.fingerprints) == PeerFingerprints::strongest(two).as_ref())
            },
        ),
        (
            "RFC 8866, 5.13: the session speaks for the tagged section",
            format!(
                "{HEAD}{ICE}{SHA_256}a=group:BUNDLE a v\r\n{AUDIO}a=mid:a\r\n{VIDEO}a=mid:v\r\na=ice-ufrag:other\r\na=ice-pwd:0123456789012345678901\r\n"
            ),
            &[true, true],
            |a, _| a.remote.as_ref().is_some_and(|it| it.ice.ufrag == "abcd"),
        ),
        ("RFC 8830: no stream", session(AUDIO), &[true], |a, _| a.waiting.len() == 1),
        ("RFC 3264, 6.1: inactive", session(&AUDIO.replace("sendonly", "inactive")), &[true], |a, d| {
            a.waiting.is_empty() && d.media[0].direction == tutti_sdp::Direction::Inactive
        }),
        (
            "RFC 8851, 10: letters of a restriction id",
            session(&format!("{VIDEO}a=rid:hi-res_1 send\r\na=simulcast:send ~hi-res_1,lo;missing\r\n")),
            &[true],
            |_, d| d.media[0].rids.len() == 1 && d.media[0].rids[0].id == "hi-res_1",
        ),
    ];
    for (clause, offer, lives, holds) in rows {
        let (answered, answer) = answer(&offer).unwrap_or_else(|error| panic!("{clause}: {error}\n{offer}"));
        let living: Vec<bool> = answer.media.iter().map(|section| !section.is_rejected()).collect();
        assert_eq!(living, lives, "{clause}: {}", answered.description.sdp);
        assert!(holds(&answered, &answer), "{clause}: {answered:?}");
    }
}

/// What ends a negotiation: both sides could not come to the same state, or not to a safe one.
#[test]
fn offers_that_cannot_be_answered() {
    let two = format!("{AUDIO}a=mid:a\r\n{VIDEO}a=mid:a\r\n");
    let rows = [
        ("RFC 5888, 4: one name for two", session(&two), NegotiationError::DuplicateMid("a".to_owned())),
        ("RFC 8829, 5.8.3: no credentials", format!("{HEAD}{SHA_256}{AUDIO}"), NegotiationError::NoIceCredentials),
        ("RFC 8829, 5.8.3: no certificate", format!("{HEAD}{ICE}{AUDIO}"), NegotiationError::NoFingerprint),
        (
            "RFC 8122, 5.1: a function too weak",
            format!("{HEAD}{ICE}{SHA_1}{AUDIO}"),
            NegotiationError::UnsupportedFingerprint("sha-1".to_owned()),
        ),
    ];
    for (clause, offer, error) in rows {
        assert_eq!(answer(&offer).map(|(answered, _)| answered), Err(error), "{clause}");
    }
}

/// All sections may be stopped and others made later; the transport is what it was.
#[test]
fn a_connection_that_rests_goes_on() {
    let mut connection = connection(Role::Publisher, &plain());
    let mut exchange = |offer: &str| {
        connection.read_offer(&description("offer", offer, 1)).unwrap();
        connection.answer(&BTreeMap::new()).unwrap()
    };
    let living = session(&format!("a=group:BUNDLE a\r\na=setup:passive\r\n{AUDIO}a=mid:a\r\n"));
    let first = exchange(&living).remote;
    assert!(exchange(&format!("{HEAD}m=audio 0 UDP/TLS/RTP/SAVPF 111\r\n")).remote.is_none());
    let again = exchange(&living);
    assert_eq!((again.remote, again.restart), (first, false));
}

#[test]
fn answers() {
    let offer = |connection: &mut Connection| {
        connection.add_send(outgoing(1, &[Codec::Vp8]));
        connection.add_send(outgoing(2, &[Codec::Opus]));
        connection.offer(None).unwrap().id
    };
    let answer = |video: &str, audio: &str, group: &str| {
        format!(
            "{}a=group:BUNDLE {group}\r\na=setup:active\r\n{DATA}a=mid:0\r\n{video}a=mid:1\r\n{audio}a=mid:2\r\n",
            format_args!("{HEAD}{ICE}{SHA_256}")
        )
    };
    let [video, audio] = [VIDEO, AUDIO].map(|section| section.replace("sendonly", "recvonly"));
    // RFC 3264, section 6.1: payload types of the answer are what is sent.
    let mut connection = connection(Role::Subscriber, &plain());
    let id = offer(&mut connection);
    let moved = video.replace("SAVPF 96", "SAVPF 118").replace("rtpmap:96", "rtpmap:118");
    let answered =
        connection.read_answer(&description("answer", &answer(&moved, &audio, "0 1 2"), id)).unwrap().unwrap();
    assert_eq!(answered.sends.subscribed[0].formats[0].payload_type, 118);
    // RFC 9143, section 7.3.3: what the client takes out of the bundle would want a transport of its own.
    let mut connection = super::connection(Role::Subscriber, &plain());
    let id = offer(&mut connection);
    let answered = connection.read_answer(&description("answer", &answer(&video, &audio, "0 1"), id)).unwrap().unwrap();
    assert_eq!(answered.sends.unsupported, [subscription(2)]);
    // RFC 3264, section 6: the client may refuse everything.
    let mut connection = super::connection(Role::Subscriber, &plain());
    let id = offer(&mut connection);
    let nothing = [DATA, &video, &audio].map(|section| section.replacen(" 9 ", " 0 ", 1)).concat();
    let answered = connection.read_answer(&description("answer", &format!("{HEAD}{nothing}"), id)).unwrap().unwrap();
    assert!(answered.remote.is_none() && answered.sends.unsupported.len() == 2);
}

/// A subscriber that takes a high profile besides is sent it where the publisher has nothing else.
#[test]
fn high_profiles_are_taken_by_those_who_say_so() {
    let mut connection = connection(Role::Subscriber, &plain());
    connection.add_send(outgoing(1, &[Codec::H264]));
    let mut peer = super::model::Answerer::new();
    let offer = connection.offer(None).unwrap();
    let sends = connection.read_answer(&peer.answer(&offer)).unwrap().unwrap().sends;
    let profiles: Vec<u32> = sends.subscribed[0].formats.iter().map(|format| format.profile >> 8).collect();
    assert_eq!(profiles, [0x42e0, 0x42e0, 0x6400]);
}
