//! The AV1 dependency descriptor header extension, appendix A of <https://aomediacodec.github.io/av1-rtp-spec/>,
//! which VP9 and H.264 senders use as well.
//!
//! Here: the descriptor of one frame. `structure` reads the template structure it rests on, `patch` changes a
//! descriptor on its way to a receiver. Which frames a receiver gets is not decided here.

mod patch;
mod structure;

pub use patch::{set_frame_number, write_active_targets};
pub use structure::{DECODE_TARGETS_MAX, SPATIAL_LAYERS_MAX, Structure, TEMPLATES_MAX, TEMPORAL_LAYERS_MAX, Template};

use super::FrameSize;
use crate::Error;
use crate::bytes::BitReader;

const WHAT: &str = "dependency descriptor";

/// References of one frame that are told at most. No codec here has more reference buffers.
pub const REFERENCES_MAX: usize = 16;

/// Chains that a structure has at most, section A.8.
pub const CHAINS_MAX: usize = 32;

/// Bytes of the mandatory fields.
const MANDATORY_LEN: usize = 3;

/// What a frame is to a decode target, section A.4.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Indication {
    /// Not part of it.
    NotPresent,
    /// Part of it, and no later frame of it refers to this one.
    Discardable,
    /// Part of it, and a receiver may switch to the target here.
    Switch,
    /// Part of it.
    Required,
}

impl Indication {
    const fn from_bits(bits: u64) -> Self {
        match bits & 3 {
            0 => Self::NotPresent,
            1 => Self::Discardable,
            2 => Self::Switch,
            _ => Self::Required,
        }
    }
}

/// What a frame is to each decode target, at most 32.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Indications {
    /// Two bits each, the first target lowest.
    bits: u64,
    count: u8,
}

impl Indications {
    /// For the decode target with this index; `NotPresent` for one that does not exist.
    pub const fn get(&self, target: u8) -> Indication {
        if target < self.count { Indication::from_bits(self.bits >> (2 * target)) } else { Indication::NotPresent }
    }

    /// How many decode targets there are.
    pub const fn len(&self) -> u8 {
        self.count
    }

    /// There are no decode targets: nothing is known.
    pub const fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// For each decode target in order.
    pub fn iter(&self) -> impl Iterator<Item = Indication> + use<> {
        let all = *self;
        (0..all.count).map(move |target| all.get(target))
    }

    fn read(bits: &mut BitReader<'_>, count: u8) -> Option<Self> {
        let mut all = Self { bits: 0, count };
        for target in 0..count {
            all.bits |= u64::from(bits.bits(2)?) << (2 * target);
        }
        Some(all)
    }
}

/// How far back the frames lie that a frame refers to, in frame numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct References {
    differences: [u16; REFERENCES_MAX],
    count: u8,
}

impl References {
    /// The differences, each at least 1.
    pub fn as_slice(&self) -> &[u16] {
        self.differences.get(..usize::from(self.count)).unwrap_or_default()
    }

    /// The frame refers to none.
    pub const fn is_empty(&self) -> bool {
        self.count == 0
    }

    fn push(&mut self, difference: u16) -> Result<(), Error> {
        let too_many = Error::malformed(WHAT, "more than 16 references");
        *self.differences.get_mut(usize::from(self.count)).ok_or(too_many)? = difference;
        self.count += 1;
        Ok(())
    }
}

/// For each chain, how far back its previous frame lies, in frame numbers; 0 = this frame begins the chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ChainDifferences {
    differences: [u8; CHAINS_MAX],
    count: u8,
}

impl ChainDifferences {
    /// The differences, one for each chain.
    pub fn as_slice(&self) -> &[u8] {
        self.differences.get(..usize::from(self.count)).unwrap_or_default()
    }

    /// `count` fields of `width` bits, 8 at most.
    fn read(bits: &mut BitReader<'_>, count: u8, width: u32) -> Option<Self> {
        let mut all = Self { count, ..Self::default() };
        for difference in all.differences.iter_mut().take(usize::from(count)) {
            *difference = bits.bits(width)? as u8;
        }
        Some(all)
    }
}

/// The descriptor of one packet, with what its template says filled in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Descriptor {
    /// The packet is the first of its frame.
    pub start_of_frame: bool,
    /// The packet is the last of its frame.
    pub end_of_frame: bool,
    /// Number of the frame, modulo 2^16. Each layer's frame counts.
    pub frame_number: u16,
    /// A template structure came with this packet: a new coded video sequence begins.
    pub structure_attached: bool,
    /// Decode targets that are being sent, lowest bit first; `None` = as before (all, after a new structure).
    pub active_targets: Option<u32>,
    /// Spatial layer.
    pub spatial: u8,
    /// Temporal layer.
    pub temporal: u8,
    /// What the frame is to each decode target.
    pub indications: Indications,
    /// What it refers to.
    pub references: References,
    /// Where it stands in each chain.
    pub chains: ChainDifferences,
    /// Size of its spatial layer, where the structure tells.
    pub size: Option<FrameSize>,
}

impl Descriptor {
    /// Whether decoding can begin with this frame: a structure came and no other frame is needed.
    pub const fn is_key_frame(&self) -> bool {
        self.structure_attached && self.references.is_empty()
    }
}

/// The fields that every descriptor begins with.
#[derive(Debug, Clone, Copy)]
struct Mandatory {
    start_of_frame: bool,
    end_of_frame: bool,
    template_id: u8,
    frame_number: u16,
}

/// The flags that follow in a descriptor of more than three bytes.
#[derive(Debug, Clone, Copy, Default)]
struct Flags {
    structure: bool,
    active_targets: bool,
    custom_indications: bool,
    custom_references: bool,
    custom_chains: bool,
}

/// Bits of the flags.
const FLAGS_LEN: u32 = 5;

impl Mandatory {
    fn read(bits: &mut BitReader<'_>) -> Option<Self> {
        Some(Self {
            start_of_frame: bits.flag()?,
            end_of_frame: bits.flag()?,
            template_id: bits.bits(6)? as u8,
            frame_number: bits.bits(16)? as u16,
        })
    }
}

impl Flags {
    fn read(bits: &mut BitReader<'_>) -> Option<Self> {
        Some(Self {
            structure: bits.flag()?,
            active_targets: bits.flag()?,
            custom_indications: bits.flag()?,
            custom_references: bits.flag()?,
            custom_chains: bits.flag()?,
        })
    }

    fn to_bits(self) -> u32 {
        u32::from(self.structure) << 4
            | u32::from(self.active_targets) << 3
            | u32::from(self.custom_indications) << 2
            | u32::from(self.custom_references) << 1
            | u32::from(self.custom_chains)
    }
}

/// Reads the descriptors of one stream and keeps the structure they rest on.
///
/// The first structure is allocated on the heap (some 5 KB), so that a stream without descriptors costs nothing;
/// later ones take its place.
#[derive(Debug, Clone, Default)]
pub struct Reader {
    structure: Option<Box<Structure>>,
}

impl Reader {
    /// The structure that came last, if any.
    pub fn structure(&self) -> Option<&Structure> {
        self.structure.as_deref()
    }

    /// Reads the data of the header extension. A structure in it becomes the current one, if all of the descriptor
    /// is valid.
    ///
    /// # Errors
    /// [`Error::Truncated`] if the data ends early; [`Error::UnknownTemplate`] if no structure came yet or the
    /// template is not in it; [`Error::Malformed`] if a limit of the format is passed.
    pub fn read(&mut self, data: &[u8]) -> Result<Descriptor, Error> {
        let short = Error::truncated(WHAT);
        let mut bits = BitReader::new(data);
        let mandatory = Mandatory::read(&mut bits).ok_or(short)?;
        let mut flags = Flags::default();
        if data.len() > MANDATORY_LEN {
            flags = Flags::read(&mut bits).ok_or(short)?;
        }
        if !flags.structure {
            let structure = self.structure.as_deref().ok_or(Error::UnknownTemplate)?;
            return read_frame(&mut bits, mandatory, flags, structure);
        }
        let structure = Structure::read(&mut bits)?;
        let descriptor = read_frame(&mut bits, mandatory, flags, &structure)?;
        match &mut self.structure {
            Some(current) => **current = structure,
            none => *none = Some(Box::new(structure)),
        }
        Ok(descriptor)
    }
}

/// The rest of a descriptor, behind flags and structure.
fn read_frame(
    bits: &mut BitReader<'_>,
    mandatory: Mandatory,
    flags: Flags,
    structure: &Structure,
) -> Result<Descriptor, Error> {
    let short = Error::truncated(WHAT);
    let targets = structure.decode_targets();
    let active_targets = if flags.active_targets { Some(bits.bits(targets.into()).ok_or(short)?) } else { None };
    let template = structure.template(mandatory.template_id).ok_or(Error::UnknownTemplate)?;
    let mut descriptor = Descriptor {
        start_of_frame: mandatory.start_of_frame,
        end_of_frame: mandatory.end_of_frame,
        frame_number: mandatory.frame_number,
        structure_attached: flags.structure,
        active_targets,
        spatial: template.spatial,
        temporal: template.temporal,
        indications: template.indications,
        references: template.references,
        chains: template.chains,
        size: structure.size(template.spatial),
    };
    if flags.custom_indications {
        descriptor.indications = Indications::read(bits, targets).ok_or(short)?;
    }
    if flags.custom_references {
        descriptor.references = read_custom_references(bits)?;
    }
    if flags.custom_chains {
        descriptor.chains = ChainDifferences::read(bits, structure.chains(), 8).ok_or(short)?;
    }
    Ok(descriptor)
}

/// `frame_fdiffs()`: differences of 4, 8 or 12 bits, each behind its width; a width of 0 ends them.
fn read_custom_references(bits: &mut BitReader<'_>) -> Result<References, Error> {
    let short = Error::truncated(WHAT);
    let mut references = References::default();
    loop {
        match bits.bits(2).ok_or(short)? {
            0 => return Ok(references),
            nibbles => references.push(bits.bits(4 * nibbles).ok_or(short)? as u16 + 1)?,
        }
    }
}
