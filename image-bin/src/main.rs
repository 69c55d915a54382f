//! teu-image: images, layers and bundles for teu, with docker's verbs.

fn main() {}
