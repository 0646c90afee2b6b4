//! In single mode the client makes the sections: what it was asked for, and what it must be asked for.

use tutti_rtp::MediaKind;

use super::answering::Answering;
use super::{Need, Role, Shared};

/// Answers after which an unfulfilled request is taken for lost.
const PATIENCE_ANSWERS: u32 = 2;

/// The request under way.
#[derive(Debug, Default)]
pub(super) struct Asking {
    asked: Option<Asked>,
}

/// A `MediaSectionsRequirement` that was sent.
#[derive(Debug, Clone, Copy)]
struct Asked {
    /// Receiving sections that there will be once the client did as asked.
    audios_expected: u32,
    videos_expected: u32,
    /// Answers given since.
    answers: u32,
}

impl Asking {
    /// What the client must be asked for.
    pub(super) fn need(&self, shared: &Shared, answering: &Answering) -> Need {
        if shared.role != Role::Single || !answering.is_described() {
            // The client's first offer comes unasked.
            return Need::Nothing;
        }
        let reuses = shared.peer.reuses_sections();
        let [mut audios, mut videos] = [0, 0];
        for track in shared.sending.pending() {
            match track.outgoing.kind {
                MediaKind::Audio => audios += 1,
                MediaKind::Video => videos += 1,
            }
        }
        let due = audios + videos > 0 || answering.has_stale(shared) || shared.sending.has_changed();
        if !due {
            return Need::Nothing;
        }
        let missing = |kind, pending: u32| pending.saturating_sub(answering.free(kind, reuses));
        let audios = missing(MediaKind::Audio, audios);
        let videos = missing(MediaKind::Video, videos);
        let Some(asked) = self.asked else { return Need::Ask { audios, videos } };
        // What is under way comes off; if that is enough, the offer that brings it settles the rest, too.
        let audios = audios.saturating_sub(asked.audios_expected.saturating_sub(answering.receiving(MediaKind::Audio)));
        let videos = videos.saturating_sub(asked.videos_expected.saturating_sub(answering.receiving(MediaKind::Video)));
        if audios + videos > 0 { Need::Ask { audios, videos } } else { Need::Nothing }
    }

    /// The client was asked for these.
    pub(super) fn asked(&mut self, answering: &Answering, audios: u32, videos: u32) {
        let [audios_now, videos_now] = [MediaKind::Audio, MediaKind::Video].map(|kind| answering.receiving(kind));
        let before =
            self.asked.unwrap_or(Asked { audios_expected: audios_now, videos_expected: videos_now, answers: 0 });
        self.asked = Some(Asked {
            audios_expected: before.audios_expected.max(audios_now) + audios,
            videos_expected: before.videos_expected.max(videos_now) + videos,
            answers: 0,
        });
    }

    /// An offer of the client was answered. It may have been on its way before the request: then what was asked for
    /// is still to come.
    pub(super) fn answered(&mut self, answering: &Answering) {
        let Some(asked) = &mut self.asked else { return };
        asked.answers += 1;
        let fulfilled = answering.receiving(MediaKind::Audio) >= asked.audios_expected
            && answering.receiving(MediaKind::Video) >= asked.videos_expected;
        if fulfilled || asked.answers >= PATIENCE_ANSWERS {
            self.asked = None;
        }
    }
}
