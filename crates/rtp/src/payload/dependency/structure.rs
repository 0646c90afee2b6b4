//! The template structure: what the frames of a coded video sequence can be, section A.8.3.
//!
//! Read once per key frame and kept by the stream's `Reader`; frames refer to its templates.

use super::{CHAINS_MAX, ChainDifferences, Indication, Indications, References, WHAT};
use crate::bytes::BitReader;
use crate::{Error, FrameSize};

/// Templates of a structure at most: ids have 6 bits.
pub const TEMPLATES_MAX: usize = 64;

/// Decode targets of a structure at most.
pub const DECODE_TARGETS_MAX: usize = 32;

/// Spatial layers of a structure at most.
pub const SPATIAL_LAYERS_MAX: usize = 4;

/// Temporal layers of a structure at most.
pub const TEMPORAL_LAYERS_MAX: usize = 8;

/// What a frame says by naming a template.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Template {
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
}

/// The layers that a decode target is made of: all up to these.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct TargetLayers {
    spatial: u8,
    temporal: u8,
}

/// A template structure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Structure {
    id_offset: u8,
    template_count: u8,
    templates: [Template; TEMPLATES_MAX],
    target_count: u8,
    targets: [TargetLayers; DECODE_TARGETS_MAX],
    chain_count: u8,
    protected_by: [u8; DECODE_TARGETS_MAX],
    spatial_layers: u8,
    sizes: Option<[FrameSize; SPATIAL_LAYERS_MAX]>,
}

impl Structure {
    /// The template that a frame means by `id`.
    pub fn template(&self, id: u8) -> Option<&Template> {
        self.templates().get(usize::from(id.wrapping_sub(self.id_offset) & 0x3F))
    }

    /// The templates in order.
    pub fn templates(&self) -> &[Template] {
        self.templates.get(..usize::from(self.template_count)).unwrap_or_default()
    }

    /// How many decode targets there are, 1 to 32.
    pub const fn decode_targets(&self) -> u8 {
        self.target_count
    }

    /// The highest spatial and temporal layer of a decode target.
    pub fn target_layers(&self, target: u8) -> Option<(u8, u8)> {
        let layers = self.targets.get(..usize::from(self.target_count))?.get(usize::from(target))?;
        Some((layers.spatial, layers.temporal))
    }

    /// The decode target that holds exactly the layers up to these.
    pub fn target_with_layers(&self, spatial: u8, temporal: u8) -> Option<u8> {
        (0..self.target_count).find(|target| self.target_layers(*target) == Some((spatial, temporal)))
    }

    /// How many chains there are, 0 to 32.
    pub const fn chains(&self) -> u8 {
        self.chain_count
    }

    /// The chain whose frames must all arrive for a decode target to be decodable; `None` without chains.
    pub fn chain_of_target(&self, target: u8) -> Option<u8> {
        if self.chain_count == 0 || target >= self.target_count {
            return None;
        }
        self.protected_by.get(usize::from(target)).copied()
    }

    /// Spatial layers, 1 to 4.
    pub const fn spatial_layers(&self) -> u8 {
        self.spatial_layers
    }

    /// The largest picture of a spatial layer, where told.
    pub fn size(&self, spatial: u8) -> Option<FrameSize> {
        if spatial >= self.spatial_layers {
            return None;
        }
        self.sizes.as_ref()?.get(usize::from(spatial)).copied()
    }

    /// `template_dependency_structure()`.
    pub(super) fn read(bits: &mut BitReader<'_>) -> Result<Self, Error> {
        let short = Error::truncated(WHAT);
        let mut structure = Self {
            id_offset: bits.bits(6).ok_or(short)? as u8,
            template_count: 0,
            templates: [Template::default(); TEMPLATES_MAX],
            target_count: bits.bits(5).ok_or(short)? as u8 + 1,
            targets: [TargetLayers::default(); DECODE_TARGETS_MAX],
            chain_count: 0,
            protected_by: [0; DECODE_TARGETS_MAX],
            spatial_layers: 1,
            sizes: None,
        };
        structure.read_layers(bits)?;
        structure.read_indications(bits).ok_or(short)?;
        structure.read_references(bits)?;
        structure.read_chains(bits)?;
        structure.derive_target_layers();
        structure.read_sizes(bits).ok_or(short)?;
        Ok(structure)
    }

    fn templates_mut(&mut self) -> impl Iterator<Item = &mut Template> {
        self.templates.iter_mut().take(usize::from(self.template_count))
    }

    /// `template_layers()`: each template tells whether the next is of the same, the next temporal or the next
    /// spatial layer, or does not exist.
    fn read_layers(&mut self, bits: &mut BitReader<'_>) -> Result<(), Error> {
        let (mut spatial, mut temporal) = (0u8, 0u8);
        loop {
            let too_many = Error::malformed(WHAT, "more than 64 templates");
            let template = self.templates.get_mut(usize::from(self.template_count)).ok_or(too_many)?;
            (template.spatial, template.temporal) = (spatial, temporal);
            self.template_count += 1;
            match bits.bits(2).ok_or(Error::truncated(WHAT))? {
                0 => {}
                1 => temporal += 1,
                2 => (spatial, temporal) = (spatial + 1, 0),
                _ => break,
            }
            if usize::from(spatial) >= SPATIAL_LAYERS_MAX || usize::from(temporal) >= TEMPORAL_LAYERS_MAX {
                return Err(Error::malformed(WHAT, "more than 4 spatial or 8 temporal layers"));
            }
        }
        self.spatial_layers = spatial + 1;
        Ok(())
    }

    /// `template_dtis()`.
    fn read_indications(&mut self, bits: &mut BitReader<'_>) -> Option<()> {
        let targets = self.target_count;
        for template in self.templates_mut() {
            template.indications = Indications::read(bits, targets)?;
        }
        Some(())
    }

    /// `template_fdiffs()`: differences of 4 bits, each behind a flag that it exists.
    fn read_references(&mut self, bits: &mut BitReader<'_>) -> Result<(), Error> {
        let short = Error::truncated(WHAT);
        for template in self.templates_mut() {
            while bits.flag().ok_or(short)? {
                template.references.push(bits.bits(4).ok_or(short)? as u16 + 1)?;
            }
        }
        Ok(())
    }

    /// `template_chains()`.
    fn read_chains(&mut self, bits: &mut BitReader<'_>) -> Result<(), Error> {
        let short = Error::truncated(WHAT);
        let count = bits.non_symmetric(u32::from(self.target_count) + 1).ok_or(short)?;
        if count as usize > CHAINS_MAX {
            return Err(Error::malformed(WHAT, "more chains than decode targets"));
        }
        self.chain_count = count as u8;
        if count == 0 {
            return Ok(());
        }
        for chain in self.protected_by.iter_mut().take(usize::from(self.target_count)) {
            *chain = bits.non_symmetric(count).ok_or(short)? as u8;
        }
        let chains = self.chain_count;
        for template in self.templates_mut() {
            template.chains = ChainDifferences::read(bits, chains, 4).ok_or(short)?;
        }
        Ok(())
    }

    /// `decode_target_layers()`: a target reaches as high as the highest template that is part of it.
    fn derive_target_layers(&mut self) {
        for (target, layers) in (0..self.target_count).zip(&mut self.targets) {
            let parts = self.templates.iter().take(usize::from(self.template_count));
            for template in parts.filter(|template| template.indications.get(target) != Indication::NotPresent) {
                layers.spatial = layers.spatial.max(template.spatial);
                layers.temporal = layers.temporal.max(template.temporal);
            }
        }
    }

    /// `render_resolutions()`, if there.
    fn read_sizes(&mut self, bits: &mut BitReader<'_>) -> Option<()> {
        if !bits.flag()? {
            return Some(());
        }
        let mut sizes = [FrameSize::default(); SPATIAL_LAYERS_MAX];
        for size in sizes.iter_mut().take(usize::from(self.spatial_layers)) {
            *size = FrameSize { width: bits.bits(16)? + 1, height: bits.bits(16)? + 1 };
        }
        self.sizes = Some(sizes);
        Some(())
    }
}
