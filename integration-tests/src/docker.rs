//! A private docker daemon.
