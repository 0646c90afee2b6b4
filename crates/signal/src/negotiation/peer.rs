//! What a client is, and the treatment that it needs for it (docs/protocol.md#client-quirks).

use livekit_protocol as proto;
use proto::client_info::Sdk;
use tutti_rtp::Codec;

/// A client as it described itself. Every quirk is a method, so that the reasons stand in one place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Peer {
    sdk: Sdk,
    version: [u32; 3],
    protocol: i32,
    firefox: bool,
    safari: bool,
    safari_version: [u32; 3],
    linux: bool,
    android: bool,
    device_model: String,
}

impl Peer {
    /// Reads what the client said of itself. Unknown words mean no quirk.
    pub fn from_client(client: &proto::ClientInfo) -> Self {
        let is = |text: &str, name: &str| text.trim().eq_ignore_ascii_case(name);
        Self {
            sdk: client.sdk(),
            version: version(&client.version),
            protocol: client.protocol,
            firefox: is(&client.browser, "firefox") || is(&client.browser, "firefox mobile"),
            safari: is(&client.browser, "safari") || is(&client.browser, "mobile safari"),
            safari_version: version(&client.browser_version),
            linux: is(&client.os, "linux"),
            android: is(&client.os, "android"),
            device_model: client.device_model.trim().to_ascii_lowercase(),
        }
    }

    /// RED may be sent to it.
    pub fn receives_red(&self) -> bool {
        !self.firefox && !self.safari
    }

    /// It works against an ICE-lite server.
    pub fn takes_ice_lite(&self) -> bool {
        !self.firefox && self.protocol >= 6
    }

    /// A media section may be given to another track. Safari plays nothing on a section used again.
    pub fn reuses_sections(&self) -> bool {
        !self.safari && self.protocol >= 4
    }

    /// A section of ours must be rejected and come back under another name before its next track. Where we offer, SDKs
    /// on the Rust core announce no track twice under one name, however often it went and came.
    pub fn recycles_sections(&self) -> bool {
        matches!(self.sdk, Sdk::Rust | Sdk::Python | Sdk::Node | Sdk::Cpp | Sdk::Unity)
    }

    /// Its tracks of one stream may share a stream id for lip sync (`PA_…|camera`).
    pub fn takes_sync_streams(&self) -> bool {
        !self.firefox && self.protocol >= 10
    }

    /// It may be asked for a playout delay.
    pub fn takes_playout_delay(&self) -> bool {
        !self.firefox
    }

    /// It sends with a codec of its own choice, whatever stands first: name only the preferred one to it.
    pub fn needs_only_preferred_codec(&self) -> bool {
        self.firefox && (self.linux || self.android)
    }

    /// It reports a track when RTP arrives, not when the description does (pion).
    pub fn needs_padding(&self) -> bool {
        self.sdk == Sdk::Go
    }

    /// It reads the answer to the offer inside its join request before it has applied that offer itself, and then
    /// drops the answer. Its first candidate shows that it has.
    pub fn applies_embedded_offer_late(&self) -> bool {
        self.sdk == Sdk::Go
    }

    /// It dials ICE-TCP candidates.
    pub fn takes_ice_tcp(&self) -> bool {
        match self.sdk {
            Sdk::Go => false,
            Sdk::Swift => self.version >= [1, 0, 5],
            _ => true,
        }
    }

    /// It knows `ReconnectResponse`.
    pub fn takes_reconnect_response(&self) -> bool {
        self.sdk != Sdk::Js || self.version >= [1, 6, 3]
    }

    /// It knows `TrackSubscribed` and `RequestResponse`, and decodes messages that it does not know.
    pub fn takes_unknown_messages(&self) -> bool {
        self.sdk != Sdk::Rust || self.protocol >= 10
    }

    /// Codecs it must neither send nor get (`client_configuration.disabled_codecs.codecs`).
    pub fn disabled_codecs(&self) -> &'static [Codec] {
        if self.safari { &[Codec::Av1] } else { &[] }
    }

    /// Codecs it must not send (`client_configuration.disabled_codecs.publish`).
    pub fn disabled_publish_codecs(&self) -> &'static [Codec] {
        let no_h264 = self.needs_only_preferred_codec() || (self.android && self.device_model == "xiaomi 2201117ti");
        if no_h264 {
            &[Codec::H264]
        } else if self.safari && self.safari_version > [18, 3, 0] {
            &[Codec::Vp9]
        } else {
            &[]
        }
    }

    /// It may send `codec`.
    pub fn may_publish(&self, codec: Codec) -> bool {
        !self.disabled_codecs().contains(&codec) && !self.disabled_publish_codecs().contains(&codec)
    }

    /// It may be sent `codec`.
    pub fn may_receive(&self, codec: Codec) -> bool {
        !self.disabled_codecs().contains(&codec) && (codec != Codec::Red || self.receives_red())
    }
}

/// The first three numbers of a version; what is missing or no number is 0.
fn version(text: &str) -> [u32; 3] {
    let mut numbers = [0; 3];
    for (number, part) in numbers.iter_mut().zip(text.trim().split('.')) {
        let digits = part.len() - part.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        *number = part.get(..digits).and_then(|digits| digits.parse().ok()).unwrap_or(0);
    }
    numbers
}
