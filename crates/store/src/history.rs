//! What was: sessions, stays and tracks of an app, newest first, in pages.

use crate::db::{Arg, Row, args};
use crate::{Client, Store, StoreError};

/// Entries of a page, at most.
pub const PAGE_MAX: u32 = 1000;

/// Where a page ended. The next one begins behind it. Its text says nothing to others and is kept as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cursor {
    at_ms: i64,
    sid: String,
}

impl Cursor {
    /// Reads what [`Display`](std::fmt::Display) wrote.
    pub fn parse(text: &str) -> Option<Self> {
        let (at_ms, sid) = text.split_once('.')?;
        let plain = sid.chars().all(|character| character.is_ascii_alphanumeric() || "_-".contains(character));
        (plain && sid.len() <= 64).then_some(())?;
        Some(Self { at_ms: at_ms.parse().ok()?, sid: sid.to_owned() })
    }
}

impl std::fmt::Display for Cursor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{}", self.at_ms, self.sid)
    }
}

/// Some entries, and where the next page begins if there is one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page<T> {
    /// Newest first.
    pub entries: Vec<T>,
    /// Where to go on.
    pub next: Option<Cursor>,
}

/// What is asked for; what is `None` or empty does not matter.
#[derive(Debug, Clone, Default)]
pub struct HistoryQuery {
    /// Whose. Always matters.
    pub app: String,
    /// Of this room.
    pub room: Option<String>,
    /// Of this session.
    pub session: Option<String>,
    /// Of this identity; not for sessions.
    pub identity: Option<String>,
    /// Of this stay; for tracks only.
    pub participation: Option<String>,
    /// Began at or after this time, milliseconds since 1970.
    pub from_ms: Option<i64>,
    /// Began before this time, milliseconds since 1970.
    pub to_ms: Option<i64>,
    /// Whether it is still going on.
    pub open: Option<bool>,
    /// Go on behind this.
    pub after: Option<Cursor>,
    /// Entries of the page, 1 to [`PAGE_MAX`].
    pub limit: u32,
}

/// One life of a room.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionRow {
    /// `RM_…`.
    pub sid: String,
    /// Name of the room.
    pub room: String,
    /// The node that had it.
    pub node: String,
    /// When it began.
    pub started_ms: i64,
    /// When it was over.
    pub finished_ms: Option<i64>,
    /// [`NODE_LOST`](crate::NODE_LOST), or none.
    pub reason: Option<String>,
    /// Number of its last fact.
    pub sequence: i64,
    /// Stays.
    pub joined: i64,
    /// How many are there now.
    pub present: i64,
    /// The most that were there at one time.
    pub peak: i64,
    /// Tracks.
    pub published: i64,
    /// The room as the protocol shows it, when it began: JSON.
    pub info: String,
}

/// One stay of one participant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParticipationRow {
    /// `PA_…`.
    pub sid: String,
    /// `RM_…`.
    pub session: String,
    /// Name of the room.
    pub room: String,
    /// The node that had it.
    pub node: String,
    /// Who.
    pub identity: String,
    /// What others saw as its name.
    pub name: String,
    /// `standard`, `agent`, `egress`, …
    pub kind: String,
    /// Its media path stood; else it was an attempt.
    pub active: bool,
    /// When it came.
    pub joined_ms: i64,
    /// When it left.
    pub left_ms: Option<i64>,
    /// Why it left.
    pub reason: Option<String>,
    /// With what it came.
    pub client: Client,
}

/// One track.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrackRow {
    /// `TR_…`.
    pub sid: String,
    /// The publisher's stay, `PA_…`.
    pub participation: String,
    /// `RM_…`.
    pub session: String,
    /// Whose.
    pub identity: String,
    /// `audio`, `video` or `data`.
    pub kind: String,
    /// `camera`, `microphone`, …
    pub source: String,
    /// Codec, such as `video/VP8`.
    pub mime: String,
    /// As its publisher calls it.
    pub name: String,
    /// Pixels; 0 if unknown.
    pub width: i64,
    /// Pixels; 0 if unknown.
    pub height: i64,
    /// When it became visible.
    pub published_ms: i64,
    /// When it ended.
    pub unpublished_ms: Option<i64>,
}

/// A table of history, and what its columns are called.
struct Table {
    name: &'static str,
    columns: &'static str,
    began: &'static str,
    ended: &'static str,
    session: &'static str,
}

impl Store {
    /// Sessions, those that began last first.
    ///
    /// # Errors
    /// The database.
    pub async fn sessions(&self, query: &HistoryQuery) -> Result<Page<SessionRow>, StoreError> {
        let table = Table {
            name: "session",
            columns: "room, node, started_ms, finished_ms, reason, sequence, joined, present, peak, published, info",
            began: "started_ms",
            ended: "finished_ms",
            session: "sid",
        };
        self.page(&table, query, |sid, row| {
            Ok(SessionRow {
                sid,
                room: row.text(2)?,
                node: row.text(3)?,
                started_ms: row.int(4)?,
                finished_ms: row.opt_int(5)?,
                reason: row.opt_text(6)?,
                sequence: row.int(7)?,
                joined: row.int(8)?,
                present: row.int(9)?,
                peak: row.int(10)?,
                published: row.int(11)?,
                info: row.text(12)?,
            })
        })
        .await
    }

    /// Stays, those that began last first.
    ///
    /// # Errors
    /// The database.
    pub async fn participations(&self, query: &HistoryQuery) -> Result<Page<ParticipationRow>, StoreError> {
        let table = Table {
            name: "participation",
            columns: "session_sid, room, node, identity, name, kind, active, joined_ms, left_ms, reason, sdk, sdk_version, \
                      os, os_version, device, browser, browser_version, network, address_class",
            began: "joined_ms",
            ended: "left_ms",
            session: "session_sid",
        };
        self.page(&table, query, |sid, row| {
            Ok(ParticipationRow {
                sid,
                session: row.text(2)?,
                room: row.text(3)?,
                node: row.text(4)?,
                identity: row.text(5)?,
                name: row.text(6)?,
                kind: row.text(7)?,
                active: row.int(8)? != 0,
                joined_ms: row.int(9)?,
                left_ms: row.opt_int(10)?,
                reason: row.opt_text(11)?,
                client: Client {
                    sdk: row.text(12)?,
                    sdk_version: row.text(13)?,
                    os: row.text(14)?,
                    os_version: row.text(15)?,
                    device: row.text(16)?,
                    browser: row.text(17)?,
                    browser_version: row.text(18)?,
                    network: row.text(19)?,
                    address_class: row.text(20)?,
                },
            })
        })
        .await
    }

    /// Tracks, those that were published last first.
    ///
    /// # Errors
    /// The database.
    pub async fn tracks(&self, query: &HistoryQuery) -> Result<Page<TrackRow>, StoreError> {
        let table = Table {
            name: "track",
            columns: "participation_sid, session_sid, identity, kind, source, mime, name, width, height, published_ms, \
                      unpublished_ms",
            began: "published_ms",
            ended: "unpublished_ms",
            session: "session_sid",
        };
        self.page(&table, query, |sid, row| {
            Ok(TrackRow {
                sid,
                participation: row.text(2)?,
                session: row.text(3)?,
                identity: row.text(4)?,
                kind: row.text(5)?,
                source: row.text(6)?,
                mime: row.text(7)?,
                name: row.text(8)?,
                width: row.int(9)?,
                height: row.int(10)?,
                published_ms: row.int(11)?,
                unpublished_ms: row.opt_int(12)?,
            })
        })
        .await
    }

    async fn page<T>(
        &self,
        table: &Table,
        query: &HistoryQuery,
        read: impl Fn(String, &mut Row) -> Result<T, StoreError>,
    ) -> Result<Page<T>, StoreError> {
        let Table { name, columns, began, ended, session } = table;
        let mut args = args![&query.app];
        let mut wanted = vec!["app = $1".to_owned()];
        let mut want = |column: &str, how: &str, arg: Option<Arg>| {
            if let Some(arg) = arg {
                args.push(arg);
                wanted.push(format!("{column} {how} ${}", args.len()));
            }
        };
        let is_track = *name == "track";
        want("room", "=", query.room.as_ref().filter(|_| !is_track).map(Arg::from));
        want(session, "=", query.session.as_ref().map(Arg::from));
        want("identity", "=", query.identity.as_ref().filter(|_| *name != "session").map(Arg::from));
        want("participation_sid", "=", query.participation.as_ref().filter(|_| is_track).map(Arg::from));
        want(began, ">=", query.from_ms.map(Arg::from));
        want(began, "<", query.to_ms.map(Arg::from));
        if let Some(open) = query.open {
            wanted.push(format!("{ended} IS {}NULL", if open { "" } else { "NOT " }));
        }
        if let Some(Cursor { at_ms, sid }) = &query.after {
            args.extend(args![*at_ms, sid]);
            wanted.push(format!("({began}, sid) < (${}, ${})", args.len() - 1, args.len()));
        }
        let limit = query.limit.clamp(1, PAGE_MAX);
        args.push(Arg::Int(i64::from(limit) + 1));
        let sql = format!(
            "SELECT sid, {began}, {columns} FROM {name} WHERE {} ORDER BY {began} DESC, sid DESC LIMIT ${}",
            wanted.join(" AND "),
            args.len()
        );
        let mut rows = self.prepare().await?.query(&sql, args).await?;
        let more = rows.len() > limit as usize;
        rows.truncate(limit as usize);
        let mut entries = Vec::with_capacity(rows.len());
        let mut last = None;
        for mut row in rows {
            let (sid, at_ms) = (row.text(0)?, row.int(1)?);
            last = Some(Cursor { at_ms, sid: sid.clone() });
            entries.push(read(sid, &mut row)?);
        }
        Ok(Page { entries, next: last.filter(|_| more) })
    }
}
