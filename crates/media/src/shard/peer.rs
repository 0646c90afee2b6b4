//! One peer: its transport, where it is reached, and what its SSRCs mean.

use std::time::Instant;

use tutti_forward::StreamMatch;
use tutti_rtp::rtcp::twcc::TransportFeedbackBuilder;
use tutti_rtp::{Extension, ExtensionMap, Ssrc};
use tutti_transport::{Counters, Path, Transport, TransportId};

use super::demux::{Known, Source};
use super::ids::{PeerIndex, SubscriptionIndex, TrackIndex};
use super::limits::Spent;
use super::memory::DataMemory;
use super::observer::PathObserver;
use super::outbox::Pending;
use super::sources::SourceTable;
use super::table::Entry;
use crate::wheel::Timer;

/// What an SSRC of the peer carries.
#[derive(Debug, Clone, Copy)]
pub(super) struct Incoming {
    pub(super) track: TrackIndex,
    pub(super) stream: StreamMatch,
}

/// A peer and everything about it that is not shared with others.
pub(super) struct Peer {
    pub(super) id: TransportId,
    pub(super) transport: Transport,
    pub(super) known: Known,
    /// Where media goes; `None` = nowhere for now.
    pub(super) path: Option<Path>,
    /// State of the transport's paths and names that the tables agree with; `None` = none yet.
    pub(super) path_revision: Option<u32>,
    /// Keys and a path are there: subscriptions are served.
    pub(super) ready: bool,
    /// Tracks of the peer.
    pub(super) tracks: Vec<TrackIndex>,
    /// Tracks that the peer gets.
    pub(super) subscriptions: Vec<SubscriptionIndex>,
    /// SSRCs that the peer sends.
    pub(super) incoming: SourceTable<Incoming>,
    /// SSRCs that we send, retransmissions' included.
    pub(super) outgoing: SourceTable<SubscriptionIndex>,
    /// Extension ids of what the peer sends; one map, since ids are shared by the sections of a bundle
    /// (RFC 9143, section 9.2).
    pub(super) extensions: ExtensionMap,
    pub(super) arrivals: Option<Box<Arrivals>>,
    pub(super) pending: Pending,
    pub(super) observer: PathObserver,
    pub(super) transport_timer: Timer,
    pub(super) report_timer: Timer,
    /// RTP came since the last reports.
    pub(super) heard: bool,
    /// Its handshake is done.
    pub(super) secure: bool,
    /// Its data channels have packets to make at the next flush.
    pub(super) data_due: bool,
    /// What its reliable data was last seen to keep in memory, bytes.
    pub(super) data_held: u64,
    pub(super) spent: Spent,
}

impl Entry for Box<Peer> {
    type Key = TransportId;
    type Place = PeerIndex;

    fn key(&self) -> TransportId {
        self.id
    }
}

/// What a shard counts over all its peers.
#[derive(Debug, Default)]
pub(super) struct PeerTotals {
    /// Peers whose handshake is not done.
    pub(super) half_open: usize,
    pub(super) data_memory: DataMemory,
    /// What the transports of peers that are gone counted.
    pub(super) gone: Counters,
}

/// Transport-wide arrival times of what the peer sends, and the timer of telling it.
pub(super) struct Arrivals {
    pub(super) extension: u8,
    pub(super) builder: TransportFeedbackBuilder,
    /// The SSRC that the feedback names.
    pub(super) last_source: Ssrc,
    /// Packets since the last feedback.
    pub(super) count: u32,
    pub(super) timer: Timer,
}

impl Peer {
    pub(super) fn new(id: TransportId, transport: Transport) -> Self {
        Self {
            id,
            transport,
            known: Known::default(),
            path: None,
            path_revision: None,
            ready: false,
            tracks: Vec::new(),
            subscriptions: Vec::new(),
            incoming: SourceTable::default(),
            outgoing: SourceTable::default(),
            extensions: ExtensionMap::default(),
            arrivals: None,
            pending: Pending::NONE,
            observer: PathObserver::default(),
            transport_timer: Timer::IDLE,
            report_timer: Timer::IDLE,
            heard: false,
            secure: false,
            data_due: false,
            data_held: 0,
            spent: Spent::default(),
        }
    }

    /// The address that must stay known.
    pub(super) fn selected_source(&self) -> Option<Source> {
        self.path.map(|path| (path.proto, path.remote))
    }

    /// The peer sends with these extension ids, and with transport-wide numbers if `transport_cc`.
    pub(super) fn learn_extensions(
        &mut self,
        extensions: &ExtensionMap,
        transport_cc: bool,
        sender: Ssrc,
        now: Instant,
    ) {
        for extension in Extension::ALL {
            if let Some(id) = extensions.id(extension) {
                self.extensions.set(extension, id);
            }
        }
        let Some(id) = extensions.id(Extension::TransportCc).filter(|_| transport_cc) else { return };
        match &mut self.arrivals {
            Some(arrivals) => arrivals.extension = id,
            none => {
                *none = Some(Box::new(Arrivals {
                    extension: id,
                    builder: TransportFeedbackBuilder::new(sender, now),
                    last_source: Ssrc(0),
                    count: 0,
                    timer: Timer::IDLE,
                }));
            }
        }
    }
}
