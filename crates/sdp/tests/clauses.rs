//! What the standards let a description say, clause by clause: what is legal is read with its meaning and written back
//! so, what is illegal is refused with the name of the line.

use tutti_sdp::{
    Direction, Error, Fault, Feedback, GroupSemantics, Hash, MediaKind, MediaSection, Protocol, RidDirection,
    SessionDescription, Setup,
};

const HEAD: &str = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n";
const VIDEO: &str = "m=video 9 UDP/TLS/RTP/SAVPF 96\r\n";
const DATA: &str = "m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\n";

/// Reads `text`, which is legal, and checks that it is written as it was read.
fn legal(clause: &str, text: &str) -> SessionDescription {
    let read = SessionDescription::parse(text).unwrap_or_else(|error| panic!("{clause}: {error} in\n{text}"));
    let written = read.to_string();
    assert_eq!(SessionDescription::parse(&written), Ok(read.clone()), "{clause}:\n{written}");
    read
}

/// One row: a clause, the text, and what must be true of it when it was read.
type Row<T> = (&'static str, &'static str, fn(&T) -> bool);

#[test]
fn whole_descriptions() {
    let rows: &[Row<SessionDescription>] = &[
        ("RFC 8866, 5: lines end in CRLF", "v=0\r\no=- 1 2 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\n", |d| d.media.is_empty()),
        ("RFC 8866, 5: or in LF alone", "v=0\no=- 1 2 IN IP4 0.0.0.0\ns=-\nt=0 0\n", |d| d.session_version == 2),
        (
            "RFC 8866, 5: the last line may lack its end",
            "v=0\r\no=- 1 2 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\na=ice-lite",
            |d| d.ice_lite,
        ),
        (
            "RFC 8829, 5.2.1: no section at all",
            "v=0\r\no=- 1 2 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\na=group:BUNDLE\r\n",
            |d| d.media.is_empty() && d.bundle.is_empty(),
        ),
        (
            "RFC 8866, 5.2: ids of 64 bits",
            "v=0\r\no=jd 18446744073709551615 9223372036854775807 IN IP6 ::1\r\ns=-\r\nt=0 0\r\n",
            |d| (d.session_id, d.session_version) == (u64::MAX, i64::MAX as u64),
        ),
        (
            "RFC 8866, 5.2: ids of any length",
            "v=0\r\no=- 99999999999999999999999999 1 IN IP4 x.example\r\ns=-\r\nt=0 0\r\n",
            |d| (d.session_id, d.session_version) == (0, 1),
        ),
        (
            "RFC 8866, 5.3 to 5.13: what is not for us",
            "v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=Ein T\u{f6}n \u{1}\r\ni=of it\r\nu=http://x.example/\r\ne=x@y.example\r\np=+1 1\r\nc=IN IP4 233.252.0.1/127\r\nb=CT:1000\r\nt=0 0\r\nr=7d 1h 0 25h\r\nz=1 -1h\r\nk=prompt\r\na=tool:x\r\n",
            |d| d.session_id == 1,
        ),
        ("RFC 3264, 5: without a name and a time", "v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\n", |d| d.session_id == 1),
        ("RFC 8866, 6: unknown attributes", "v=0\r\ns=-\r\na=identity:x\r\na=ice-pacing:50\r\na=x:\r\na=y\r\n", |d| {
            *d == SessionDescription::default()
        }),
        ("RFC 8285, 5: extensions of all sections", "v=0\r\ns=-\r\na=extmap:3/sendonly urn:x some more\r\n", |d| {
            d.extensions.len() == 1 && d.extensions[0].direction == Some(Direction::SendOnly)
        }),
        (
            "RFC 8842, 5: transport of all sections",
            "v=0\r\ns=-\r\na=setup:actpass\r\na=tls-id:abcdefabcdefabcdefab\r\na=ice-ufrag:abcd\r\na=ice-pwd:abcdefghijklmnopqrstuv\r\n",
            |d| {
                d.transport.setup == Some(Setup::ActPass)
                    && d.transport.ice_ufrag.is_some()
                    && d.transport.ice_pwd.is_some()
            },
        ),
        ("RFC 8839, 5.6: options in any order", "v=0\r\ns=-\r\na=ice-options:ice2 rtp+ecn trickle\r\n", |d| {
            d.transport.trickle
        }),
        (
            "RFC 9143, 7.1: other groups beside it",
            "v=0\r\ns=-\r\na=group:LS 0 1\r\na=group:BUNDLE a b\r\na=group:BUNDLE c\r\n",
            |d| d.bundle == ["a", "b"],
        ),
        ("RFC 8830, 2: semantics of stream ids", "v=0\r\ns=-\r\na=msid-semantic:WMS a b\r\n", |d| {
            d.msid_semantic.as_deref() == Some("WMS a b")
        }),
    ];
    for (clause, text, holds) in rows {
        let read = legal(clause, text);
        assert!(holds(&read), "{clause}: {read:?}");
    }
}

#[test]
fn media_lines() {
    let rows: &[Row<MediaSection>] = &[
        ("RFC 8866, 5.14: a count of ports", "m=audio 49170/2 RTP/AVP 0 8\r\n", |s| {
            s.port == 49_170 && s.payloads.len() == 2
        }),
        ("RFC 8866, 5.14: an unknown protocol", "m=application 9 UDP/BFCP *\r\n", |s| {
            s.format == "*" && s.protocol == Protocol::Other("UDP/BFCP".into())
        }),
        ("RFC 8866, 5.14: another kind over RTP", "m=text 11000 RTP/AVP 98\r\n", |s| {
            s.kind == MediaKind::Other("text".into()) && s.payloads[0].number == 98
        }),
        ("RFC 8866, 5.14: another kind", "m=image 5000 udptl t38\r\n", |s| s.format == "t38"),
        ("RFC 4975: messages", "m=message 7654 TCP/MSRP *\r\n", |s| {
            s.kind.text() == "message" && !s.is_data_channels()
        }),
        ("RFC 8829, 5.1.2: profiles", "m=video 9 RTP/AVP 96\r\n", |s| s.protocol.is_dtls_rtp()),
        ("RFC 8829, 5.1.2: profiles", "m=video 9 TCP/DTLS/RTP/SAVPF 96\r\n", |s| {
            s.protocol.is_dtls_rtp() && s.payloads.len() == 1
        }),
        ("RFC 8829, 5.1.2: profiles", "m=video 9 UDP/TLS/RTP/SAVP 96\r\n", |s| s.protocol.is_dtls_rtp()),
        ("RFC 8866, 5.14: a profile that is none of them", "m=video 9 RTP/QUIC 96\r\n", |s| !s.protocol.is_dtls_rtp()),
        ("RFC 3264, 6: rejected", "m=audio 0 RTP/AVP 0\r\n", MediaSection::is_rejected),
        ("RFC 9143, 6: for a bundle alone", "m=audio 0 RTP/AVP 0\r\na=bundle-only\r\n", |s| !s.is_rejected()),
        (
            "RFC 8841, 4: data channels",
            "m=application 9 TCP/DTLS/SCTP webrtc-datachannel\r\na=sctp-port:5000\r\n",
            |s| s.is_data_channels() && s.sctp_port == Some(5000),
        ),
        (
            "draft-ietf-mmusic-sctp-sdp-05: data channels",
            "m=application 9 DTLS/SCTP 5000\r\na=sctpmap:5000 webrtc-datachannel 1024\r\n",
            |s| s.is_data_channels() && s.sctp_map == Some(5000),
        ),
        (
            "draft-ietf-mmusic-sctp-sdp-05: something else",
            "m=application 9 DTLS/SCTP 5000\r\na=sctpmap:5000 other 1\r\n",
            |s| !s.is_data_channels(),
        ),
        (
            "RFC 8841, 6: messages of any size",
            "m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\na=max-message-size:0\r\n",
            |s| s.max_message_size == Some(0),
        ),
    ];
    for (clause, text, holds) in rows {
        let read = legal(clause, &format!("{HEAD}{text}"));
        assert!(holds(&read.media[0]), "{clause}: {read:?}");
    }
}

#[test]
fn attributes_of_sections() {
    let rows: &[Row<MediaSection>] = &[
        (
            "RFC 8866, 5.7 and 5.8: addresses and bandwidths",
            "c=IN IP4 0.0.0.0\r\nc=IN IP6 ::\r\nb=AS:100\r\nb=TIAS:99000\r\ni=x\r\nk=clear:y\r\n",
            |s| s.port == 9,
        ),
        ("RFC 8866, 6.7: no direction is both", "", |s| s.direction == Direction::SendRecv),
        ("RFC 8866, 6.7: inactive", "a=inactive\r\n", |s| s.direction == Direction::Inactive),
        ("white space at the end of a line", "a=recvonly \r\na=rtcp-mux\t\r\n", |s| {
            s.direction == Direction::RecvOnly && s.rtcp_mux
        }),
        (
            "RFC 8866, 6.6: names and parameters in any order",
            "a=fmtp:96 x=1\r\na=rtcp-fb:96 nack\r\na=rtpmap:96 VP8/90000\r\n",
            |s| s.payloads[0].is("vp8") && s.payloads[0].parameter("X") == Some("1"),
        ),
        ("RFC 8866, 6.6: encoding parameters", "a=rtpmap:96 x/8000/1/mode=1\r\n", |s| s.payloads[0].channels == 1),
        ("RFC 4566, 6: encoding parameters that are no channels", "a=rtpmap:96 x/8000/wide\r\n", |s| {
            s.payloads[0].clock_rate == 8000
        }),
        ("RFC 8866, 6.6: formats that the line lacks", "a=rtpmap:97 VP8/90000\r\na=fmtp:97 x=1\r\n", |s| {
            s.payloads.len() == 1
        }),
        (
            "more white space than asked for",
            "a=rtpmap:96\tVP8/90000\r\na=fmtp:96   x=1\r\na=rtcp-fb:96  ccm fir\r\n",
            |s| {
                s.payloads[0].is("VP8")
                    && s.payloads[0].parameters == "x=1"
                    && s.payloads[0].feedback.contains(Feedback::CcmFir)
            },
        ),
        (
            "RFC 4585, 4.2: feedback for all",
            "a=rtcp-fb:* NACK PLI\r\na=rtcp-fb:* ack rpsi\r\na=rtcp-fb:96 trr-int 100\r\n",
            |s| s.payloads[0].feedback.iter().eq([Feedback::NackPli]),
        ),
        (
            "RFC 5761, 5.1.1, and RFC 8858, 4: one port",
            "a=rtcp:9 IN IP4 0.0.0.0\r\na=rtcp-mux-only\r\na=rtcp-rsize\r\n",
            |s| s.rtcp_mux && s.rtcp_rsize,
        ),
        ("RFC 5761, 5.1.3: two ports", "a=rtcp:9\r\n", |s| !s.rtcp_mux),
        (
            "RFC 8285, 6: ids of both forms, and those to be chosen",
            "a=extmap:1 urn:a\r\na=extmap:15/recvonly urn:b x=y\r\na=extmap:255/inactive urn:c\r\na=extmap:4351 urn:d\r\na=extmap-allow-mixed\r\n",
            |s| s.extmap_allow_mixed && s.extensions.iter().map(|e| e.id).eq([1, 15, 255, 4351]),
        ),
        (
            "RFC 8851, 4: restrictions",
            "a=rid:hi-res_1 send pt=96,97;max-width=1280;depend=a\r\na=rid:2 RECV\r\n",
            |s| {
                s.rids[0].id == "hi-res_1"
                    && s.rids[0].restrictions.contains("depend")
                    && s.rids[1].direction == RidDirection::Recv
            },
        ),
        ("RFC 8853, 5.1: both ways, alternatives, paused ones", "a=simulcast:recv 7 send 1,~2;~3,4;5\r\n", |s| {
            s.simulcast.as_ref().is_some_and(|it| it.send == ["1", "3", "5"] && it.recv == ["7"])
        }),
        ("draft-ietf-mmusic-sdp-simulcast-03: the older spelling", "a=simulcast: send rid=1;2 recv rid=3\r\n", |s| {
            s.simulcast.as_ref().is_some_and(|it| it.send == ["1", "2"])
        }),
        (
            "RFC 5576, 4 and 6: sources",
            "a=ssrc:1 cname:x y\r\na=ssrc:1 previous-ssrc:2\r\na=ssrc:4294967295 cname:z\r\na=ssrc-group:fid 1 4294967295\r\na=ssrc-group:FEC 1 2\r\n",
            |s| {
                s.sources.len() == 2
                    && s.sources[0].cname.as_deref() == Some("x y")
                    && s.source_groups[0].semantics == GroupSemantics::Fid
            },
        ),
        ("RFC 8830, 2: a stream and a track", "a=msid:- t\r\na=msid:s t\r\n", |s| {
            s.msids.len() == 2 && s.msids[0].stream == "-" && s.msids[0].track == "t"
        }),
        ("RFC 8830, 2: a stream alone", "a=msid:s\r\n", |s| s.msid().is_some_and(|msid| msid.track.is_empty())),
        ("RFC 8830: none", "", |s| s.msid().is_none()),
        ("RFC 5888, 9.1: any token names a section", "a=mid:a-rather-long.name+with!signs\r\n", |s| {
            s.mid.as_deref() == Some("a-rather-long.name+with!signs")
        }),
        ("RFC 5888: none has to", "", |s| s.mid.is_none()),
        ("RFC 4145, 4: roles in any case", "a=setup:HoldConn\r\na=connection:new\r\n", |s| {
            s.transport.setup == Some(Setup::HoldConn)
        }),
        (
            "RFC 8122, 5: several certificates and functions",
            "a=fingerprint:sha-1 00:01:02:03:04:05:06:07:08:09:0A:0B:0C:0D:0E:0F:10:11:12:13\r\na=fingerprint:SHA-256 00:01:02:03:04:05:06:07:08:09:0a:0b:0c:0d:0e:0f:10:11:12:13:14:15:16:17:18:19:1a:1b:1c:1d:1e:1f\r\na=fingerprint:md5 00:01:02:03:04:05:06:07:08:09:0A:0B:0C:0D:0E:0F\r\n",
            |s| {
                s.transport.fingerprints.iter().map(|f| f.hash.text()).eq(["sha-1", "sha-256", "md5"])
                    && s.transport.fingerprints[1].digest[31] == 31
            },
        ),
        (
            "RFC 8839, 5: ICE of one section",
            "a=ice-ufrag:a+/1\r\na=ice-pwd:abcdefghijklmnopqrstuv\r\na=candidate:1 1 UDP 1 x.example 9 typ host extra 1\r\na=remote-candidates:1 192.0.2.1 9\r\na=end-of-candidates\r\n",
            |s| s.candidates.len() == 1 && s.end_of_candidates && s.transport.ice_ufrag.as_deref() == Some("a+/1"),
        ),
    ];
    for (clause, lines, holds) in rows {
        let read = legal(clause, &format!("{HEAD}{VIDEO}{lines}"));
        assert!(holds(&read.media[0]), "{clause}: {read:?}");
    }
}

#[test]
fn long_digests() {
    for (hash, len) in [(Hash::Sha224, 28), (Hash::Sha384, 48), (Hash::Sha512, 64)] {
        let digest = vec!["AB"; len].join(":");
        let read = legal("RFC 8122, 5", &format!("{HEAD}a=fingerprint:{} {digest}\r\n", hash.text()));
        assert_eq!((&read.transport.fingerprints[0].hash, read.transport.fingerprints[0].digest.len()), (&hash, len));
    }
}

/// A line that is not well formed ends the reading (RFC 8829, section 5.8), even if nothing would come of it.
#[test]
fn illegal_lines_are_named() {
    let rows: &[(&str, String, &str, Fault)] = &[
        ("RFC 8866, 5.1: version", "v=1\r\n".into(), "v", Fault::NotADescription),
        ("RFC 8866, 5: no type", format!("{HEAD}=x\r\n"), "line", Fault::NotALine),
        ("RFC 8866, 5: space before the sign", format!("{HEAD}a =x\r\n"), "line", Fault::NotALine),
        ("RFC 8866, 9: a zero byte", format!("{HEAD}i=\0\r\n"), "line", Fault::NotALine),
        ("RFC 8866, 9: a port", format!("{HEAD}m=audio x RTP/AVP 0\r\n"), "m", Fault::Invalid("port")),
        ("RFC 3551, 3: payload types", format!("{HEAD}m=audio 9 RTP/AVP 128\r\n"), "m", Fault::Invalid("payload type")),
        ("RFC 8285, 8: ids", format!("{HEAD}a=extmap:0 urn:x\r\n"), "a=extmap", Fault::Invalid("id")),
        (
            "RFC 8122, 5: length",
            format!("{HEAD}a=fingerprint:sha-384 00:01\r\n"),
            "a=fingerprint",
            Fault::Invalid("digest"),
        ),
        ("RFC 8841, 5.2: ports", format!("{HEAD}{DATA}a=sctp-port:65536\r\n"), "a=sctp-port", Fault::Invalid("port")),
        (
            "RFC 8853, 5.1: a list",
            format!("{HEAD}{VIDEO}a=simulcast:send\r\n"),
            "a=simulcast",
            Fault::Missing("streams"),
        ),
    ];
    for (clause, text, name, fault) in rows {
        let Err(Error { name: found, fault: found_fault, .. }) = SessionDescription::parse(text) else {
            panic!("{clause}: was read")
        };
        assert_eq!((found, &found_fault), (*name, fault), "{clause}");
    }
}
