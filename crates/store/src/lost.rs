//! What was open on a node that was killed is told to its end: tracks ended, everybody left, the room finished, all with
//! the reason [`NODE_LOST`].

use livekit_protocol as proto;

use crate::apply::apply;
use crate::db::{Db, args};
use crate::{Event, Fact, NODE_LOST, StoreError};

/// Sessions that are closed in one go.
const SESSIONS: i64 = 100;

/// Closes what is open on `node`, all of which ended about `alive_ms`; says how many sessions that were. No fact of the
/// node may be on its way.
pub(crate) async fn close(db: &Db, node: &str, alive_ms: i64) -> Result<u64, StoreError> {
    let mut closed = 0;
    loop {
        let sql = "SELECT sid FROM session WHERE node = $1 AND finished_ms IS NULL ORDER BY sid LIMIT $2";
        let open = db.query(sql, args![node, SESSIONS]).await?;
        let last = open.len() < SESSIONS as usize;
        for mut row in open {
            close_session(db, &row.text(0)?, alive_ms).await?;
            closed += 1;
        }
        if last {
            return Ok(closed);
        }
    }
}

async fn close_session(db: &Db, sid: &str, alive_ms: i64) -> Result<(), StoreError> {
    let mut tx = db.begin().await?;
    let sql = "SELECT app, room, node, sequence, last_ms, info FROM session WHERE sid = $1 AND finished_ms IS NULL";
    let Some(mut row) = tx.query_one(sql, args![sid]).await? else { return Ok(()) };
    let (app, room, node, sequence) = (row.text(0)?, row.text(1)?, row.text(2)?, row.int(3)?);
    let at_ms = row.int(4)?.max(alive_ms);
    let info: proto::Room = serde_json::from_str(&row.text(5)?).unwrap_or_default();
    let info = proto::Room { sid: sid.to_owned(), name: room.clone(), num_participants: 0, num_publishers: 0, ..info };

    let mut events = Vec::new();
    let sql = "SELECT sid, identity, name, kind, joined_ms FROM participation \
               WHERE session_sid = $1 AND left_ms IS NULL ORDER BY joined_ms, sid";
    for mut row in tx.query(sql, args![sid]).await? {
        let kind = proto::participant_info::Kind::from_str_name(&row.text(3)?.to_uppercase()).unwrap_or_default();
        let joined_ms = row.int(4)?;
        let participant = Box::new(proto::ParticipantInfo {
            sid: row.text(0)?,
            identity: row.text(1)?,
            name: row.text(2)?,
            kind: kind.into(),
            joined_at: joined_ms / 1000,
            joined_at_ms: joined_ms,
            state: proto::participant_info::State::Disconnected.into(),
            ..Default::default()
        });
        let sql = "SELECT sid, kind, source, mime, name, width, height FROM track \
                   WHERE participation_sid = $1 AND unpublished_ms IS NULL ORDER BY published_ms, sid";
        for mut row in tx.query(sql, args![&participant.sid]).await? {
            let kind = proto::TrackType::from_str_name(&row.text(1)?.to_uppercase()).unwrap_or_default();
            let source = proto::TrackSource::from_str_name(&row.text(2)?.to_uppercase()).unwrap_or_default();
            let track = Box::new(proto::TrackInfo {
                sid: row.text(0)?,
                r#type: kind.into(),
                source: source.into(),
                mime_type: row.text(3)?,
                name: row.text(4)?,
                width: row.int(5)?.try_into().unwrap_or(0),
                height: row.int(6)?.try_into().unwrap_or(0),
                ..Default::default()
            });
            events.push(Event::TrackUnpublished { participant: participant.clone(), track });
        }
        let stay_ms = (at_ms - joined_ms).max(0);
        events.push(Event::ParticipantLeft { participant, reason: NODE_LOST.to_owned(), stay_ms });
    }
    events.push(Event::RoomFinished { room: Box::new(info), reason: NODE_LOST.to_owned() });

    let facts: Vec<Fact> = events
        .into_iter()
        .zip(sequence + 1..)
        .map(|(event, sequence)| Fact {
            app: app.clone(),
            room: room.clone(),
            session: sid.to_owned(),
            sequence,
            at_ms,
            node: node.clone(),
            event,
        })
        .collect();
    let applied = apply(&mut tx, &facts).await?;
    if applied.of_nobody > 0 {
        // Its app is being deleted, and so is this row.
        tx.execute("UPDATE session SET finished_ms = $2 WHERE sid = $1", args![sid, at_ms]).await?;
    }
    tx.commit().await
}
