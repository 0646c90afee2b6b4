//! An audio encoder: Opus, or RED with Opus inside, without sound in it.

use std::collections::VecDeque;
use std::time::Duration;

use tutti_rtp::red::{self, Block};
use tutti_rtp::{AudioLevel, HeaderExtensions, RtpHeader, RtpTimestamp, SequenceNumber, Ssrc};

use super::camera::{origin, packet};

/// One microphone.
#[derive(Debug, Clone)]
pub struct Microphone {
    pub ssrc: u32,
    pub sequence: u16,
    pub timestamp_base: u32,
    /// Frames before that RED repeats.
    pub copies: usize,
    /// The newest frames with their timestamps.
    last: VecDeque<(u32, Vec<u8>)>,
}

impl Microphone {
    pub fn new() -> Self {
        Self { ssrc: 0x1000, sequence: 65_530, timestamp_base: 0xFFFF_FF00, copies: 1, last: VecDeque::new() }
    }

    pub fn timestamp(&self, at: Duration) -> u32 {
        self.timestamp_base.wrapping_add((at.as_micros() * 48 / 1_000) as u32)
    }

    /// A packet of 20 ms at `dbov` below full scale.
    pub fn speak(&mut self, at: Duration, payload_type: u8, dbov: u8) -> Vec<u8> {
        let payload = self.next_frame(at);
        self.packet(at, payload_type, dbov, &payload)
    }

    /// The same with the frames before as redundancy.
    pub fn speak_red(&mut self, at: Duration, payload_type: u8, dbov: u8) -> Vec<u8> {
        let before = self.last.clone();
        let frame = self.next_frame(at);
        let now = self.timestamp(at);
        let redundant: Vec<Block<'_>> = before
            .iter()
            .filter_map(|(timestamp, data)| {
                let timestamp_offset = u16::try_from(now.wrapping_sub(*timestamp)).ok()?;
                let block = Block { payload_type: 111, timestamp_offset, data, primary: false };
                (timestamp_offset <= red::TIMESTAMP_OFFSET_MAX).then_some(block)
            })
            .collect();
        let mut payload = vec![0; red::encoded_len(&redundant, &frame)];
        red::write(&redundant, 111, &frame, &mut payload).expect("room");
        self.packet(at, payload_type, dbov, &payload)
    }

    fn next_frame(&mut self, at: Duration) -> Vec<u8> {
        let mut frame = vec![0x78, 1, 2, 3];
        frame.extend(origin(self.ssrc, self.sequence));
        self.last.push_back((self.timestamp(at), frame.clone()));
        if self.last.len() > self.copies {
            self.last.pop_front();
        }
        frame
    }

    fn packet(&mut self, at: Duration, payload_type: u8, dbov: u8, payload: &[u8]) -> Vec<u8> {
        let header = RtpHeader {
            marker: false,
            payload_type,
            sequence: SequenceNumber(self.sequence),
            timestamp: RtpTimestamp(self.timestamp(at)),
            ssrc: Ssrc(self.ssrc),
            padding: false,
        };
        self.sequence = self.sequence.wrapping_add(1);
        let level = Some(AudioLevel { voice: true, dbov });
        packet(&header, &HeaderExtensions { audio_level: level, ..HeaderExtensions::default() }, payload)
    }
}
