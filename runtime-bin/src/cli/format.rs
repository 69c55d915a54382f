//! `--format` of lists.

/// How a list looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Columns for people.
    Table,
    /// For programs.
    Json,
}

impl Format {
    /// By name.
    pub fn parse(text: &str) -> Result<Self, String> {
        match text {
            "table" => Ok(Self::Table),
            "json" => Ok(Self::Json),
            _ => Err("invalid format option: must be table or json".to_owned()),
        }
    }
}
