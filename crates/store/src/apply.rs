//! Facts become rows: history and outbox, in one transaction. A fact that is written down already, by the sid of its
//! session and its number there, changes nothing, so the same facts may come again.

use std::collections::{BTreeMap, BTreeSet};

use livekit_protocol as proto;

use crate::db::{Arg, Lock, Tx, args};
use crate::fact::joined_ms;
use crate::{Client, Event, Fact, StoreError, outbox, rows};

/// What became of facts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Applied {
    /// Written down now.
    pub(crate) written: u64,
    /// Written down before.
    pub(crate) known: u64,
    /// Of apps that are deleted.
    pub(crate) of_nobody: u64,
    /// Numbers that were skipped: the journal had refused them.
    pub(crate) missing: u64,
}

/// A session as it will be.
struct Session {
    is_new: bool,
    app: String,
    room: String,
    node: String,
    started_ms: i64,
    finished_ms: Option<i64>,
    reason: Option<String>,
    sequence: i64,
    last_ms: i64,
    joined: i64,
    present: i64,
    peak: i64,
    published: i64,
    info: String,
}

struct Stay {
    session: String,
    app: String,
    room: String,
    node: String,
    participant: proto::ParticipantInfo,
    client: Client,
    active: bool,
    joined_ms: i64,
    left: Option<(i64, String)>,
}

struct Published {
    session: String,
    app: String,
    participation: String,
    identity: String,
    track: proto::TrackInfo,
    published_ms: i64,
    unpublished_ms: Option<i64>,
}

/// What a batch of facts changes.
#[derive(Default)]
struct Batch {
    sessions: BTreeMap<String, Session>,
    stays: BTreeMap<String, Stay>,
    /// Ends of stays that began in an earlier batch.
    left: BTreeMap<String, Stay>,
    tracks: BTreeMap<String, Published>,
    unpublished: BTreeMap<String, Published>,
    outbox: Vec<Vec<Arg>>,
}

/// Writes facts down, in the order in which they come.
pub(crate) async fn apply(tx: &mut Tx, facts: &[Fact]) -> Result<Applied, StoreError> {
    let mut batch = Batch { sessions: sessions(tx, facts).await?, ..Batch::default() };
    let gone = deleted_apps(tx, facts).await?;
    let mut applied = Applied::default();
    for fact in facts {
        if gone.contains(&fact.app) {
            applied.of_nobody += 1;
            continue;
        }
        let session = batch.sessions.entry(fact.session.clone()).or_insert_with(|| begun(fact));
        if fact.sequence <= session.sequence {
            applied.known += 1;
            continue;
        }
        applied.missing += (fact.sequence - session.sequence - 1) as u64;
        applied.written += 1;
        session.sequence = fact.sequence;
        session.last_ms = session.last_ms.max(fact.at_ms);
        batch.take(fact)?;
    }
    batch.write(tx).await?;
    Ok(applied)
}

/// A session that no row tells of.
fn begun(fact: &Fact) -> Session {
    Session {
        is_new: true,
        app: fact.app.clone(),
        room: fact.room.clone(),
        node: fact.node.clone(),
        started_ms: fact.at_ms,
        finished_ms: None,
        reason: None,
        sequence: 0,
        last_ms: fact.at_ms,
        joined: 0,
        present: 0,
        peak: 0,
        published: 0,
        info: "{}".to_owned(),
    }
}

impl Batch {
    fn take(&mut self, fact: &Fact) -> Result<(), StoreError> {
        let damaged = |_| StoreError::Damaged { what: "fact" };
        let Some(session) = self.sessions.get_mut(&fact.session) else { return Ok(()) };
        match &fact.event {
            Event::RoomStarted { room } => session.info = serde_json::to_string(room).map_err(damaged)?,
            Event::RoomFinished { reason, .. } => {
                session.finished_ms = Some(fact.at_ms);
                session.present = 0;
                session.reason = (!reason.is_empty()).then(|| reason.clone());
            }
            Event::ParticipantJoined { participant, client } => {
                session.joined += 1;
                session.present += 1;
                session.peak = session.peak.max(session.present);
                let stay = Stay::new(fact, participant, client, true, fact.at_ms);
                self.stays.insert(participant.sid.clone(), stay);
            }
            Event::ParticipantLeft { participant, reason, .. } => {
                session.present = (session.present - 1).max(0);
                let left = Some((fact.at_ms, reason.clone()));
                match self.stays.get_mut(&participant.sid) {
                    Some(stay) => stay.left = left,
                    None => {
                        let joined_ms = joined_ms(participant);
                        let stay = Stay::new(fact, participant, &Client::default(), true, joined_ms);
                        self.left.insert(participant.sid.clone(), Stay { left, ..stay });
                    }
                }
            }
            Event::ParticipantConnectionAborted { participant, reason, client } => {
                let stay = Stay::new(fact, participant, client, false, joined_ms(participant).min(fact.at_ms));
                self.stays.insert(participant.sid.clone(), Stay { left: Some((fact.at_ms, reason.clone())), ..stay });
            }
            Event::TrackPublished { participant, track } => {
                session.published += 1;
                self.tracks.insert(track.sid.clone(), Published::new(fact, participant, track, fact.at_ms));
            }
            Event::TrackUnpublished { participant, track } => {
                let unpublished_ms = Some(fact.at_ms);
                match self.tracks.get_mut(&track.sid) {
                    Some(track) => track.unpublished_ms = unpublished_ms,
                    None => {
                        let published = Published::new(fact, participant, track, fact.at_ms);
                        self.unpublished.insert(track.sid.clone(), Published { unpublished_ms, ..published });
                    }
                }
            }
        }
        self.outbox.push(outbox::row(fact)?);
        Ok(())
    }

    async fn write(self, tx: &mut Tx) -> Result<(), StoreError> {
        if self.outbox.is_empty() {
            return Ok(());
        }
        let stays = self.stays.iter().map(|(sid, stay)| stay.row(sid)).collect();
        rows::insert(tx, "participation", STAY, "ON CONFLICT DO NOTHING", stays).await?;
        for (sid, stay) in &self.left {
            let (left_ms, reason) = stay.left.clone().unwrap_or_default();
            let sql = "UPDATE participation SET left_ms = $2, reason = $3 WHERE sid = $1";
            if tx.execute(sql, args![sid, left_ms, reason]).await? == 0 {
                rows::insert(tx, "participation", STAY, "ON CONFLICT DO NOTHING", vec![stay.row(sid)]).await?;
            }
        }
        let tracks = self.tracks.iter().map(|(sid, track)| track.row(sid)).collect();
        rows::insert(tx, "track", TRACK, "ON CONFLICT DO NOTHING", tracks).await?;
        for (sid, track) in &self.unpublished {
            let sql = "UPDATE track SET unpublished_ms = $2 WHERE sid = $1";
            if tx.execute(sql, args![sid, track.unpublished_ms]).await? == 0 {
                rows::insert(tx, "track", TRACK, "ON CONFLICT DO NOTHING", vec![track.row(sid)]).await?;
            }
        }
        let (new, changed): (Vec<_>, Vec<_>) = self
            .sessions
            .into_iter()
            .filter(|(_, session)| session.sequence > 0)
            .partition(|(_, session)| session.is_new);
        let new = new.into_iter().map(|(sid, session)| session.row(&sid)).collect();
        rows::insert(tx, "session", SESSION, "", new).await?;
        for (sid, session) in changed {
            session.update(tx, &sid).await?;
        }
        // Last, so that the lock is held for a short time only.
        tx.lock(Lock::Outbox).await?;
        outbox::insert(tx, self.outbox).await
    }
}

const SESSION: &str = "sid, app, room, node, started_ms, finished_ms, reason, sequence, last_ms, joined, present, peak, \
                       published, info";

impl Session {
    fn row(self, sid: &str) -> Vec<Arg> {
        args![
            sid,
            self.app,
            self.room,
            self.node,
            self.started_ms,
            self.finished_ms,
            self.reason,
            self.sequence,
            self.last_ms,
            self.joined,
            self.present,
            self.peak,
            self.published,
            self.info,
        ]
    }

    async fn update(self, tx: &mut Tx, sid: &str) -> Result<(), StoreError> {
        let sql = "UPDATE session SET finished_ms = $2, reason = $3, sequence = $4, last_ms = $5, joined = $6, \
                   present = $7, peak = $8, published = $9 WHERE sid = $1";
        let (finished_ms, reason, published) = (self.finished_ms, self.reason, self.published);
        let counts = args![
            sid,
            finished_ms,
            reason,
            self.sequence,
            self.last_ms,
            self.joined,
            self.present,
            self.peak,
            published
        ];
        tx.execute(sql, counts).await?;
        Ok(())
    }
}

/// The sessions of these facts that have a row.
async fn sessions(tx: &mut Tx, facts: &[Fact]) -> Result<BTreeMap<String, Session>, StoreError> {
    let sids: BTreeSet<&str> = facts.iter().map(|fact| fact.session.as_str()).collect();
    let mut sessions = BTreeMap::new();
    for mut row in select(tx, &format!("SELECT {SESSION} FROM session WHERE sid IN"), sids).await? {
        let session = Session {
            is_new: false,
            app: row.text(1)?,
            room: row.text(2)?,
            node: row.text(3)?,
            started_ms: row.int(4)?,
            finished_ms: row.opt_int(5)?,
            reason: row.opt_text(6)?,
            sequence: row.int(7)?,
            last_ms: row.int(8)?,
            joined: row.int(9)?,
            present: row.int(10)?,
            peak: row.int(11)?,
            published: row.int(12)?,
            info: row.text(13)?,
        };
        sessions.insert(row.text(0)?, session);
    }
    Ok(sessions)
}

/// The apps of these facts that are deleted, or are being deleted.
async fn deleted_apps(tx: &mut Tx, facts: &[Fact]) -> Result<BTreeSet<String>, StoreError> {
    let apps: BTreeSet<&str> = facts.iter().map(|fact| fact.app.as_str()).collect();
    let rows = select(tx, "SELECT id FROM app WHERE state IN ('deleting', 'deleted') AND id IN", apps).await?;
    rows.into_iter().map(|mut row| row.text(0)).collect()
}

/// Rows for each of many names. The last name is repeated to fill up a statement of a fixed size.
async fn select(tx: &mut Tx, sql: &str, names: BTreeSet<&str>) -> Result<Vec<crate::db::Row>, StoreError> {
    const SIZES: [usize; 3] = [1, 16, 128];
    let names: Vec<&str> = names.into_iter().collect();
    let mut rows = Vec::new();
    for names in names.chunks(SIZES[2]) {
        let size = SIZES.into_iter().find(|size| names.len() <= *size).unwrap_or(SIZES[2]);
        let args = (0..size).filter_map(|at| names.get(at).or(names.last()).map(|name| Arg::from(*name))).collect();
        rows.extend(tx.query(&format!("{sql} {}", rows::places(0, size)), args).await?);
    }
    Ok(rows)
}

const STAY: &str = "sid, session_sid, app, room, node, identity, name, kind, active, joined_ms, left_ms, reason, sdk, \
                    sdk_version, os, os_version, device, browser, browser_version, network, address_class";

impl Stay {
    fn new(fact: &Fact, participant: &proto::ParticipantInfo, client: &Client, active: bool, joined_ms: i64) -> Self {
        Self {
            session: fact.session.clone(),
            app: fact.app.clone(),
            room: fact.room.clone(),
            node: fact.node.clone(),
            participant: participant.clone(),
            client: client.clone(),
            active,
            joined_ms,
            left: None,
        }
    }

    fn row(&self, sid: &str) -> Vec<Arg> {
        let (left_ms, reason) = self.left.clone().unzip();
        let client = &self.client;
        args![
            sid,
            &self.session,
            &self.app,
            &self.room,
            &self.node,
            &self.participant.identity,
            &self.participant.name,
            self.participant.kind().as_str_name().to_lowercase(),
            self.active,
            self.joined_ms,
            left_ms,
            reason,
            &client.sdk,
            &client.sdk_version,
            &client.os,
            &client.os_version,
            &client.device,
            &client.browser,
            &client.browser_version,
            &client.network,
            &client.address_class,
        ]
    }
}

const TRACK: &str = "sid, participation_sid, session_sid, app, identity, kind, source, mime, name, width, height, \
                     published_ms, unpublished_ms";

impl Published {
    fn new(fact: &Fact, participant: &proto::ParticipantInfo, track: &proto::TrackInfo, published_ms: i64) -> Self {
        Self {
            session: fact.session.clone(),
            app: fact.app.clone(),
            participation: participant.sid.clone(),
            identity: participant.identity.clone(),
            track: track.clone(),
            published_ms,
            unpublished_ms: None,
        }
    }

    fn row(&self, sid: &str) -> Vec<Arg> {
        let track = &self.track;
        args![
            sid,
            &self.participation,
            &self.session,
            &self.app,
            &self.identity,
            track.r#type().as_str_name().to_lowercase(),
            track.source().as_str_name().to_lowercase(),
            &track.mime_type,
            &track.name,
            i64::from(track.width),
            i64::from(track.height),
            self.published_ms,
            self.unpublished_ms,
        ]
    }
}
