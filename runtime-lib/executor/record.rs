//! What lies at the head of a plan, and the records that go back and forth while it is walked.
//!
//! Compiled into the executor and into libteu.

/// First word of a plan: refuses a plan written by another build.
pub const MAGIC: u32 = 0x7465_7501;

/// The first bytes of a plan. Offsets count from its start.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct Header {
    /// [`MAGIC`].
    pub magic: u32,
    /// Size of a step, as a check on the build.
    pub step_size: u32,
    /// Offset of the steps.
    pub steps_at: u32,
    /// Number of steps.
    pub steps: u32,
    /// Offset of the table of prepared descriptors, pairs of u32: slot, descriptor number.
    pub fds_at: u32,
    /// Number of pairs.
    pub fds: u32,
}

impl Header {
    /// Size in bytes.
    pub const SIZE: usize = size_of::<Self>();
}

/// From the executor to the runtime, one packet each; a failure may carry text behind it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct Record {
    /// [`Record::SIGNAL`] or [`Record::FAILURE`].
    pub kind: u32,
    /// Signal number, or index of the failed step.
    pub number: u32,
    /// The errno of a failure.
    pub errno: i32,
    /// Detail that depends on the op: a pid, the index of a candidate.
    pub aux: u32,
}

impl Record {
    /// A meeting point is reached.
    pub const SIGNAL: u32 = 1;
    /// A step failed; the executor is about to exit.
    pub const FAILURE: u32 = 2;
    /// Size in bytes.
    pub const SIZE: usize = size_of::<Self>();
    /// The longest text behind a failure.
    pub const DETAIL: usize = 256;

    /// The record as it goes over the socket.
    pub fn to_bytes(self) -> [u8; Self::SIZE] {
        let words = [self.kind, self.number, self.errno as u32, self.aux];
        let mut bytes = [0; Self::SIZE];
        for (chunk, word) in bytes.chunks_exact_mut(4).zip(words) {
            chunk.copy_from_slice(&word.to_ne_bytes());
        }
        bytes
    }

    /// The record at the front of a packet; `None` if the packet is too short.
    pub fn from_bytes(packet: &[u8]) -> Option<Self> {
        let word = |i: usize| -> Option<u32> {
            let bytes = packet.get(i * 4..i * 4 + 4)?;
            Some(u32::from_ne_bytes(bytes.try_into().ok()?))
        };
        Some(Self { kind: word(0)?, number: word(1)?, errno: word(2)? as i32, aux: word(3)? })
    }
}
