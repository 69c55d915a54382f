//! Docker over the runtime.
