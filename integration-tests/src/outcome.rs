//! What a command left behind, and what a test may demand of it.

/// What a command left behind.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// Exit status, 128+n for a signal.
    pub status: i32,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
    /// The command line.
    pub command: String,
}

impl Outcome {
    /// Asserts success.
    #[track_caller]
    pub fn ok(self) -> Self {
        self.exits(0)
    }

    /// Asserts an exit status.
    #[track_caller]
    pub fn exits(self, status: i32) -> Self {
        assert_eq!(self.status, status, "{self:#?}");
        self
    }

    /// Asserts failure.
    #[track_caller]
    pub fn fails(self) -> Self {
        assert_ne!(self.status, 0, "{self:#?}");
        assert!(self.status < 128 || self.status == 255, "killed by a signal: {self:#?}");
        self
    }

    /// Asserts failure with one of these texts (any case) on standard error; a runtime that is known for its own
    /// wording only has to fail.
    #[track_caller]
    pub fn fails_with(self, any: &[&str]) -> Self {
        let error = self.stderr.to_lowercase();
        assert!(
            crate::differences::listed("wording")
                || any.iter().any(|t| error.contains(&t.to_lowercase())),
            "none of {any:?} in {self:#?}"
        );
        self.fails()
    }

    /// Standard output without its last newline.
    pub fn out(&self) -> &str {
        self.stdout.trim_end()
    }

    /// Standard output as JSON.
    ///
    /// # Panics
    /// When it is not.
    #[track_caller]
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|e| panic!("{e}: {self:#?}"))
    }
}
