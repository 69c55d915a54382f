//! The bytes that go to the executor: header, strings, steps, descriptor table.

use std::os::fd::RawFd;

use super::Plan;
use super::op::{Slot, Step};
use super::record::{Header, MAGIC};

impl Plan {
    /// Encodes the plan with the numbers its prepared descriptors have.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // sizes: see Builder::position
    pub fn encode(&self, fds: &[(Slot, RawFd)]) -> Vec<u8> {
        let mut bytes = self.arena.clone();
        bytes.resize(bytes.len().next_multiple_of(8), 0);
        let steps_at = bytes.len();
        for planned in &self.steps {
            bytes.extend_from_slice(&planned.step.encode());
        }
        let fds_at = bytes.len();
        for (slot, fd) in fds {
            bytes.extend_from_slice(&u32::from(slot.0).to_ne_bytes());
            bytes.extend_from_slice(&fd.to_ne_bytes());
        }
        let header = [
            MAGIC,
            Step::SIZE as u32,
            steps_at as u32,
            self.steps.len() as u32,
            fds_at as u32,
            fds.len() as u32,
        ];
        for (chunk, word) in bytes.chunks_exact_mut(4).zip(header) {
            chunk.copy_from_slice(&word.to_ne_bytes());
        }
        debug_assert_eq!(size_of_val(&header), Header::SIZE);
        bytes
    }

    /// What a string operand says.
    pub fn text_at(&self, at: u32) -> &[u8] {
        let tail = self.arena.get(at as usize..).unwrap_or(&[]);
        tail.split(|b| *b == 0).next().unwrap_or(&[])
    }
}
