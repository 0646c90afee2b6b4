//! What the log says of rooms. `participant` is always the identity.

use livekit_protocol as proto;
use tutti_id::RoomName;
use tutti_room::{RoomEvent, RoomEventKind};
use tutti_transport::{DtlsFailure, TransportFailure};

use crate::input::Note;

pub(crate) fn note(room: &RoomName, note: &Note) {
    match note {
        Note::Joined { sid, identity, mode } => tracing::info!(%room, participant = %identity, sid, ?mode, "joined"),
        Note::Resumed { sid, identity } => tracing::info!(%room, participant = %identity, sid, "resumed"),
        Note::Refused { identity, what, why } => {
            tracing::warn!(%room, participant = %identity, what, %why, "refused");
        }
        // How most calls end.
        Note::MediaFailed { identity, reason: TransportFailure::Dtls(DtlsFailure::Closed) } => {
            tracing::debug!(%room, participant = %identity, "media closed by the client");
        }
        Note::MediaFailed { identity, reason } => {
            tracing::info!(%room, participant = %identity, reason = reason.name(), "media failed: {reason}");
        }
        Note::Failed(why) => {
            tracing::error!(%room, reason = why.name(), "room abandoned; its clients are told to join anew");
        }
    }
}

pub(crate) fn event(room: &RoomName, event: &RoomEvent) {
    match &event.kind {
        RoomEventKind::RoomStarted(info) => tracing::info!(%room, sid = %info.sid, "room opened"),
        RoomEventKind::RoomFinished(info) => tracing::info!(%room, sid = %info.sid, "room closed"),
        RoomEventKind::ParticipantJoined(who) => {
            tracing::info!(%room, participant = %who.identity, sid = %who.sid, "active");
        }
        RoomEventKind::ParticipantLeft(who) => {
            tracing::info!(%room, participant = %who.identity, sid = %who.sid, reason = ?who.disconnect_reason(), "left");
        }
        RoomEventKind::ConnectionAborted(who) => {
            let reason = who.disconnect_reason();
            tracing::info!(%room, participant = %who.identity, sid = %who.sid, ?reason, "never became active");
        }
        RoomEventKind::TrackPublished { participant, track } => {
            let (identity, mime) = (&participant.identity, &track.mime_type);
            tracing::info!(%room, participant = %identity, track = %track.sid, %mime, "track published");
        }
        RoomEventKind::TrackUnpublished { participant, track } => {
            tracing::info!(%room, participant = %participant.identity, track = %track.sid, "track unpublished");
        }
    }
}

pub(crate) fn job(room: &RoomName, job: &proto::Job, what: &str) {
    let state = job.state.as_ref();
    let worker = state.map_or("", |state| &state.worker_id);
    let error = state.map_or("", |state| &state.error);
    tracing::info!(%room, job = %job.id, agent = %job.agent_name, worker, error, "{what}");
}
