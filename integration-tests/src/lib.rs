//! Drives an OCI runtime binary against the kernel.
