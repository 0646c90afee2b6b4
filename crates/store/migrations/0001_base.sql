-- One text for both databases: @COUNTER is a number that counts up by itself, @BYTES a column of bytes.
-- Times are milliseconds since 1970 UTC. Yes and no are 1 and 0. JSON is text.

-- Apps ---------------------------------------------------------------------------------------------------------------

-- state: active, suspended, deleting, deleted. Of a deleted app only this row stays, so that what is still on its way
-- is known to be nobody's.
CREATE TABLE app (
  id TEXT PRIMARY KEY,
  account TEXT NOT NULL DEFAULT '',
  name TEXT NOT NULL,
  state TEXT NOT NULL,
  settings TEXT NOT NULL,
  settings_version BIGINT NOT NULL,
  created_ms BIGINT NOT NULL,
  changed_ms BIGINT NOT NULL,
  deleted_ms BIGINT
);

-- secret: AES-256-GCM by the master key named beside it, nonce before it, id and app of the key authenticated.
CREATE TABLE api_key (
  id TEXT PRIMARY KEY,
  app TEXT NOT NULL,
  name TEXT NOT NULL,
  secret @BYTES NOT NULL,
  master_key TEXT NOT NULL,
  scope TEXT NOT NULL,
  created_ms BIGINT NOT NULL,
  expires_ms BIGINT,
  disabled_ms BIGINT,
  used_ms BIGINT,
  replaced_by TEXT
);
CREATE INDEX api_key_app ON api_key (app, created_ms);
CREATE INDEX api_key_master ON api_key (master_key);

-- A number that grows with every change of apps and keys: other nodes see that they must read again.
CREATE TABLE revision (
  topic TEXT PRIMARY KEY,
  number BIGINT NOT NULL
);
INSERT INTO revision (topic, number) VALUES ('apps', 1);

-- A media policy: rules in one immutable version; the published one is in force.
CREATE TABLE policy (
  id TEXT NOT NULL,
  app TEXT NOT NULL,
  version BIGINT NOT NULL,
  state TEXT NOT NULL,
  rules TEXT NOT NULL,
  author TEXT NOT NULL,
  created_ms BIGINT NOT NULL,
  PRIMARY KEY (id, version)
);
CREATE INDEX policy_app ON policy (app, state);

-- target: identity, ip, device, each with its value; room: empty for the whole app.
CREATE TABLE ban (
  id TEXT PRIMARY KEY,
  app TEXT NOT NULL,
  room TEXT NOT NULL,
  target TEXT NOT NULL,
  value TEXT NOT NULL,
  reason TEXT NOT NULL,
  author TEXT NOT NULL,
  created_ms BIGINT NOT NULL,
  expires_ms BIGINT
);
CREATE UNIQUE INDEX ban_target ON ban (app, room, target, value);

CREATE TABLE room_settings (
  app TEXT NOT NULL,
  room TEXT NOT NULL,
  settings TEXT NOT NULL,
  version BIGINT NOT NULL,
  changed_ms BIGINT NOT NULL,
  PRIMARY KEY (app, room)
);

CREATE TABLE room_template (
  app TEXT NOT NULL,
  name TEXT NOT NULL,
  settings TEXT NOT NULL,
  version BIGINT NOT NULL,
  changed_ms BIGINT NOT NULL,
  PRIMARY KEY (app, name)
);

-- Nodes --------------------------------------------------------------------------------------------------------------

CREATE TABLE node (
  id TEXT PRIMARY KEY,
  region TEXT NOT NULL,
  version TEXT NOT NULL,
  started_ms BIGINT NOT NULL,
  seen_ms BIGINT NOT NULL
);

-- History ------------------------------------------------------------------------------------------------------------

-- One life of a room. sequence, last_ms: number and time of the last fact that is written down. info: the room as the
-- protocol shows it, when it was made.
CREATE TABLE session (
  sid TEXT PRIMARY KEY,
  app TEXT NOT NULL,
  room TEXT NOT NULL,
  node TEXT NOT NULL,
  started_ms BIGINT NOT NULL,
  finished_ms BIGINT,
  reason TEXT,
  sequence BIGINT NOT NULL,
  last_ms BIGINT NOT NULL,
  joined BIGINT NOT NULL,
  present BIGINT NOT NULL,
  peak BIGINT NOT NULL,
  published BIGINT NOT NULL,
  info TEXT NOT NULL,
  totals TEXT NOT NULL DEFAULT '{}'
);
CREATE INDEX session_app ON session (app, started_ms, sid);
CREATE INDEX session_room ON session (app, room, started_ms, sid);
CREATE INDEX session_finished ON session (finished_ms);
CREATE INDEX session_open ON session (node, sid) WHERE finished_ms IS NULL;

-- One stay of one participant. active: it got as far as media; else it was an attempt.
CREATE TABLE participation (
  sid TEXT PRIMARY KEY,
  session_sid TEXT NOT NULL,
  app TEXT NOT NULL,
  room TEXT NOT NULL,
  node TEXT NOT NULL,
  identity TEXT NOT NULL,
  name TEXT NOT NULL,
  kind TEXT NOT NULL,
  active BIGINT NOT NULL,
  joined_ms BIGINT NOT NULL,
  left_ms BIGINT,
  reason TEXT,
  attempt TEXT NOT NULL DEFAULT '',
  sdk TEXT NOT NULL DEFAULT '',
  sdk_version TEXT NOT NULL DEFAULT '',
  os TEXT NOT NULL DEFAULT '',
  os_version TEXT NOT NULL DEFAULT '',
  device TEXT NOT NULL DEFAULT '',
  browser TEXT NOT NULL DEFAULT '',
  browser_version TEXT NOT NULL DEFAULT '',
  network TEXT NOT NULL DEFAULT '',
  address_class TEXT NOT NULL DEFAULT '',
  path TEXT NOT NULL DEFAULT '',
  totals TEXT NOT NULL DEFAULT '{}'
);
CREATE INDEX participation_session ON participation (session_sid, joined_ms, sid);
CREATE INDEX participation_app ON participation (app, joined_ms, sid);
CREATE INDEX participation_identity ON participation (app, identity, joined_ms, sid);

CREATE TABLE track (
  sid TEXT PRIMARY KEY,
  participation_sid TEXT NOT NULL,
  session_sid TEXT NOT NULL,
  app TEXT NOT NULL,
  identity TEXT NOT NULL,
  kind TEXT NOT NULL,
  source TEXT NOT NULL,
  mime TEXT NOT NULL,
  name TEXT NOT NULL,
  width BIGINT NOT NULL,
  height BIGINT NOT NULL,
  published_ms BIGINT NOT NULL,
  unpublished_ms BIGINT,
  totals TEXT NOT NULL DEFAULT '{}'
);
CREATE INDEX track_session ON track (session_sid, published_ms, sid);
CREATE INDEX track_participation ON track (participation_sid, published_ms, sid);
CREATE INDEX track_app ON track (app, published_ms, sid);

CREATE TABLE job (
  id TEXT PRIMARY KEY,
  app TEXT NOT NULL,
  room TEXT NOT NULL,
  session_sid TEXT NOT NULL,
  node TEXT NOT NULL,
  kind TEXT NOT NULL,
  state TEXT NOT NULL,
  request TEXT NOT NULL,
  result TEXT NOT NULL,
  created_ms BIGINT NOT NULL,
  changed_ms BIGINT NOT NULL,
  ended_ms BIGINT
);
CREATE INDEX job_app ON job (app, created_ms, id);
CREATE INDEX job_session ON job (session_sid);
CREATE INDEX job_ended ON job (ended_ms);

CREATE TABLE message (
  id @COUNTER,
  app TEXT NOT NULL,
  room TEXT NOT NULL,
  session_sid TEXT NOT NULL,
  sender TEXT NOT NULL,
  receivers TEXT NOT NULL,
  kind TEXT NOT NULL,
  topic TEXT NOT NULL,
  body @BYTES NOT NULL,
  at_ms BIGINT NOT NULL
);
CREATE INDEX message_room ON message (app, room, id);
CREATE INDEX message_at ON message (at_ms);

-- Events out ---------------------------------------------------------------------------------------------------------

-- One row for each event, written in the transaction that writes what it tells of. id: grows in the order in which
-- transactions become visible, so that a reader that goes on after the last id it saw misses nothing. session_sid,
-- sequence: the event's number in its session; empty and 0 for events of no room. body: the fact as JSON.
CREATE TABLE outbox (
  id @COUNTER,
  app TEXT NOT NULL,
  room TEXT NOT NULL,
  session_sid TEXT NOT NULL,
  sequence BIGINT NOT NULL,
  kind TEXT NOT NULL,
  at_ms BIGINT NOT NULL,
  node TEXT NOT NULL,
  body TEXT NOT NULL
);
CREATE UNIQUE INDEX outbox_sequence ON outbox (session_sid, sequence) WHERE session_sid <> '';
CREATE INDEX outbox_app ON outbox (app, id);
CREATE INDEX outbox_at ON outbox (at_ms);

-- A web-hook. position: every event up to this id is delivered, or has a row in delivery. holder: the node that delivers,
-- until held_until_ms.
CREATE TABLE endpoint (
  id TEXT PRIMARY KEY,
  app TEXT NOT NULL,
  url TEXT NOT NULL,
  format TEXT NOT NULL,
  events TEXT NOT NULL,
  secret @BYTES NOT NULL,
  master_key TEXT NOT NULL,
  state TEXT NOT NULL,
  position BIGINT NOT NULL,
  holder TEXT NOT NULL DEFAULT '',
  held_until_ms BIGINT NOT NULL DEFAULT 0,
  created_ms BIGINT NOT NULL,
  changed_ms BIGINT NOT NULL
);
CREATE INDEX endpoint_app ON endpoint (app, created_ms);

-- An event that an endpoint did not take at once. state: pending, delivered, dead.
CREATE TABLE delivery (
  endpoint TEXT NOT NULL,
  event BIGINT NOT NULL,
  app TEXT NOT NULL,
  state TEXT NOT NULL,
  attempts BIGINT NOT NULL,
  first_ms BIGINT NOT NULL,
  next_ms BIGINT NOT NULL,
  status BIGINT,
  answer TEXT NOT NULL,
  took_ms BIGINT,
  changed_ms BIGINT NOT NULL,
  PRIMARY KEY (endpoint, event)
);
CREATE INDEX delivery_due ON delivery (endpoint, state, next_ms);
CREATE INDEX delivery_app ON delivery (app, state, changed_ms);
CREATE INDEX delivery_changed ON delivery (changed_ms);

-- Answers to creations that carried an idempotency key.
CREATE TABLE idempotency (
  app TEXT NOT NULL,
  idempotency_key TEXT NOT NULL,
  request_hash @BYTES NOT NULL,
  status BIGINT NOT NULL,
  answer TEXT NOT NULL,
  created_ms BIGINT NOT NULL,
  PRIMARY KEY (app, idempotency_key)
);
CREATE INDEX idempotency_created ON idempotency (created_ms);

-- Who changed what. Rows are only added. hash: SHA-256 over the hash of the row before and this row.
CREATE TABLE audit (
  id @COUNTER,
  at_ms BIGINT NOT NULL,
  app TEXT NOT NULL,
  actor TEXT NOT NULL,
  origin TEXT NOT NULL,
  action TEXT NOT NULL,
  subject TEXT NOT NULL,
  before_json TEXT NOT NULL,
  after_json TEXT NOT NULL,
  hash @BYTES NOT NULL
);
CREATE INDEX audit_app ON audit (app, id);

-- Usage --------------------------------------------------------------------------------------------------------------

-- Ledgers: rows are only added; a correction is a row with the number of the one it corrects.
CREATE TABLE usage_presence (
  id @COUNTER,
  account TEXT NOT NULL,
  app TEXT NOT NULL,
  room TEXT NOT NULL,
  session_sid TEXT NOT NULL,
  participation_sid TEXT NOT NULL,
  identity TEXT NOT NULL,
  kind TEXT NOT NULL,
  two_party BIGINT NOT NULL,
  node TEXT NOT NULL,
  from_ms BIGINT NOT NULL,
  to_ms BIGINT NOT NULL,
  corrects BIGINT
);
CREATE INDEX usage_presence_app ON usage_presence (app, from_ms);
CREATE INDEX usage_presence_session ON usage_presence (session_sid);

-- usage_second: received picture of a participant between two changes of it. pixels: sum over what it received;
-- by_stream: pixels of each stream, for plans that count streams.
CREATE TABLE usage_second (
  id @COUNTER,
  account TEXT NOT NULL,
  app TEXT NOT NULL,
  session_sid TEXT NOT NULL,
  participation_sid TEXT NOT NULL,
  kind TEXT NOT NULL,
  from_ms BIGINT NOT NULL,
  to_ms BIGINT NOT NULL,
  pixels BIGINT NOT NULL,
  by_stream TEXT NOT NULL,
  bytes_in BIGINT NOT NULL,
  bytes_out BIGINT NOT NULL,
  corrects BIGINT
);
CREATE INDEX usage_second_app ON usage_second (app, from_ms);
CREATE INDEX usage_second_session ON usage_second (session_sid);

-- day: days since 1970 in the account's zone.
CREATE TABLE user_day (
  app TEXT NOT NULL,
  day BIGINT NOT NULL,
  identity TEXT NOT NULL,
  PRIMARY KEY (app, day, identity)
);

-- Quality ------------------------------------------------------------------------------------------------------------

-- One track on its way in from its publisher (up) or out to one subscriber (down).
CREATE TABLE leg (
  id TEXT PRIMARY KEY,
  app TEXT NOT NULL,
  session_sid TEXT NOT NULL,
  participation_sid TEXT NOT NULL,
  track_sid TEXT NOT NULL,
  direction TEXT NOT NULL,
  node TEXT NOT NULL,
  from_ms BIGINT NOT NULL,
  to_ms BIGINT,
  totals TEXT NOT NULL DEFAULT '{}'
);
CREATE INDEX leg_session ON leg (session_sid, from_ms, id);
CREATE INDEX leg_participation ON leg (participation_sid);
CREATE INDEX leg_app ON leg (app, from_ms);

-- Up to five minutes of samples of one leg; the first byte of the samples is the version of their form.
CREATE TABLE series_chunk (
  leg TEXT NOT NULL,
  from_ms BIGINT NOT NULL,
  to_ms BIGINT NOT NULL,
  app TEXT NOT NULL,
  session_sid TEXT NOT NULL,
  samples @BYTES NOT NULL,
  PRIMARY KEY (leg, from_ms)
);
CREATE INDEX series_chunk_session ON series_chunk (session_sid);
CREATE INDEX series_chunk_to ON series_chunk (to_ms);
CREATE INDEX series_chunk_app ON series_chunk (app, to_ms);

-- What happened in a call beyond its events: freezes, path changes, policies that took hold.
CREATE TABLE call_event (
  id @COUNTER,
  app TEXT NOT NULL,
  session_sid TEXT NOT NULL,
  participation_sid TEXT NOT NULL,
  at_ms BIGINT NOT NULL,
  code TEXT NOT NULL,
  args TEXT NOT NULL
);
CREATE INDEX call_event_session ON call_event (session_sid, at_ms);
CREATE INDEX call_event_app ON call_event (app, at_ms);

-- Sums and histograms by one dimension at a time.
CREATE TABLE rollup_minute (
  app TEXT NOT NULL,
  at_ms BIGINT NOT NULL,
  dimension TEXT NOT NULL,
  value TEXT NOT NULL,
  sums TEXT NOT NULL,
  histograms @BYTES NOT NULL,
  PRIMARY KEY (app, at_ms, dimension, value)
);
CREATE INDEX rollup_minute_at ON rollup_minute (at_ms);
CREATE TABLE rollup_hour (
  app TEXT NOT NULL,
  at_ms BIGINT NOT NULL,
  dimension TEXT NOT NULL,
  value TEXT NOT NULL,
  sums TEXT NOT NULL,
  histograms @BYTES NOT NULL,
  PRIMARY KEY (app, at_ms, dimension, value)
);
CREATE INDEX rollup_hour_at ON rollup_hour (at_ms);
CREATE TABLE rollup_day (
  app TEXT NOT NULL,
  at_ms BIGINT NOT NULL,
  dimension TEXT NOT NULL,
  value TEXT NOT NULL,
  sums TEXT NOT NULL,
  histograms @BYTES NOT NULL,
  PRIMARY KEY (app, at_ms, dimension, value)
);

CREATE TABLE alert (
  id TEXT PRIMARY KEY,
  app TEXT NOT NULL,
  rule TEXT NOT NULL,
  state TEXT NOT NULL,
  detail TEXT NOT NULL,
  raised_ms BIGINT NOT NULL,
  cleared_ms BIGINT
);
CREATE INDEX alert_app ON alert (app, raised_ms, id);
CREATE INDEX alert_raised ON alert (raised_ms);
