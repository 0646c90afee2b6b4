//! What the strictest published client cannot bear. The Rust SDK panics on most of it, and takes the Python, Node or
//! Unity process that loaded it along; the browser SDK refuses the rest. A headless client holds every message of the
//! server to these rules and ends its call at the first breach.

use std::collections::HashMap;

use livekit_protocol as proto;
use proto::signal_response::Message as Response;
use tutti_sdp::{MediaKind, SessionDescription};

use crate::error::ClientError;

/// Servers before this version are refused calls between participants.
const VERSION_MIN: [u64; 3] = [1, 8, 0];

/// Holds the messages of one server to the rules, in the order in which they come.
#[derive(Debug, Default)]
pub(crate) struct Strict {
    /// Type of every track described so far, by sid.
    types: HashMap<String, proto::TrackType>,
}

impl Strict {
    /// Checks the next message.
    pub(crate) fn check(&mut self, message: &Response) -> Result<(), ClientError> {
        self.breach(message).map_or(Ok(()), |rule| Err(ClientError::Protocol(rule)))
    }

    /// The rule that a message breaks.
    fn breach(&mut self, message: &Response) -> Option<&'static str> {
        match message {
            Response::Join(join) => self.join(join),
            Response::Reconnect(reconnect) => server(reconnect.server_info.as_ref()),
            Response::Update(update) => update.participants.iter().find_map(|info| self.participant(info)),
            Response::RoomUpdate(update) => update.room.is_none().then_some("room update without its room"),
            Response::RoomMoved(moved) => {
                let described = moved.room.is_some() && moved.participant.is_some();
                let others = moved.participant.iter().chain(&moved.other_participants);
                if described { self.participants(others) } else { Some("move without room or participant") }
            }
            Response::TrackPublished(published) => match &published.track {
                Some(track) => self.track(track),
                None => Some("publication without its track"),
            },
            Response::TrackSubscribed(subscribed) => track_sid(&subscribed.track_sid),
            Response::SpeakersChanged(changed) => changed.speakers.iter().find_map(|speaker| {
                let finite = (!speaker.level.is_finite()).then_some("speaker level that is no number");
                participant_sid(&speaker.sid).or(finite)
            }),
            Response::ConnectionQuality(quality) => {
                quality.updates.iter().find_map(|update| participant_sid(&update.participant_sid))
            }
            Response::Offer(offer) => self.description("offer", offer),
            Response::Answer(answer) => self.description("answer", answer),
            Response::Trickle(trickle) => candidate(&trickle.candidate_init),
            _ => None,
        }
    }

    fn join(&mut self, join: &proto::JoinResponse) -> Option<&'static str> {
        if join.room.is_none() || join.participant.is_none() {
            return Some("join without room or participant");
        }
        if join.ping_interval <= 0 {
            return Some("ping interval of zero");
        }
        server(join.server_info.as_ref()).or_else(|| {
            let everyone = join.participant.iter().chain(&join.other_participants);
            self.participants(everyone)
        })
    }

    fn participants<'a>(
        &mut self,
        mut infos: impl Iterator<Item = &'a proto::ParticipantInfo>,
    ) -> Option<&'static str> {
        infos.find_map(|info| self.participant(info))
    }

    fn participant(&mut self, info: &proto::ParticipantInfo) -> Option<&'static str> {
        participant_sid(&info.sid).or_else(|| info.tracks.iter().find_map(|track| self.track(track)))
    }

    fn track(&mut self, track: &proto::TrackInfo) -> Option<&'static str> {
        if track.r#type() == proto::TrackType::Data {
            return Some("media track of type DATA");
        }
        self.types.insert(track.sid.clone(), track.r#type());
        track_sid(&track.sid)
    }

    fn description(&self, kind: &str, description: &proto::SessionDescription) -> Option<&'static str> {
        if description.r#type != kind {
            return Some("description of another type");
        }
        let Ok(parsed) = SessionDescription::parse(&description.sdp) else {
            return Some("description that cannot be read");
        };
        for section in &parsed.media {
            let named = section.mid.as_ref().and_then(|mid| description.mid_to_track_id.get(mid));
            if named.is_some() == section.msids.is_empty() {
                return Some("section that sends without its track id, or the other way round");
            }
            for msid in &section.msids {
                let Some((publisher, track)) = msid.stream.split_once('|').filter(|(_, track)| !track.contains('|'))
                else {
                    return Some("stream id that is not of two parts");
                };
                let unnamed = (named != Some(&msid.track) || (track.starts_with("TR") && track != msid.track))
                    .then_some("section with two track ids");
                let fault = participant_sid(publisher).or_else(|| track_sid(&msid.track)).or(unnamed);
                if fault.is_some() {
                    return fault;
                }
                let fits = match self.types.get(&msid.track) {
                    Some(proto::TrackType::Audio) => section.kind == MediaKind::Audio,
                    Some(proto::TrackType::Video) => section.kind == MediaKind::Video,
                    Some(proto::TrackType::Data) => false,
                    None => return Some("media before its track"),
                };
                if !fits {
                    return Some("section of another kind than its track");
                }
            }
        }
        None
    }
}

fn participant_sid(sid: &str) -> Option<&'static str> {
    (!sid.starts_with("PA_")).then_some("participant sid without PA_")
}

fn track_sid(sid: &str) -> Option<&'static str> {
    (!sid.starts_with("TR_")).then_some("track sid without TR_")
}

/// The version is a strict semver, because clients compare it.
fn server(info: Option<&proto::ServerInfo>) -> Option<&'static str> {
    let Some(info) = info else { return Some("server without version") };
    let number = |text: &str| {
        let plain = text.bytes().all(|byte| byte.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
        if plain { text.parse::<u64>().ok() } else { None }
    };
    let numbers: Option<Vec<u64>> = info.version.split('.').map(number).collect();
    match numbers.as_deref() {
        Some(version @ [_, _, _]) if *version >= VERSION_MIN[..] => None,
        Some([_, _, _]) => Some("server version before 1.8.0"),
        _ => Some("server version that is no semver"),
    }
}

/// What clients read of a candidate. All three must be there.
#[derive(serde::Deserialize)]
#[serde(rename_all = "camelCase")]
struct Candidate {
    candidate: String,
    sdp_mid: String,
    #[serde(rename = "sdpMLineIndex")]
    line: i32,
}

fn candidate(init: &str) -> Option<&'static str> {
    let Ok(init) = serde_json::from_str::<Candidate>(init) else { return Some("candidate that cannot be read") };
    let complete = init.candidate.starts_with("candidate:") && !init.sdp_mid.is_empty() && init.line >= 0;
    (!complete).then_some("candidate that cannot be read")
}

#[cfg(test)]
mod tests;
