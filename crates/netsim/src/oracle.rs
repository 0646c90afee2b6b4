//! What must hold once everybody is left in peace: everyone agrees on who is there, what is published and who gets it;
//! what is sent then arrives, in order, at those it is for and at nobody else; and when all have left, nothing is left.
//!
//! What is expected follows from what the users want, not from what any part of the system says.

use std::collections::{BTreeMap, BTreeSet};

use livekit_protocol as proto;

use crate::client::{Client, Note, Preference, RIDS, WantedTrack, identity, track_name};
use crate::stamp::Stamp;
use crate::world::World;

/// Media flows if a packet arrived that was sent within this time.
const RECENT_MS: u128 = 350;

/// How things are at the end, for every seed the same on one shard and on four.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Outcome {
    /// Rooms by name, members by identity.
    pub rooms: BTreeMap<String, BTreeMap<String, MemberOutcome>>,
}

/// How things are for one member.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct MemberOutcome {
    /// Attributes.
    pub attributes: BTreeMap<String, String>,
    /// Its tracks by name, and whether they are muted.
    pub tracks: BTreeMap<String, bool>,
    /// Names of the tracks that it is subscribed to.
    pub subscribed: BTreeSet<String>,
    /// Names of the tracks whose packets arrived.
    pub heard: BTreeSet<String>,
    /// Messages that arrived: from whom, reliable, for it alone, and how many.
    pub messages: BTreeMap<(String, bool, bool), usize>,
}

/// The members that a room must have, and what they must have.
pub(crate) fn expected(world: &World) -> Outcome {
    let mut outcome = Outcome::default();
    let present: Vec<&Client> = world.clients.iter().filter(|client| client.is_present()).collect();
    for client in &present {
        let member = MemberOutcome {
            attributes: client.wanted.attributes.clone(),
            tracks: client.wanted.tracks.iter().map(|(name, track)| (name.clone(), track.muted)).collect(),
            subscribed: expected_tracks(&present, client).map(|(name, _)| name.clone()).collect(),
            ..MemberOutcome::default()
        };
        outcome.rooms.entry(client.room.clone()).or_default().insert(client.identity.clone(), member);
    }
    outcome
}

/// The tracks of others that a client must get, by name.
fn expected_tracks<'a>(
    present: &'a [&'a Client],
    client: &'a Client,
) -> impl Iterator<Item = (&'a String, &'a WantedTrack)> {
    let others = present.iter().filter(|other| other.number != client.number && other.room == client.room);
    let allowed = others.filter(|other| !other.wanted.denied.contains(&client.identity));
    let tracks = allowed.flat_map(|other| &other.wanted.tracks);
    tracks.filter(|(name, _)| !client.wanted.unwanted.contains(*name))
}

/// The tracks whose packets a client must get, and in which layer.
fn expected_media<'a>(
    present: &'a [&'a Client],
    client: &'a Client,
) -> impl Iterator<Item = (&'a String, &'a WantedTrack, u8)> {
    expected_tracks(present, client).filter(|(_, track)| !track.muted).filter_map(|(name, track)| {
        let layer = match client.wanted.preferences.get(name) {
            Some(Preference::Off) => return None,
            Some(Preference::Layer(layer)) => *layer,
            None => RIDS.len() as u8 - 1,
        };
        Some((name, track, if track.layered { layer } else { 0 }))
    })
}

/// What differs yet from what is expected; `None` if all sides agree.
pub(crate) fn disagreement(world: &World, expected: &Outcome) -> Option<String> {
    if !world.server.is_idle() {
        return Some("something waits between a room and the shards".into());
    }
    for client in world.clients.iter().filter(|client| client.is_present()) {
        let who = &client.identity;
        let Some(call) = client.call() else { return Some(format!("{who} is not in the room")) };
        if let Some(unrest) = call.unrest() {
            return Some(format!("{who} {unrest}"));
        }
    }
    let mut transports = 0;
    let mut tracks = 0;
    let mut subscriptions = 0;
    for client in world.clients.iter().filter(|client| client.is_present()) {
        let difference = client_differs(client, expected);
        if difference.is_some() {
            return difference;
        }
        transports += client.call().map_or(0, |call| call.peers().count());
    }
    for (name, members) in &expected.rooms {
        let Some(core) = world.server.room(name) else { return Some(format!("{name} does not exist")) };
        let census = core.room().census();
        let counted = [
            ("members", census.members, members.len()),
            ("dialogues", core.member_count(), members.len()),
            ("tracks", census.tracks, members.values().map(|member| member.tracks.len()).sum()),
            ("subscriptions", census.subscriptions, members.values().map(|member| member.subscribed.len()).sum()),
        ];
        if let Some((what, is, must)) = counted.iter().find(|(_, is, must)| is != must) {
            return Some(format!("{name} has {is} {what} in its books, not {must}"));
        }
        tracks += counted[2].1;
        subscriptions += counted[3].1;
        for (identity, member) in members {
            let info = core.room().find(identity).and_then(|key| core.room().member_info(key));
            let Some(info) = info else { return Some(format!("{name} does not know {identity}")) };
            if let Some(difference) = info_differs(&info, member) {
                return Some(format!("in the books of {name}, {identity} {difference}"));
            }
        }
    }
    if world.server.rooms().count() < expected.rooms.len() {
        return Some("a room is missing".into());
    }
    let metrics = world.server.metrics();
    let counted = [
        ("transports", metrics.transports as usize, transports),
        ("tracks", metrics.tracks as usize, tracks),
        ("subscriptions", metrics.subscriptions as usize, subscriptions),
    ];
    let wrong = counted.iter().find(|(_, is, must)| is != must);
    wrong.map(|(what, is, must)| format!("the shards have {is} {what}, not {must}"))
}

/// How a client's idea of its room differs.
fn client_differs(client: &Client, expected: &Outcome) -> Option<String> {
    let who = &client.identity;
    let (Some(call), Some(members)) = (client.call(), expected.rooms.get(&client.room)) else { return None };
    let known: BTreeSet<&str> = call.known.values().map(|info| info.identity.as_str()).collect();
    let must: BTreeSet<&str> = members.keys().map(String::as_str).collect();
    if known != must || call.known.len() != members.len() {
        return Some(format!("{who} knows {known:?}, not {must:?}"));
    }
    // A client is not told of its own tracks in this way.
    for info in call.known.values().filter(|info| info.identity != *who) {
        let difference = members.get(&info.identity).and_then(|member| info_differs(info, member));
        if let Some(difference) = difference {
            return Some(format!("to {who}, {} {difference}", info.identity));
        }
    }
    let names: BTreeSet<String> =
        call.receiving.values().filter_map(|sid| call.name_of(sid)).map(str::to_owned).collect();
    let must = members.get(who).map(|member| &member.subscribed);
    if must != Some(&names) || call.receiving.len() != names.len() {
        return Some(format!("{who} is sent {names:?} in {} sections, not {must:?}", call.receiving.len()));
    }
    None
}

fn info_differs(info: &proto::ParticipantInfo, member: &MemberOutcome) -> Option<String> {
    if info.state() != proto::participant_info::State::Active {
        return Some(format!("is {:?}", info.state()));
    }
    let attributes: BTreeMap<String, String> = info.attributes.clone().into_iter().collect();
    if attributes != member.attributes {
        return Some(format!("has {attributes:?}, not {:?}", member.attributes));
    }
    let tracks: BTreeMap<String, bool> = info.tracks.iter().map(|track| (track.name.clone(), track.muted)).collect();
    if tracks != member.tracks || info.tracks.len() != tracks.len() {
        return Some(format!("publishes {tracks:?}, not {:?}", member.tracks));
    }
    None
}

/// Media or messages that do not flow yet; `None`: everything does. `probes` are messages of all:
/// these, or later ones, must be heard, reliable and lossy ones.
pub(crate) fn stagnation(world: &World, probes: &[u32]) -> Option<String> {
    let present: Vec<&Client> = world.clients.iter().filter(|client| client.is_present()).collect();
    let recently = (world.now - world.start).as_millis().saturating_sub(RECENT_MS);
    for client in &present {
        let who = &client.identity;
        let others = present.iter().filter(|other| other.number != client.number && other.room == client.room);
        for other in others {
            let probe = probes.get(usize::from(other.number)).copied().unwrap_or(0);
            for heard in [&client.ledger.reliable, &client.ledger.lossy] {
                if heard.get(&other.number).is_none_or(|last| *last < probe) {
                    return Some(format!("{who} does not hear message {probe} of {}, only {heard:?}", other.identity));
                }
            }
        }
        for (name, track, layer) in expected_media(&present, client) {
            let publisher = present.iter().find(|other| other.wanted.tracks.contains_key(name));
            let newest = publisher.and_then(|other| client.ledger.newest.get(&(other.number, track.number)));
            if newest.is_none_or(|(sent_ms, of)| u128::from(*sent_ms) < recently || *of != layer) {
                return Some(format!("{who} gets no packet of {name} in layer {layer}; the newest is {newest:?}"));
            }
        }
    }
    None
}

/// Reliable messages that got lost between two sessions which both last: once one has arrived, every later one must.
pub(crate) fn holes(world: &World) -> Option<String> {
    for client in world.clients.iter().filter(|client| client.is_present()) {
        for (from, arrived) in &client.ledger.reliable_arrived {
            let sender = world.clients.iter().find(|other| other.number == *from && other.is_present());
            let sent = sender.map(|other| other.ledger.reliable_sent.as_slice()).unwrap_or_default();
            let for_it = |note: &&Note| note.to.is_none_or(|to| to == client.number);
            let since = |note: &&Note| arrived.first().is_some_and(|first| *first < note.number);
            let lost = sent.iter().filter(for_it).filter(since).find(|note| !arrived.contains(&note.number));
            if let Some(lost) = lost {
                return Some(format!("{} never got {lost:?}, only {arrived:?}", client.identity));
            }
        }
    }
    None
}

/// Compares what was sent while the ledgers were open with what arrived, and adds it to the outcome.
pub(crate) fn delivered(world: &World, outcome: &mut Outcome) -> Result<(), String> {
    let present: Vec<&Client> = world.clients.iter().filter(|client| client.is_present()).collect();
    for client in &present {
        let who = &client.identity;
        let must: BTreeMap<&String, _> =
            expected_media(&present, client).map(|(name, track, layer)| (name, (track, layer))).collect();
        let mut arrived: BTreeMap<String, Vec<Stamp>> = BTreeMap::new();
        for (stamp, section) in &client.ledger.arrived {
            let name = track_name(stamp.client, stamp.track);
            if section.as_deref() != Some(name.as_str()) {
                return Err(format!("{who} got {name} on the section of {section:?}: {stamp:?}"));
            }
            arrived.entry(name).or_default().push(*stamp);
        }
        if let Some(name) = arrived.keys().find(|name| !must.contains_key(*name)) {
            return Err(format!("{who} got {name}, which is not for it"));
        }
        for (name, (track, layer)) in &must {
            let arrived = arrived.get(*name).map(Vec::as_slice).unwrap_or_default();
            let publisher = present.iter().find(|other| other.wanted.tracks.contains_key(*name));
            let sent = publisher.map(|other| other.ledger.sent.as_slice()).unwrap_or_default();
            let sent: Vec<Stamp> = sent.iter().filter(|stamp| stamp.track == track.number).copied().collect();
            complete(&sent, arrived, *layer).map_err(|fault| format!("{who}, track {name}: {fault}"))?;
        }
        let messages = notes(&present, client)?;
        let member = outcome.rooms.get_mut(&client.room).and_then(|members| members.get_mut(who));
        if let Some(member) = member {
            member.heard = must.keys().map(|name| (*name).clone()).collect();
            member.messages = messages;
        }
    }
    Ok(())
}

/// Every frame must have arrived once, whole, in the layer that is wanted. What was in flight when the ledgers were opened
/// may be there as well; the first frame may have been under way.
fn complete(sent: &[Stamp], arrived: &[Stamp], layer: u8) -> Result<(), String> {
    let Some(first) = sent.first() else { return Err("nothing was sent".into()) };
    let mut is: Vec<Stamp> = arrived.iter().filter(|stamp| stamp.frame > first.frame).copied().collect();
    let counts = |stamp: &&Stamp| stamp.layer == layer && stamp.frame > first.frame;
    let mut must: Vec<Stamp> = sent.iter().filter(counts).copied().collect();
    is.sort();
    must.sort();
    if must.is_empty() {
        return Err(format!("nothing was sent in layer {layer}"));
    }
    if is != must {
        let missing: Vec<_> = must.iter().filter(|stamp| !is.contains(stamp)).collect();
        let extra: Vec<_> = is.iter().filter(|stamp| !must.contains(stamp)).collect();
        return Err(format!("{} of {} packets: missing {missing:?}, too many {extra:?}", is.len(), must.len()));
    }
    Ok(())
}

/// What a client must have been told by messages, and was.
fn notes(present: &[&Client], client: &Client) -> Result<BTreeMap<(String, bool, bool), usize>, String> {
    let who = &client.identity;
    let mut messages = BTreeMap::new();
    let mut must: Vec<Note> = Vec::new();
    for other in present.iter().filter(|other| other.number != client.number && other.room == client.room) {
        let for_it = |note: &&Note| note.to.is_none_or(|to| to == client.number);
        must.extend(other.ledger.notes_sent.iter().filter(for_it));
    }
    let mut is = client.ledger.notes_arrived.clone();
    is.sort();
    must.sort();
    if is != must {
        let missing: Vec<_> = must.iter().filter(|note| !is.contains(note)).collect();
        let extra: Vec<_> = is.iter().filter(|note| !must.contains(note)).collect();
        return Err(format!(
            "{who}: messages missing {missing:?}, not for it {extra:?}, {} of {}",
            is.len(),
            must.len()
        ));
    }
    for note in is {
        *messages.entry((identity(note.from), note.reliable, note.to.is_some())).or_default() += 1;
    }
    Ok(messages)
}

/// What is left when everyone is gone; `None`: nothing.
pub(crate) fn leftovers(world: &World) -> Option<String> {
    let rooms = world.server.rooms().count();
    if rooms > 0 {
        let census: Vec<_> = world.server.rooms().map(|core| core.room().census()).collect();
        return Some(format!("{rooms} rooms: {census:?}"));
    }
    let metrics = world.server.metrics();
    let held = [
        ("transports", metrics.transports),
        ("tracks", metrics.tracks),
        ("replicas", metrics.replicas),
        ("subscriptions", metrics.subscriptions),
    ];
    if let Some((what, count)) = held.iter().find(|(_, count)| *count > 0) {
        return Some(format!("{count} {what} on the shards"));
    }
    let routes = world.server.routing().census();
    (routes != Default::default()).then(|| format!("{routes:?} in the routing table"))
}

/// What nobody may ever see.
pub(crate) fn faults(world: &World) -> Option<String> {
    let panics = world.server.metrics().panics;
    if panics > 0 {
        return Some(format!("{panics} panics on the shards"));
    }
    if let Some(fault) = world.server.faults().first() {
        return Some(fault.clone());
    }
    // Silences are shorter than what a receiver is given: who is put out for it has crashed.
    let crashed = |identity: &&String| world.clients.iter().any(|it| it.identity == **identity && it.crashed);
    if let Some(identity) = world.server.stalled().iter().find(|identity| !crashed(identity)) {
        return Some(format!("{identity} is there, and was put out for taking no reliable data"));
    }
    let client = world.clients.iter().find(|client| !client.ledger.faults().is_empty())?;
    Some(format!("{}: {}", client.identity, client.ledger.faults().join("; ")))
}
