//! Containers of the store: a writable layer on top of an image's, and what it becomes.

mod attributes;
mod commit;
mod container;
mod copy;
mod diff;
mod export;
mod fix;
mod overlay;
mod record;
mod stack;

pub(crate) use attributes::{copy as copy_attributes, copy_times, itself, read as read_attributes};
pub use commit::{Commit, Committed, import};
pub(crate) use container::MountPoints;
pub use container::{Container, RootFs};
pub(crate) use copy::{file as copy_file, tree as copy_tree};
pub use diff::{Change, ChangeKind};
pub use record::{Kind, Record};
