//! What of one stream is forwarded: spatial and temporal layers inside it, and where they may change.
//!
//! Down at the next picture that allows it; up only where the codec allows: VP8 and H.265 at a layer sync, VP9 temporal
//! at a switching point and spatial at a key picture, dependency descriptors at a switch indication whose references were
//! forwarded. Of spatial layers that rest on each other in key pictures only (k-SVC), the others carry one; then going
//! down takes a key picture as well. Knows nothing about other streams.

use tutti_rtp::payload::dependency::{Indication, Structure};
use tutti_rtp::{Codec, RtpTimestamp};

use crate::decode_target::{DecodeTarget, DecodeTargetSet};
use crate::layers::Layers;
use crate::ring::{Frame, PacketSlot};
use crate::{LayerIndex, LayerTarget};

/// No decode target is chosen.
const NO_TARGET: u8 = u8::MAX;

/// The layers of a stream that are forwarded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Selection {
    /// Highest spatial layer inside the stream.
    pub spatial: u8,
    /// Highest temporal layer.
    pub temporal: u8,
    /// Lower spatial layers are left out of pictures that refer to earlier ones: the highest one does without them.
    pub separate: bool,
    /// The decode target, for streams with dependency descriptors.
    pub target: u8,
}

impl Default for Selection {
    fn default() -> Self {
        Self {
            spatial: LayerTarget::ALL.spatial,
            temporal: LayerTarget::ALL.temporal,
            separate: false,
            target: NO_TARGET,
        }
    }
}

impl Selection {
    /// Whether the packet is part of it.
    pub(super) fn admits(&self, slot: &PacketSlot) -> bool {
        match Filter::of(slot) {
            Filter::None => true,
            Filter::Layers => self.admits_layers(&slot.frame),
            Filter::Targets => {
                self.target == NO_TARGET || slot.targets.is_none_or(|set| set.present >> (self.target & 31) & 1 == 1)
            }
        }
    }

    const fn admits_layers(&self, frame: &Frame) -> bool {
        let needed = frame.spatial == self.spatial || (frame.spatial < self.spatial && !self.leaves_out(frame));
        needed && frame.temporal <= self.temporal
    }

    /// Whether a frame below the highest layer is of no use to it.
    const fn leaves_out(&self, frame: &Frame) -> bool {
        self.separate && frame.inter_picture
    }

    /// The lower of two selections of one stream.
    pub(super) fn lower(self, other: Self) -> Self {
        let by_target = if (other.spatial, other.temporal) < (self.spatial, self.temporal) { other } else { self };
        Self {
            spatial: self.spatial.min(other.spatial),
            temporal: self.temporal.min(other.temporal),
            separate: self.separate || other.separate,
            target: by_target.target,
        }
    }

    /// Whether the packet ends the picture as the subscriber sees it, its highest layer being the last forwarded one.
    pub(super) fn ends_picture(&self, slot: &PacketSlot) -> bool {
        slot.marker || (Filter::of(slot) != Filter::None && slot.frame.end && slot.frame.spatial == self.spatial)
    }

    /// The decode targets that the subscriber can still decode, if not all: the mask that tells it so.
    pub(super) fn active_targets(&self, targets: &[DecodeTarget], active: u32) -> Option<u32> {
        let chosen = targets.get(usize::from(self.target))?;
        let below = |target: &DecodeTarget| target.spatial <= chosen.spatial && target.temporal <= chosen.temporal;
        let mask =
            targets.iter().zip(0u32..32).filter(|(target, _)| below(target)).fold(0, |mask, (_, at)| mask | 1 << at);
        let all = u32::MAX >> (32 - targets.len().clamp(1, 32));
        (mask != all).then_some(mask & active)
    }
}

/// How a packet tells its layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Filter {
    /// Not at all: everything is forwarded.
    None,
    /// By spatial and temporal id.
    Layers,
    /// By decode targets.
    Targets,
}

impl Filter {
    fn of(slot: &PacketSlot) -> Self {
        match (slot.codec, slot.targets.is_some()) {
            (Some(Codec::Vp8), _) | (Some(Codec::Vp9 | Codec::H265), false) => Self::Layers,
            (Some(Codec::Vp9 | Codec::Av1 | Codec::H264 | Codec::H265), true) => Self::Targets,
            _ => Self::None,
        }
    }
}

/// Chooses among the layers of the current stream.
#[derive(Debug, Default)]
pub(super) struct Selector {
    selection: Selection,
    wanted: Selection,
    picture: Option<RtpTimestamp>,
    /// The picture with which the decode target changed last.
    changed: Option<RtpTimestamp>,
    frames: ForwardedFrames,
    /// Spatial layers of which frames that others may refer to were left out since the key picture, lowest bit = smallest.
    left_out: u8,
}

/// The frames forwarded lately, by the numbers in their dependency descriptors.
#[derive(Debug, Clone, Copy, Default)]
struct ForwardedFrames {
    newest: u16,
    /// Bit n: the frame n before the newest one was forwarded.
    mask: u64,
}

impl ForwardedFrames {
    fn note(&mut self, number: u16) {
        let ahead = number.wrapping_sub(self.newest) as i16;
        match ahead {
            1.. => {
                self.mask = self.mask.checked_shl(ahead as u32).unwrap_or(0) | 1;
                self.newest = number;
            }
            -63..=0 => self.mask |= 1 << -ahead,
            _ => {}
        }
        if self.mask == 0 {
            *self = Self { newest: number, mask: 1 };
        }
    }

    /// Whether all that the frame refers to was forwarded.
    fn hold(&self, set: &DecodeTargetSet) -> bool {
        let behind = set.frame_number.wrapping_sub(self.newest) as i16;
        let known = match behind {
            // Bit n of the references is the frame n + 1 before this one.
            1..=64 => self.mask.checked_shl(behind as u32 - 1).unwrap_or(0),
            -62..=0 => self.mask >> (1 - behind),
            _ => 0,
        };
        !set.refers_far && set.references & !known == 0
    }
}

impl Selector {
    /// What is forwarded now.
    pub(super) const fn selection(&self) -> Selection {
        self.selection
    }

    /// The highest layers to forward from now on.
    pub(super) const fn want(&mut self, spatial: u8, temporal: u8) {
        self.wanted.spatial = spatial;
        self.wanted.temporal = temporal;
    }

    /// Packets come from another stream, or from a new beginning of it; the first one opens a key frame.
    pub(super) fn restart(&mut self) {
        let wanted = self.wanted;
        *self = Self { wanted, ..Self::default() };
    }

    /// Whether the packet belongs to the picture with which the decode target changed.
    pub(super) fn is_fresh(&self, slot: &PacketSlot) -> bool {
        self.changed == Some(slot.timestamp)
    }

    /// The next packet in order: whether to forward it.
    pub(super) fn decide(&mut self, layers: &Layers, layer: LayerIndex, slot: &PacketSlot) -> bool {
        let new_picture = self.picture != Some(slot.timestamp);
        let filter = Filter::of(slot);
        match filter {
            Filter::None => {}
            Filter::Layers => self.choose_layers(layers.separate(layer), slot, new_picture),
            Filter::Targets => self.choose_target(layers, layer, slot, new_picture),
        }
        self.picture = Some(slot.timestamp);
        let admitted = self.selection.admits(slot);
        if !admitted && filter == Filter::Layers && slot.frame.temporal <= self.selection.temporal {
            self.left_out |= 1 << (slot.frame.spatial & 7);
        }
        if admitted && let Some(set) = &slot.targets {
            self.frames.note(set.frame_number);
        }
        admitted
    }

    fn choose_layers(&mut self, top: Option<u8>, slot: &PacketSlot, new_picture: bool) {
        let frame = &slot.frame;
        let (wanted, best) = (self.wanted, self.best_spatial(top));
        if frame.key && frame.spatial == 0 {
            self.selection =
                Selection { spatial: best, temporal: wanted.temporal, separate: top.is_some(), ..self.selection };
            self.left_out = 0;
            return;
        }
        if new_picture && best < self.selection.spatial && self.is_intact(top, best) {
            self.selection.spatial = best;
        }
        let selection = &mut self.selection;
        if new_picture {
            selection.separate = top.is_some();
            selection.temporal = selection.temporal.min(wanted.temporal);
            let above = selection.temporal < frame.temporal && frame.temporal <= wanted.temporal;
            if above && frame.start && frame.switch_up {
                selection.temporal = frame.temporal;
            }
        }
        // A delimiter or SEI before an access picture of H.265 does not say that it is one; its first slice does.
        let slice = slot.codec == Some(Codec::H265) && frame.switch_up;
        if slice && selection.temporal < frame.temporal && frame.temporal <= wanted.temporal {
            selection.temporal = frame.temporal;
        }
    }

    fn choose_target(&mut self, layers: &Layers, layer: LayerIndex, slot: &PacketSlot, new_picture: bool) {
        let Some(set) = slot.targets else { return };
        let targets = layers.decode_targets(layer);
        let Some(best) = best_target(targets, set.active, self.wanted) else { return };
        if best == self.selection.target || !slot.frame.start {
            return;
        }
        let downwards = || {
            new_picture
                && layers.structure(layer).is_some_and(|structure| holds(structure, self.selection.target, best))
        };
        let switching_point = set.switch >> best & 1 == 1 && self.frames.hold(&set);
        if slot.frame.key || switching_point || downwards() {
            self.selection.target = best;
            self.changed = Some(slot.timestamp);
            if let Some(target) = targets.get(usize::from(best)) {
                (self.selection.spatial, self.selection.temporal) = (target.spatial, target.temporal);
            }
        }
    }

    /// Whether a key frame is needed to get from what is forwarded to what is wanted of `layer`.
    pub(super) fn wants_key_frame(&self, layers: &Layers, layer: LayerIndex) -> bool {
        let targets = layers.decode_targets(layer);
        match best_target(targets, layers.active_targets(layer), self.wanted) {
            Some(best) if self.selection.target != NO_TARGET => {
                let spatial = targets.get(usize::from(best)).map_or(0, |target| target.spatial);
                let below =
                    layers.structure(layer).is_some_and(|structure| holds(structure, self.selection.target, best));
                spatial != self.selection.spatial && !below
            }
            _ => {
                let top = layers.separate(layer);
                let (now, best) = (self.selection.spatial, self.best_spatial(top));
                best > now || !self.is_intact(top, best.min(now))
            }
        }
    }

    /// The highest spatial layer to forward. Where layers are separate, it has to be one that there is.
    fn best_spatial(&self, top: Option<u8>) -> u8 {
        self.wanted.spatial.min(top.unwrap_or(u8::MAX))
    }

    /// Whether a receiver has all that spatial layer `spatial` refers to. `top` as in [`Layers::separate`].
    fn is_intact(&self, top: Option<u8>, spatial: u8) -> bool {
        let needed = match top {
            Some(_) => 1 << (spatial & 7),
            None => u8::MAX >> (7 - spatial.min(7)),
        };
        self.left_out & needed == 0
    }
}

/// The highest active decode target within `wanted`; the lowest one if none is.
fn best_target(targets: &[DecodeTarget], active: u32, wanted: Selection) -> Option<u8> {
    let active_targets = targets.iter().zip(0u8..32).filter(|(_, at)| active >> at & 1 == 1);
    let rank = |(target, _): &(&DecodeTarget, u8)| (target.spatial, target.temporal);
    let within =
        |(target, _): &(&DecodeTarget, u8)| target.spatial <= wanted.spatial && target.temporal <= wanted.temporal;
    active_targets.clone().filter(within).max_by_key(rank).or_else(|| active_targets.min_by_key(rank)).map(|(_, at)| at)
}

/// Whether every frame of decode target `lower` is also one of `upper`: then a receiver of `upper` may go down to
/// `lower` at any picture.
fn holds(structure: &Structure, upper: u8, lower: u8) -> bool {
    if upper == NO_TARGET {
        return false;
    }
    structure.templates().iter().all(|template| {
        let part_of = |target| template.indications.get(target) != Indication::NotPresent;
        !part_of(lower) || part_of(upper)
    })
}
