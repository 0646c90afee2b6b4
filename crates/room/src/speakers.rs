//! Who speaks, told as changes to those who listen (docs/protocol.md#speakers). Measuring is not done here.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use livekit_protocol as proto;
use proto::signal_response::Message;

use crate::agenda::Duty;
use crate::member::Member;
use crate::room::Room;
use crate::track::Voice;
use crate::{MemberKey, TrackNumber};

/// Level of a pretended voice (docs/protocol.md#resume).
const SIMULATED_LEVEL: f32 = 0.9;

/// Longest pretended speech, seconds.
const SIMULATED_SECONDS_MAX: u32 = 60;

const SILENT: Voice = Voice { level: 0.0, active: false };

impl Member {
    fn speaker_info(&self, voice: Voice) -> proto::SpeakerInfo {
        proto::SpeakerInfo { sid: self.sid.clone(), level: voice.level, active: voice.active }
    }
}

impl Room {
    /// The level of one of the member's audio tracks changed.
    pub(crate) fn on_speaker(&mut self, key: MemberKey, number: TrackNumber, level: f32, active: bool) {
        let Some(track) = self.tracks.get_mut(&number).filter(|track| track.publisher == key) else { return };
        if !track.is_audio() || !track.visible || track.info.muted {
            return;
        }
        // A level that is no number ends Rust clients (row 34 of docs/compatibility.md#the-45-rows).
        let level = if level.is_finite() { level.clamp(0.0, 1.0) } else { 0.0 };
        track.voice = if active { Voice { level, active } } else { SILENT };
        self.reconcile_voice(key);
    }

    /// A track fell silent without its last word.
    pub(crate) fn silence(&mut self, number: TrackNumber) {
        if let Some(track) = self.tracks.get_mut(&number) {
            track.voice = SILENT;
            let publisher = track.publisher;
            self.reconcile_voice(publisher);
        }
    }

    /// Tells listeners of a member's voice if it changed. The loudest of its tracks counts.
    pub(crate) fn reconcile_voice(&mut self, key: MemberKey) {
        let Some(member) = self.members.get(&key) else { return };
        let tracks = member.tracks.iter().filter_map(|number| self.tracks.get(number));
        let mut voice = tracks.map(|track| track.voice).fold(SILENT, |loudest, voice| {
            let louder = voice.active && (!loudest.active || voice.level > loudest.level);
            if louder { voice } else { loudest }
        });
        if member.simulates_speech {
            voice = Voice { level: SIMULATED_LEVEL.max(voice.level), active: true };
        }
        if member.voice != voice {
            self.tell_voice(key, voice, self.listeners(member));
        }
    }

    fn tell_voice(&mut self, key: MemberKey, voice: Voice, to: Vec<MemberKey>) {
        let Some(member) = self.members.get_mut(&key) else { return };
        member.voice = voice;
        member.has_spoken |= voice.active;
        let speakers = vec![member.speaker_info(voice)];
        self.broadcast(to, Message::SpeakersChanged(proto::SpeakersChanged { speakers }));
    }

    /// Those who get any of a member's audio, and the member.
    fn listeners(&self, speaker: &Member) -> Vec<MemberKey> {
        let audio = speaker.tracks.iter().filter_map(|number| self.tracks.get(number)).filter(|track| track.is_audio());
        let mut listeners: BTreeSet<_> = audio.flat_map(|track| track.subscribers.keys().copied()).collect();
        listeners.insert(speaker.key);
        let attached = |key: &MemberKey| self.members.get(key).is_some_and(Member::is_attached);
        listeners.into_iter().filter(attached).collect()
    }

    /// Whether a member gets any audio of another.
    fn listens(&self, listener: MemberKey, speaker: &Member) -> bool {
        let audio = speaker.tracks.iter().filter_map(|number| self.tracks.get(number)).filter(|track| track.is_audio());
        audio.into_iter().any(|track| track.subscribers.contains_key(&listener))
    }

    /// A new subscriber learns that the publisher speaks.
    pub(crate) fn send_voice(&mut self, to: MemberKey, number: TrackNumber) {
        let Some(track) = self.tracks.get(&number).filter(|track| track.is_audio()) else { return };
        let Some(publisher) = self.members.get(&track.publisher).filter(|publisher| publisher.voice.active) else {
            return;
        };
        let speakers = vec![publisher.speaker_info(publisher.voice)];
        self.send(to, Message::SpeakersChanged(proto::SpeakersChanged { speakers }));
    }

    /// A former subscriber of a track learns that the publisher is silent to it.
    pub(crate) fn hush_for(&mut self, listener: MemberKey, number: TrackNumber) {
        let Some(track) = self.tracks.get(&number).filter(|track| track.is_audio()) else { return };
        let Some(publisher) = self.members.get(&track.publisher).filter(|publisher| publisher.voice.active) else {
            return;
        };
        let others =
            publisher.tracks.iter().filter(|other| **other != number).filter_map(|other| self.tracks.get(other));
        if others.into_iter().any(|other| other.is_audio() && other.subscribers.contains_key(&listener)) {
            return;
        }
        let speakers = vec![publisher.speaker_info(SILENT)];
        self.send(listener, Message::SpeakersChanged(proto::SpeakersChanged { speakers }));
    }

    /// A member that is no longer in the books is silent.
    pub(crate) fn hush_departed(&mut self, departed: &Member) {
        if departed.voice.active {
            let speakers = vec![departed.speaker_info(SILENT)];
            let to = if departed.simulates_speech { self.audience() } else { self.listeners(departed) };
            self.broadcast(to, Message::SpeakersChanged(proto::SpeakersChanged { speakers }));
        }
    }

    /// Tells a member with a new socket how things stand with everyone who ever spoke: it may have missed that somebody
    /// fell silent, or that it no longer gets somebody's voice.
    pub(crate) fn send_voices(&mut self, to: MemberKey) {
        let spoke = self.members.values().filter(|speaker| speaker.has_spoken);
        let seen = spoke.filter(|speaker| speaker.key == to || !speaker.is_hidden());
        let speakers: Vec<_> = seen
            .map(|speaker| {
                let hears = speaker.key == to || speaker.simulates_speech || self.listens(to, speaker);
                speaker.speaker_info(if hears { speaker.voice } else { SILENT })
            })
            .collect();
        if !speakers.is_empty() {
            self.send(to, Message::SpeakersChanged(proto::SpeakersChanged { speakers }));
        }
    }

    /// A client tests itself: it speaks for a while, to everyone.
    pub(crate) fn on_simulate_speaker(&mut self, now: Instant, key: MemberKey, seconds: u32) {
        if let Some(member) = self.members.get_mut(&key) {
            member.simulates_speech = true;
            let end = now + Duration::from_secs(seconds.min(SIMULATED_SECONDS_MAX).into());
            self.agenda.set(Duty::SimulatedSpeech(key), end);
            self.tell_everyone_voice(key, Voice { level: SIMULATED_LEVEL, active: true });
        }
    }

    pub(crate) fn on_simulated_speech_end(&mut self, key: MemberKey) {
        if let Some(member) = self.members.get_mut(&key) {
            member.simulates_speech = false;
            self.tell_everyone_voice(key, SILENT);
            self.reconcile_voice(key);
        }
    }

    fn tell_everyone_voice(&mut self, key: MemberKey, voice: Voice) {
        let hidden = self.members.get(&key).is_some_and(Member::is_hidden);
        let to = if hidden { vec![key] } else { self.audience() };
        self.tell_voice(key, voice, to);
    }
}
