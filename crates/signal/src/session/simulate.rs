//! Faults on request, for the test suites of the clients (docs/protocol.md#resume).

use livekit_protocol as proto;
use proto::leave_request::Action;
use proto::simulate_scenario::Scenario;
use tutti_room::Request;

use super::{Output, Session};

/// What the next resume shall pretend.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum NextResume {
    /// Nothing.
    #[default]
    Normal,
    /// The socket closes right after the first messages.
    CloseAfterMessages,
    /// The socket closes before any message.
    CloseBeforeMessages,
}

impl Session {
    pub(super) fn simulate(&mut self, scenario: proto::SimulateScenario) {
        use proto::DisconnectReason as Why;
        match scenario.scenario {
            Some(Scenario::SpeakerUpdate(seconds)) => {
                let seconds = u32::try_from(seconds).unwrap_or(0).min(60);
                self.out.room(Request::SimulateSpeaker { seconds });
            }
            Some(Scenario::NodeFailure(_)) => self.vanish(Why::UnknownReason),
            Some(Scenario::Migration(_)) => self.vanish(Why::Migration),
            Some(Scenario::ServerLeave(_)) => {
                self.out.room(Request::Leave(Why::ServerShutdown));
                self.leave(Why::ServerShutdown, Action::Disconnect);
            }
            Some(Scenario::LeaveRequestFullReconnect(_)) => {
                self.out.room(Request::Leave(Why::StateMismatch));
                self.leave(Why::UnknownReason, Action::Reconnect);
            }
            Some(Scenario::SwitchCandidateProtocol(protocol)) => {
                // The client comes again by itself, by a resume or by a new join.
                self.resuming.tcp_only = protocol != proto::CandidateProtocol::Udp as i32;
                self.out.put(Output::PreferTcp(self.resuming.tcp_only));
            }
            Some(Scenario::DisconnectSignalOnResume(_)) => self.resuming.simulated = NextResume::CloseAfterMessages,
            Some(Scenario::DisconnectSignalOnResumeNoMessages(_)) => {
                self.resuming.simulated = NextResume::CloseBeforeMessages;
            }
            Some(Scenario::SubscriberBandwidth(_)) | None => {}
        }
    }

    /// Gone without a word, as when the node dies.
    fn vanish(&mut self, reason: proto::DisconnectReason) {
        self.out.room(Request::Leave(reason));
        self.end();
    }
}
