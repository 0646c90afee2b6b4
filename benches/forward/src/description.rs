//! How long a session description of a hundred media sections takes to read and to write.

use std::fmt::Write;

use tutti_sdp::SessionDescription;

use crate::meter::Meter;

/// Media sections of the description.
const SECTIONS: usize = 100;
const ROUNDS: usize = 21;

/// CPU time to parse a description and to write it again, us; the median.
pub(crate) fn hundred_sections_us() -> f64 {
    let text = description();
    let mut meter = Meter::new();
    let mut spent: Vec<f64> = (0..ROUNDS)
        .map(|_| {
            let written = meter.around(|| {
                let parsed: SessionDescription = SessionDescription::parse(&text).expect("readable");
                parsed.to_string()
            });
            assert!(written.matches("\r\nm=").count() == SECTIONS, "{}", written.len());
            meter.take().as_nanos() as f64 / 1000.0
        })
        .collect();
    spent.sort_by(f64::total_cmp);
    spent[ROUNDS / 2]
}

/// A subscriber's offer: cameras and microphones in turn, in the form that browsers are sent.
fn description() -> String {
    let mut text = String::from(
        "v=0\r\no=- 4611731400430051336 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=extmap-allow-mixed\r\n\
         a=msid-semantic: WMS *\r\n",
    );
    text.push_str("a=group:BUNDLE");
    for mid in 0..SECTIONS {
        let _ = write!(text, " {mid}");
    }
    text.push_str("\r\n");
    for mid in 0..SECTIONS {
        let (kind, formats, ssrc) = if mid % 2 == 0 { ("video", "96 97", 1000 + mid) } else { ("audio", "111", mid) };
        let _ = write!(
            text,
            "m={kind} 9 UDP/TLS/RTP/SAVPF {formats}\r\nc=IN IP4 0.0.0.0\r\na=rtcp:9 IN IP4 0.0.0.0\r\n\
             a=ice-ufrag:0000abcdefgh\r\na=ice-pwd:abcdefghijklmnopqrstuvwx\r\n\
             a=fingerprint:sha-256 00:11:22:33:44:55:66:77:88:99:AA:BB:CC:DD:EE:FF:00:11:22:33:44:55:66:77:88:99:AA:BB:CC:DD:EE:FF\r\n\
             a=setup:actpass\r\na=mid:{mid}\r\n\
             a=extmap:2 http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time\r\n\
             a=extmap:3 http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01\r\n\
             a=extmap:4 urn:ietf:params:rtp-hdrext:sdes:mid\r\n\
             a=sendonly\r\na=msid:PA_abcdefghijkl|TR_abcdefghijkl TR_abcdefg{mid}\r\na=rtcp-mux\r\na=rtcp-rsize\r\n",
        );
        if kind == "video" {
            text.push_str(
                "a=rtpmap:96 VP8/90000\r\na=rtcp-fb:96 transport-cc\r\na=rtcp-fb:96 ccm fir\r\na=rtcp-fb:96 nack\r\n\
                 a=rtcp-fb:96 nack pli\r\na=rtpmap:97 rtx/90000\r\na=fmtp:97 apt=96\r\n",
            );
            let rtx = ssrc + 5000;
            let _ = write!(text, "a=ssrc-group:FID {ssrc} {rtx}\r\na=ssrc:{rtx} cname:PA_abcdefghijkl\r\n");
        } else {
            text.push_str(
                "a=rtpmap:111 opus/48000/2\r\na=fmtp:111 minptime=10;useinbandfec=1\r\na=rtcp-fb:111 nack\r\n\
                 a=rtcp-fb:111 transport-cc\r\n",
            );
        }
        let _ = write!(text, "a=ssrc:{ssrc} cname:PA_abcdefghijkl\r\n");
    }
    text
}
