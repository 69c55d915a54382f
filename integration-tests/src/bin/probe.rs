//! Runs inside the container and prints what it sees.

fn main() {}
