//! How much an archive may ask for.

/// Limits of one layer: a small archive must not fill the disk or the memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// Bytes of the decompressed stream.
    pub bytes: u64,
    /// Entries, each of which costs an inode.
    pub entries: u64,
}

impl Default for Limits {
    /// 128 GiB and four million entries: more than any image known to be of use.
    fn default() -> Self {
        Self { bytes: 128 << 30, entries: 4_000_000 }
    }
}

/// Bytes of an entry's extended headers, which are held in memory. Linux has 64 KiB for all attributes
/// of an inode on most file systems; names have 4 KiB.
pub(super) const MAX_EXTENDED: u64 = 1 << 20;
/// Pieces of a sparse file, which are held in memory.
pub(super) const MAX_PIECES: usize = 1 << 17;
