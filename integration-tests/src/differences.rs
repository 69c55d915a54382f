//! Where the oracles are known not to do what teu promises: one table, a reason each.
//!
//! A test states teu's behaviour. For a runtime listed here it is skipped, with a line on stderr; set
//! `TEU_TEST_DIFFERENCES=run` to run it all the same and find out whether the entry is still true.

use crate::Kind::{self};
use crate::Runtime;

/// One difference.
#[derive(Debug)]
pub struct Difference {
    /// How tests refer to it.
    pub name: &'static str,
    /// Who does otherwise.
    pub who: &'static [Kind],
    /// What they do, and why teu does not.
    pub why: &'static str,
}

const fn differ(name: &'static str, who: &'static [Kind], why: &'static str) -> Difference {
    Difference { name, who, why }
}

/// Every known difference.
pub const DIFFERENCES: &[Difference] = &[];

/// Whether the runtime under test is listed for this difference; says so.
///
/// # Panics
/// When the table has no such entry.
pub fn applies(name: &str) -> bool {
    let entry = DIFFERENCES.iter().find(|d| d.name == name);
    let entry = entry.unwrap_or_else(|| panic!("no difference is called {name:?}"));
    let kind = Runtime::get().kind();
    let forced = std::env::var("TEU_TEST_DIFFERENCES").is_ok_and(|v| v == "run");
    let listed = entry.who.contains(&kind) && !forced;
    if listed {
        eprintln!("DIFFERS: {kind:?}: {}: {}", entry.name, entry.why);
    }
    listed
}
