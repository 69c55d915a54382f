//! An engine for many tests.

use std::sync::{Arc, Mutex, PoisonError};

use super::{Containerd, Docker, Podman, Sandbox, sandbox};

/// What the tests of an engine share: started by the first of them, ended after the last.
#[derive(Debug)]
pub struct Shared<E>(Mutex<Option<Arc<E>>>);

/// An engine that can be ended.
pub trait Engine {
    /// The mark of its sandbox, if it has one.
    fn mark(&self) -> Option<String>;
    /// Removes all containers and ends the engine; returns what is left then.
    fn finish(&self) -> Vec<String>;
}

impl<E: Engine> Shared<E> {
    /// None yet.
    pub const fn new() -> Self {
        Self(Mutex::new(None))
    }

    /// The engine; the first caller starts it while others wait.
    pub fn get(&self, start: impl FnOnce() -> E) -> Arc<E> {
        let mut engine = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        engine.get_or_insert_with(|| Arc::new(start())).clone()
    }

    /// Ends it, if it was started; returns what is left over, also of what the harness has made for it.
    pub fn finish(&self) -> Vec<String> {
        let engine = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(engine) = engine else { return Vec::new() };
        let mut left = engine.finish();
        let mark = engine.mark();
        drop(engine);
        left.extend(mark.iter().flat_map(|mark| sandbox::traces(mark)));
        left
    }
}

impl<E: Engine> Default for Shared<E> {
    fn default() -> Self {
        Self::new()
    }
}

impl Engine for Docker {
    fn mark(&self) -> Option<String> {
        Some(self.sandbox().mark())
    }

    fn finish(&self) -> Vec<String> {
        self.finish()
    }
}

impl Engine for Containerd {
    fn mark(&self) -> Option<String> {
        Some(self.sandbox().mark())
    }

    fn finish(&self) -> Vec<String> {
        self.finish()
    }
}

impl Engine for Podman {
    fn mark(&self) -> Option<String> {
        self.sandbox().map(Sandbox::mark)
    }

    fn finish(&self) -> Vec<String> {
        self.finish()
    }
}
