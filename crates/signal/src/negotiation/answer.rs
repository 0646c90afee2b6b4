//! One answer under construction: what each section for audio and video gets.

use tutti_forward::{Encoding, SendSection, SubscriptionKey};
use tutti_rtp::{Codec, Extension, MediaKind};
use tutti_sdp::{Direction, ExtensionMapping, Feedback, MediaSection, Payload, Rid, RidDirection, Simulcast};

use super::extension::{self, SectionExtensions};
use super::format::{self, Format};
use super::offered::{Fate, WantedMedia};
use super::received::{self, Received};
use super::section::{Incoming, Section};
use super::sending::SendingTrack;
use super::{Published, Refused, Role, SectionPolicy, Sends, Shared};

/// An answer under construction.
#[derive(Default)]
pub(super) struct Answer {
    pub(super) sections: Vec<MediaSection>,
    pub(super) published: Vec<Published>,
    pub(super) waiting: Vec<String>,
    pub(super) refused: Vec<Refused>,
    pub(super) sends: Sends,
}

impl Answer {
    /// Answers one section for audio or video. `extensions` are those that the offer states for all sections.
    pub(super) fn media(
        &mut self,
        shared: &mut Shared,
        section: &mut Section,
        offered: &MediaSection,
        media: &WantedMedia,
        extensions: &[ExtensionMapping],
        policy: Option<&SectionPolicy>,
    ) -> MediaSection {
        let policy = match (&section.incoming, media.fate) {
            (Incoming::Attached { policy, .. }, Fate::Attached) => Some(policy.clone()),
            (_, Fate::Unattached) => policy.cloned(),
            _ => None,
        };
        let takes = matches!(media.fate, Fate::Unattached | Fate::Attached);
        let sent = section.outgoing.and_then(|subscription| shared.sending.get(subscription));
        let formats = preferred(shared, media, takes, sent, policy.as_ref());
        let stereo = sent.is_some_and(|track| track.outgoing.stereo);
        let delay = sent.is_some_and(|track| track.outgoing.playout_delay) && shared.peer.takes_playout_delay();
        let offers = extension::offered(extensions, offered);
        let extensions = extension::choose(offers, media.kind, shared.role == Role::Single, delay);
        let opus = opus_parameters(takes.then_some(policy.as_ref()).flatten(), stereo);

        let mut answered = MediaSection::new(offered.kind.clone(), offered.protocol.clone());
        answered.mid = Some(section.mid.clone());
        answered.rtcp_mux = offered.rtcp_mux;
        answered.rtcp_rsize = offered.rtcp_rsize;
        answered.extensions.clone_from(&extensions.mappings);
        answered.payloads = payloads(offered, &formats, &opus);
        if takes {
            let encodings = received::encodings(offered);
            describe_encodings(offered, &encodings, &mut answered);
            let received = Received {
                cid: media.cid.clone(),
                formats: formats.iter().map(|format| format.agreed()).collect(),
                extensions: extensions.received,
                transport_cc: extensions.received.id(Extension::TransportCc).is_some()
                    && formats.iter().any(|format| format.feedback.contains(Feedback::TransportCc)),
                encodings,
            };
            self.receive(section, media.kind, received, policy);
        } else if media.fate == Fate::Silent {
            section.incoming = Incoming::Silent;
        }
        if let Some(subscription) = section.outgoing {
            self.send(shared, subscription, &mut answered, &formats, &extensions);
        }
        answered.direction = Direction::new(section.outgoing.is_some(), takes);
        answered
    }

    /// Settles the incoming half of a section.
    fn receive(&mut self, section: &mut Section, kind: MediaKind, received: Received, policy: Option<SectionPolicy>) {
        let Some(policy) = policy else {
            self.waiting.push(section.mid.clone());
            section.incoming = Incoming::Waiting(received);
            return;
        };
        let published = received.publish(&section.mid, kind, &policy);
        let told = match &section.incoming {
            Incoming::Attached { policy: before, received } => Some(received.publish(&section.mid, kind, before)),
            _ => None,
        };
        if told.as_ref() != Some(&published) {
            self.published.push(published);
        }
        section.incoming = Incoming::Attached { policy, received };
    }

    /// Settles the outgoing half of a section, and describes it.
    fn send(
        &mut self,
        shared: &mut Shared,
        subscription: SubscriptionKey,
        answered: &mut MediaSection,
        formats: &[Format],
        extensions: &SectionExtensions,
    ) {
        let Some(track) = shared.sending.get_mut(subscription) else { return };
        let usable = track.usable(formats, &shared.peer);
        let repairs = usable.iter().any(|format| format.rtx.is_some());
        let agreed = SendSection {
            subscription,
            mid: answered.mid.clone().unwrap_or_default(),
            ssrc: 0,
            rtx_ssrc: None,
            formats: usable.into_iter().map(Format::agreed).collect(),
            extensions: extensions.sent,
            cname: track.cname().to_owned(),
            needs_padding: shared.peer.needs_padding(),
        };
        let same = |told: &SendSection| {
            (&told.mid, &told.formats, told.extensions) == (&agreed.mid, &agreed.formats, agreed.extensions)
        };
        if track.changed || !track.told.as_ref().is_some_and(same) {
            // Another stream, another SSRC: forwarding starts it from its own numbers.
            let ssrcs = (shared.local.next_ssrc(), shared.local.next_ssrc());
            let told = SendSection { ssrc: ssrcs.0, rtx_ssrc: repairs.then_some(ssrcs.1), ..agreed };
            track.ssrcs = Some(ssrcs);
            track.changed = false;
            track.told = Some(told.clone());
            self.sends.subscribed.push(told);
        }
        track.describe(answered, repairs);
    }
}

/// The formats of our answer, preferred first: by what the client sends, else by what is sent to it.
fn preferred(
    shared: &Shared,
    media: &WantedMedia,
    takes: bool,
    sent: Option<&SendingTrack>,
    policy: Option<&SectionPolicy>,
) -> Vec<Format> {
    let Some(track) = sent.filter(|_| !takes) else {
        return by_preference(&media.formats, policy, takes && shared.peer.needs_only_preferred_codec());
    };
    let mut formats = track.usable(&media.formats, &shared.peer);
    let rest: Vec<Format> = media.formats.iter().copied().filter(|format| !formats.contains(format)).collect();
    formats.extend(rest);
    formats
}

/// Says which streams with restriction ids we take.
fn describe_encodings(offered: &MediaSection, encodings: &[Encoding], answered: &mut MediaSection) {
    answered.rids = encodings.iter().filter_map(|encoding| encoding.rid.as_deref()).map(recv).collect();
    if offered.simulcast.is_some() && !answered.rids.is_empty() {
        let recv = answered.rids.iter().map(|rid| rid.id.clone()).collect();
        answered.simulcast = Some(Simulcast { send: Vec::new(), recv });
    }
}

/// The formats of our answer for what the client sends, preferred first. Clients send with the first one.
fn by_preference(formats: &[Format], policy: Option<&SectionPolicy>, only_first: bool) -> Vec<Format> {
    let mut formats = formats.to_vec();
    if let Some(policy) = policy {
        if !policy.red && formats.iter().any(|format| format.codec != Codec::Red) {
            formats.retain(|format| format.codec != Codec::Red);
        }
        let rank = |format: &Format| match format.codec {
            Codec::Red => 0,
            codec if Some(codec) == policy.codec => 1,
            _ => 2,
        };
        // RED stands for the Opus in it; with another codec preferred it goes last.
        let red_first = policy.red && matches!(policy.codec, None | Some(Codec::Opus | Codec::Red));
        formats.sort_by_key(|format| if format.codec == Codec::Red && !red_first { 3 } else { rank(format) });
    }
    if only_first {
        let first = formats.first().map(|format| format.codec);
        formats.retain(|format| Some(format.codec) == first);
    }
    formats
}

/// The parameters of Opus in our answer: what we want to be sent, and what we send.
fn opus_parameters(policy: Option<&SectionPolicy>, sends_stereo: bool) -> String {
    let dtx = policy.is_some_and(|policy| policy.dtx);
    let stereo = policy.is_some_and(|policy| policy.stereo);
    format::opus_parameters(dtx, stereo, sends_stereo)
}

/// The payloads of our answer: the client's own, without what we do not share.
fn payloads(offered: &MediaSection, formats: &[Format], opus: &str) -> Vec<Payload> {
    let mut payloads = Vec::with_capacity(2 * formats.len());
    for format in formats {
        let Some(theirs) = offered.payload(format.payload_type) else { continue };
        let parameters = match format.codec {
            Codec::Opus => opus.to_owned(),
            // Limits of the client's decoder, which mean nothing for us.
            Codec::Vp8 => String::new(),
            Codec::Vp9 => format!("profile-id={}", format.profile),
            _ => theirs.parameters.clone(),
        };
        let payload = Payload { parameters, feedback: format.feedback, ..theirs.clone() };
        let repair = format.rtx.map(|number| format::retransmission(number, &payload));
        payloads.push(payload);
        payloads.extend(repair);
    }
    payloads
}

fn recv(rid: &str) -> Rid {
    Rid { id: rid.to_owned(), direction: RidDirection::Recv, restrictions: String::new() }
}
