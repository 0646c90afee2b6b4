//! Which qualities of one track anybody wants, for each of its codecs (docs/protocol.md#dynacast). More is said at
//! once, less after a delay, so that a viewer who looks away for a moment costs no key frame.

use std::time::{Duration, Instant};

use livekit_protocol::{SubscribedCodec, SubscribedQuality, VideoQuality};

/// All qualities, as every message lists them.
const QUALITIES: [VideoQuality; 3] = [VideoQuality::Low, VideoQuality::Medium, VideoQuality::High];

/// Demand for one track.
#[derive(Debug, Clone, Default)]
pub(crate) struct Demand {
    codecs: Vec<CodecDemand>,
    lower_since: Option<Instant>,
}

#[derive(Debug, Clone, Copy, Default)]
struct CodecDemand {
    /// Subscriptions that want this much at most: `Low`, `Medium`, `High`.
    wanting: [u32; 3],
    /// What the publisher was told, 0 = off to 3 = high. `None` = nothing yet.
    told: Option<u8>,
}

/// What is to be done after a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Announce {
    /// The publisher knows.
    Nothing,
    /// Tell it now.
    Now,
    /// Look again then.
    At(Instant),
}

impl CodecDemand {
    /// 0 = off to 3 = high.
    fn wanted(&self) -> u8 {
        match self.wanting {
            [_, _, 1..=u32::MAX] => 3,
            [_, 1..=u32::MAX, _] => 2,
            [1..=u32::MAX, _, _] => 1,
            _ => 0,
        }
    }

    /// What the publisher does now. Untold, it sends all of its first codec and nothing of the others.
    fn standing(&self, codec: usize) -> u8 {
        self.told.unwrap_or(if codec == 0 { 3 } else { 0 })
    }
}

impl Demand {
    /// A subscription that wanted `before` of a codec now wants `after`; `None` = nothing.
    pub(crate) fn shift(&mut self, codec: usize, before: Option<VideoQuality>, after: Option<VideoQuality>) {
        self.reserve(codec + 1);
        let Some(demand) = self.codecs.get_mut(codec) else { return };
        if let Some(count) = before.and_then(|quality| demand.wanting.get_mut(quality as usize)) {
            *count = count.saturating_sub(1);
        }
        if let Some(count) = after.and_then(|quality| demand.wanting.get_mut(quality as usize)) {
            *count += 1;
        }
    }

    /// The track has this many codecs.
    pub(crate) fn reserve(&mut self, codecs: usize) {
        if self.codecs.len() < codecs {
            self.codecs.resize(codecs, CodecDemand::default());
        }
    }

    /// Decides whether the publisher must hear of it, and takes note when it will.
    pub(crate) fn reconcile(&mut self, now: Instant, delay: Duration) -> Announce {
        let mut more = false;
        let mut less = false;
        for (index, codec) in self.codecs.iter().enumerate() {
            let (wanted, standing) = (codec.wanted(), codec.standing(index));
            more |= wanted > standing || (codec.told.is_none() && wanted == standing && wanted > 0);
            less |= wanted < standing;
        }
        let expired = less && self.lower_since.is_some_and(|since| now >= since + delay);
        for (index, codec) in self.codecs.iter_mut().enumerate() {
            let (wanted, standing) = (codec.wanted(), codec.standing(index));
            if expired || (more && wanted >= standing) {
                codec.told = Some(wanted);
            }
        }
        if less && !expired {
            let since = *self.lower_since.get_or_insert(now);
            return if more { Announce::Now } else { Announce::At(since + delay) };
        }
        self.lower_since = None;
        if more || expired { Announce::Now } else { Announce::Nothing }
    }

    /// When `reconcile` must be asked again.
    pub(crate) fn deadline(&self, delay: Duration) -> Option<Instant> {
        self.lower_since.map(|since| since + delay)
    }

    /// The best quality of a codec that the publisher was told to send; `None` = off.
    pub(crate) fn standing(&self, codec: usize) -> Option<VideoQuality> {
        let standing = self.codecs.get(codec).map_or(if codec == 0 { 3 } else { 0 }, |demand| demand.standing(codec));
        standing.checked_sub(1).and_then(|quality| QUALITIES.get(usize::from(quality)).copied())
    }

    /// Whether the publisher was told anything.
    pub(crate) fn was_told(&self) -> bool {
        self.codecs.iter().any(|codec| codec.told.is_some())
    }

    /// The message's list; `names` are the codecs of the track in order.
    pub(crate) fn subscribed_codecs<'a>(&self, names: impl Iterator<Item = &'a str>) -> Vec<SubscribedCodec> {
        let line = |(index, name): (usize, &str)| {
            let standing = self.standing(index);
            let qualities = QUALITIES.iter().map(|quality| SubscribedQuality {
                quality: *quality as i32,
                enabled: standing.is_some_and(|best| *quality as i32 <= best as i32),
            });
            SubscribedCodec { codec: name.to_owned(), qualities: qualities.collect() }
        };
        names.enumerate().map(line).collect()
    }

    /// Whether any subscription counts, for checks.
    #[cfg(test)]
    pub(crate) fn is_idle(&self) -> bool {
        self.codecs.iter().all(|codec| codec.wanted() == 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use VideoQuality::{High, Low, Medium};

    const DELAY: Duration = Duration::from_secs(5);

    #[test]
    fn up_at_once_down_after_a_delay() {
        let start = Instant::now();
        let at = |s| start + Duration::from_secs(s);
        let mut demand = Demand::default();
        demand.reserve(1);
        assert_eq!(demand.reconcile(start, DELAY), Announce::At(at(5)), "nobody looks yet");
        demand.shift(0, None, Some(High));
        assert_eq!(demand.reconcile(at(1), DELAY), Announce::Now);
        assert_eq!(demand.reconcile(at(1), DELAY), Announce::Nothing);
        demand.shift(0, Some(High), Some(Low));
        assert_eq!(demand.reconcile(at(2), DELAY), Announce::At(at(7)));
        assert_eq!(demand.standing(0), Some(High));
        demand.shift(0, Some(Low), Some(Medium));
        assert_eq!(demand.reconcile(at(6), DELAY), Announce::At(at(7)));
        assert_eq!(demand.reconcile(at(7), DELAY), Announce::Now);
        assert_eq!(demand.standing(0), Some(Medium));
        demand.shift(0, Some(Medium), None);
        assert_eq!(demand.reconcile(at(8), DELAY), Announce::At(at(13)));
        demand.shift(0, None, Some(Medium));
        assert_eq!(demand.reconcile(at(9), DELAY), Announce::Nothing, "it came back in time");
        demand.shift(0, Some(Medium), None);
        demand.reconcile(at(20), DELAY);
        assert_eq!(demand.reconcile(at(25), DELAY), Announce::Now);
        assert_eq!(demand.standing(0), None);
        assert!(demand.is_idle());
    }

    #[test]
    fn every_quality_of_every_codec_is_listed() {
        let start = Instant::now();
        let mut demand = Demand::default();
        demand.reserve(2);
        demand.shift(0, None, Some(Low));
        demand.shift(1, None, Some(Medium));
        // The backup codec is switched on now, the first codec goes down later.
        assert_eq!(demand.reconcile(start, DELAY), Announce::Now);
        let flags = |demand: &Demand| -> Vec<Vec<bool>> {
            let codecs = demand.subscribed_codecs(["vp9", "vp8"].into_iter());
            codecs.iter().map(|codec| codec.qualities.iter().map(|quality| quality.enabled).collect()).collect()
        };
        assert_eq!(flags(&demand), [[true, true, true], [true, true, false]]);
        assert_eq!(demand.reconcile(start + DELAY, DELAY), Announce::Now);
        assert_eq!(flags(&demand), [[true, false, false], [true, true, false]]);
    }
}
