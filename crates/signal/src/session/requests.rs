//! What the client asks over its socket, one request at a time.

use livekit_protocol as proto;
use proto::signal_request::Message as Ask;
use proto::signal_response::Message;
use tutti_room::Request;

use super::{Session, codec_of};

impl Session {
    /// The client asks something. `wall_ms` is the unix time in milliseconds, for answers to pings.
    pub fn handle_request(&mut self, wall_ms: i64, request: proto::SignalRequest) {
        let Some(ask) = request.message else { return };
        if self.ended {
            return;
        }
        match ask {
            Ask::Offer(offer) => {
                self.answer_held();
                self.client_offered(&offer);
            }
            Ask::Answer(answer) => self.client_answered(&answer),
            Ask::Trickle(trickle) => {
                self.answer_held();
                self.links.trickled(&mut self.out, &trickle);
            }
            Ask::AddTrack(request) => self.add_track(request),
            Ask::Mute(mute) => self.out.room(Request::Mute(mute)),
            Ask::Subscription(update) => self.out.room(Request::Subscription(update)),
            Ask::TrackSetting(settings) => self.out.room(Request::TrackSettings(settings)),
            Ask::SubscriptionPermission(permission) => self.out.room(Request::SubscriptionPermission(permission)),
            Ask::UpdateMetadata(update) => self.out.room(Request::UpdateMetadata(update)),
            Ask::UpdateAudioTrack(update) => self.out.room(Request::UpdateAudioTrack(update)),
            Ask::UpdateVideoTrack(update) => self.out.room(Request::UpdateVideoTrack(update)),
            Ask::PublishDataTrackRequest(request) => self.out.room(Request::PublishDataTrack(request)),
            Ask::UnpublishDataTrackRequest(request) => self.out.room(Request::UnpublishDataTrack(request)),
            Ask::UpdateDataSubscription(update) => self.out.room(Request::DataSubscription(update)),
            Ask::SyncState(state) => self.out.room(Request::SyncState(Box::new(state))),
            Ask::Leave(leave) => self.client_leaves(&leave),
            Ask::Simulate(scenario) => self.simulate(scenario),
            Ask::Ping(_) => self.out.respond(Message::Pong(wall_ms)),
            Ask::PingReq(ping) => {
                let pong = proto::Pong { last_ping_timestamp: ping.timestamp, timestamp: wall_ms };
                self.out.respond(Message::PongResp(pong));
            }
            Ask::StoreDataBlobRequest(request) => self.out.room(Request::StoreDataBlob(request)),
            Ask::GetDataBlobRequest(request) => self.out.room(Request::GetDataBlob(request)),
            #[expect(deprecated, reason = "old clients still send it; the answer to AddTrack made it unnecessary")]
            Ask::UpdateLayers(_) => {}
        }
    }

    /// A codec that this client must not send is as good as one that is off: the first one of its kind that it may send
    /// is published in its place.
    fn add_track(&mut self, mut request: proto::AddTrackRequest) {
        let sendable = |mime: &&String| codec_of(mime).is_some_and(|codec| self.peer.may_publish(codec));
        for asked in &mut request.simulcast_codecs {
            let Some(codec) = codec_of(&asked.codec).filter(|codec| !self.peer.may_publish(*codec)) else { continue };
            let same_kind = |mime: &&String| codec_of(mime).is_some_and(|other| other.kind() == codec.kind());
            if let Some(mime) = self.facts.codecs.iter().filter(sendable).find(same_kind) {
                asked.codec.clone_from(mime);
            }
        }
        self.out.room(Request::AddTrack(request));
    }

    /// A client's own leave means now; the reason is its own if it is one that a client may give
    /// (docs/protocol.md#leave).
    fn client_leaves(&mut self, leave: &proto::LeaveRequest) {
        use proto::DisconnectReason as Why;
        let reason = match Why::try_from(leave.reason) {
            Ok(why @ (Why::UserUnavailable | Why::UserRejected | Why::AgentError)) => why,
            _ => Why::ClientInitiated,
        };
        self.out.room(Request::Leave(reason));
        self.end();
    }
}
