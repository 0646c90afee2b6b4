//! What the log says of rooms. `participant` is always the identity.

use tutti_id::RoomName;
use tutti_room::{RoomEvent, RoomEventKind};

use crate::input::{Failure, Note};

pub(crate) fn note(room: &RoomName, note: &Note) {
    match note {
        Note::Joined { sid, identity, mode } => tracing::info!(%room, participant = %identity, sid, ?mode, "joined"),
        Note::Resumed { sid, identity } => tracing::info!(%room, participant = %identity, sid, "resumed"),
        Note::Refused { identity, what, why } => {
            tracing::warn!(%room, participant = %identity, what, %why, "refused");
        }
        Note::Failed(Failure::Fault) => {
            tracing::error!(%room, "room failed; its clients are told to reconnect");
        }
        Note::Failed(Failure::Overrun) => {
            tracing::error!(%room, "room does not keep up with its media; its clients are told to reconnect");
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
