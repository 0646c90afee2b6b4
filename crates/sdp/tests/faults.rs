//! What is refused, with line, name and fault; and what is merely left out.

use tutti_sdp::{Direction, Error, Fault, Feedback, SessionDescription, Setup, limits};

const HEAD: &str = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n";
const AUDIO: &str = "m=audio 9 UDP/TLS/RTP/SAVPF 111 0\r\n";

fn with(lines: &str) -> Result<SessionDescription, Error> {
    SessionDescription::parse(&format!("{HEAD}{AUDIO}{lines}"))
}

#[test]
fn faults_name_their_line() {
    let cases: &[(&str, &'static str, Fault)] = &[
        ("nonsense", "line", Fault::NotALine),
        ("a=mid:0\rx", "line", Fault::NotALine),
        ("A=mid:0", "line", Fault::NotALine),
        ("a=mid:", "a=mid", Fault::Invalid("mid")),
        ("a=mid:two words", "a=mid", Fault::Invalid("mid")),
        ("a=rtpmap:111", "a=rtpmap", Fault::Missing("value after the payload type")),
        ("a=rtpmap:128 opus/48000", "a=rtpmap", Fault::Invalid("payload type")),
        ("a=rtpmap:111 opus", "a=rtpmap", Fault::Missing("clock rate")),
        ("a=rtpmap:111 opus/fast", "a=rtpmap", Fault::Invalid("clock rate")),
        ("a=fmtp:x y=1", "a=fmtp", Fault::Invalid("payload type")),
        ("a=rtcp-fb:x nack", "a=rtcp-fb", Fault::Invalid("payload type")),
        ("a=extmap:0 urn:x", "a=extmap", Fault::Invalid("id")),
        ("a=extmap:5000 urn:x", "a=extmap", Fault::Invalid("id")),
        ("a=extmap:1/up urn:x", "a=extmap", Fault::Invalid("direction")),
        ("a=extmap:1", "a=extmap", Fault::Missing("uri")),
        ("a=ssrc:x cname:y", "a=ssrc", Fault::Invalid("ssrc")),
        ("a=ssrc:4294967296 cname:y", "a=ssrc", Fault::Invalid("ssrc")),
        ("a=ssrc-group:FID 1 b", "a=ssrc-group", Fault::Invalid("ssrc")),
        ("a=msid:", "a=msid", Fault::Missing("stream id")),
        ("a=rid:q", "a=rid", Fault::Missing("direction")),
        ("a=rid:q up", "a=rid", Fault::Invalid("direction")),
        ("a=simulcast:", "a=simulcast", Fault::Missing("direction")),
        ("a=simulcast:send", "a=simulcast", Fault::Missing("streams")),
        ("a=simulcast:send q;;f", "a=simulcast", Fault::Invalid("stream")),
        ("a=simulcast:up q", "a=simulcast", Fault::Invalid("direction")),
        ("a=fingerprint:sha-256 AA:BB", "a=fingerprint", Fault::Invalid("digest")),
        ("a=fingerprint:sha-256", "a=fingerprint", Fault::Missing("digest")),
        ("a=fingerprint:sha-1 +A:BB", "a=fingerprint", Fault::Invalid("digest")),
        ("a=fingerprint:md5 A:BB", "a=fingerprint", Fault::Invalid("digest")),
        ("a=sctpmap:", "a=sctpmap", Fault::Missing("port")),
        ("a=sctpmap:5000", "a=sctpmap", Fault::Missing("application")),
        ("a=setup:maybe", "a=setup", Fault::Invalid("role")),
        ("a=ice-ufrag:", "a=ice-ufrag", Fault::Invalid("user name fragment")),
        ("a=ice-pwd:a b", "a=ice-pwd", Fault::Invalid("password")),
        ("a=sctp-port:70000", "a=sctp-port", Fault::Invalid("port")),
        ("a=max-message-size:-1", "a=max-message-size", Fault::Invalid("size")),
        ("m=video", "m", Fault::Missing("port")),
        ("m=video 9", "m", Fault::Missing("protocol")),
        ("m=video 9 UDP/TLS/RTP/SAVPF", "m", Fault::Missing("format")),
        ("m=video 70000 UDP/TLS/RTP/SAVPF 96", "m", Fault::Invalid("port")),
        ("m=video 9 UDP/TLS/RTP/SAVPF 96 200", "m", Fault::Invalid("payload type")),
        ("m=video 9 UDP/TLS/RTP/SAVPF vp8", "m", Fault::Invalid("payload type")),
    ];
    for (line, name, fault) in cases {
        let error = with(&format!("a=rtcp-mux\r\n{line}\r\n")).expect_err(line);
        assert_eq!(error, Error { line: 7, name, fault: *fault }, "{line}");
    }
    assert_eq!(with("a=mid:\r\n").unwrap_err().to_string(), "line 6, a=mid: bad mid");
}

#[test]
fn other_texts_are_no_descriptions() {
    for text in ["", "\r\n", "hello", "v=1\r\n", "o=- 1 1 IN IP4 0.0.0.0\r\nv=0\r\n"] {
        assert_eq!(SessionDescription::parse(text).unwrap_err().fault, Fault::NotADescription, "{text:?}");
    }
}

#[test]
fn bounds_hold() {
    let long = format!("a=mid:{}\r\n", "x".repeat(limits::LINE_BYTES_MAX));
    assert_eq!(with(&long).unwrap_err().fault, Fault::TooLong { limit: limits::LINE_BYTES_MAX });
    let huge = format!("{HEAD}{}", "a=x\r\n".repeat(limits::DESCRIPTION_BYTES_MAX / 5));
    let fault = SessionDescription::parse(&huge).unwrap_err().fault;
    assert_eq!(fault, Fault::TooLong { limit: limits::DESCRIPTION_BYTES_MAX });
    let sections = AUDIO.repeat(limits::SECTIONS_MAX);
    assert_eq!(SessionDescription::parse(&format!("{HEAD}{sections}")).unwrap().media.len(), limits::SECTIONS_MAX);
    let fault = with(&sections).unwrap_err().fault;
    assert_eq!(fault, Fault::TooMany { limit: limits::SECTIONS_MAX });
    for line in
        ["a=extmap:1 urn:x\r\n", "a=msid:a b\r\n", "a=rid:q send\r\n", "a=candidate:1\r\n", "a=ssrc-group:FID 1\r\n"]
    {
        let fault = with(&line.repeat(limits::ATTRIBUTES_MAX + 1)).unwrap_err().fault;
        assert_eq!(fault, Fault::TooMany { limit: limits::ATTRIBUTES_MAX }, "{line}");
    }
    let sources: String = (0..=limits::ATTRIBUTES_MAX).map(|ssrc| format!("a=ssrc:{ssrc} cname:x\r\n")).collect();
    assert_eq!(with(&sources).unwrap_err().fault, Fault::TooMany { limit: limits::ATTRIBUTES_MAX });
    let parameters = format!("a=fmtp:111 {}\r\n", "x=1;".repeat(800));
    assert!(with(&parameters).is_ok());
    let fault = with(&parameters.repeat(2)).unwrap_err().fault;
    assert_eq!(fault, Fault::TooLong { limit: limits::PARAMETERS_BYTES_MAX });
}

#[test]
fn unknown_lines_are_left_out() {
    let unknown = "b=AS:100\r\ni=info\r\nk=clear:x\r\na=ptime:20\r\na=future\r\na=rtcp-fb:111 ack rpsi\r\n\
        a=rtpmap:99 opus/48000\r\na=fmtp:99 a=1\r\na=rtcp:9 IN IP4 0.0.0.0\r\n\r\n";
    assert_eq!(with(unknown).unwrap(), with("").unwrap());
}

#[test]
fn the_last_of_two_counts() {
    let description =
        with("a=mid:0\r\na=mid:1\r\na=sendonly\r\na=recvonly\r\na=fmtp:111 a=1\r\na=fmtp:111 a=2\r\n").unwrap();
    let audio = &description.media[0];
    assert_eq!(audio.mid.as_deref(), Some("1"));
    assert_eq!(audio.direction, Direction::RecvOnly);
    let opus = audio.payload(111).unwrap();
    assert_eq!(opus.parameters, "a=1;a=2");
    assert_eq!(opus.parameter("a"), Some("2"));
}

#[test]
fn a_session_speaks_for_its_sections() {
    let text = format!("{HEAD}a=recvonly\r\na=setup:passive\r\n{AUDIO}{AUDIO}a=sendonly\r\n");
    let description = SessionDescription::parse(&text).unwrap();
    assert_eq!(description.transport.setup, Some(Setup::Passive));
    assert_eq!(description.media[0].direction, Direction::RecvOnly);
    assert_eq!(description.media[1].direction, Direction::SendOnly);
    assert_eq!(with("").unwrap().media[0].direction, Direction::SendRecv);
}

#[test]
fn feedback_for_all_reaches_every_payload() {
    let audio = &with("a=rtcp-fb:* nack\r\na=rtcp-fb:111 transport-cc\r\n").unwrap().media[0];
    for payload in &audio.payloads {
        assert!(payload.feedback.contains(Feedback::Nack), "{}", payload.number);
    }
    assert!(audio.payloads[0].feedback.contains(Feedback::TransportCc));
    assert!(!audio.payloads[1].feedback.contains(Feedback::TransportCc));
}

#[test]
fn rejected_sections_have_port_zero() {
    let text = format!("{HEAD}m=audio 0 UDP/TLS/RTP/SAVPF 0\r\nm=video 0 UDP/TLS/RTP/SAVPF 96\r\na=bundle-only\r\n");
    let description = SessionDescription::parse(&text).unwrap();
    assert!(description.media[0].is_rejected());
    assert!(!description.media[1].is_rejected());
}
