//! `teu-image images`.

use clap::Args;
use libteu_image::{Entry, Image, Reference};
use serde_json::{Value, json};

use super::Context;
use crate::failure::Failure;
use crate::output;
use crate::size::human;

/// list images
#[derive(Debug, Args)]
#[command(visible_alias = "ls")]
pub struct Images {
    /// Only ids
    #[arg(short, long)]
    quiet: bool,

    /// Digests of the manifests, too
    #[arg(long)]
    digests: bool,

    /// Do not shorten ids
    #[arg(long)]
    no_trunc: bool,

    /// table, or json: one document
    #[arg(long, value_name = "format", default_value = "table", value_parser = ["table", "json"])]
    format: String,

    /// Only those of that name: all tags, unless one is given
    #[arg(value_name = "name[:tag]")]
    name: Option<String>,
}

struct Row {
    entry: Entry,
    image: Image,
    no_trunc: bool,
}

/// In the order of the index.
pub fn run(args: &Images, context: &Context) -> Result<(), Failure> {
    let store = context.open()?;
    let mut rows = Vec::new();
    let wanted = args.name.as_deref().map(Wanted::parse).transpose()?;
    for entry in store.entries()? {
        if wanted.as_ref().is_some_and(|wanted| !wanted.is(&entry)) {
            continue;
        }
        // What is no container image is kept, but is none of ours.
        match store.read_image(&entry.descriptor) {
            Ok(image) => rows.push(Row { entry, image, no_trunc: args.no_trunc }),
            Err(e) => output::complain(&e),
        }
    }
    if args.format == "json" {
        return output::json(&rows.iter().map(Row::json).collect());
    }
    if args.quiet {
        return rows.iter().try_for_each(|row| output::line(row.id()));
    }
    if args.digests {
        let cells: Vec<_> = rows.iter().map(Row::cells_with_digest).collect();
        return output::table(
            ["REPOSITORY", "TAG", "DIGEST", "IMAGE ID", "CREATED", "SIZE"],
            &cells,
        );
    }
    let cells: Vec<_> = rows.iter().map(Row::cells).collect();
    output::table(["REPOSITORY", "TAG", "IMAGE ID", "CREATED", "SIZE"], &cells)
}

/// A name that was asked for; without a tag every tag fits.
struct Wanted {
    name: Reference,
    has_tag: bool,
}

impl Wanted {
    fn parse(text: &str) -> Result<Self, Failure> {
        // The port of a registry is no tag.
        let has_tag = text.rsplit('/').next().is_some_and(|last| last.contains(':'));
        Ok(Self { name: text.parse()?, has_tag })
    }

    fn is(&self, entry: &Entry) -> bool {
        entry.reference.as_ref().is_some_and(|name| {
            name.familiar_repository() == self.name.familiar_repository()
                && (!self.has_tag || name.tag() == self.name.tag())
        })
    }
}

const NONE: &str = "<none>";

impl Row {
    fn id(&self) -> String {
        let id = self.image.id();
        if self.no_trunc { id.to_string() } else { short(id.digest()) }
    }

    fn name(&self) -> [String; 2] {
        match &self.entry.reference {
            Some(name) => [name.familiar_repository(), name.tag().unwrap_or(NONE).to_owned()],
            None => [NONE.to_owned(), NONE.to_owned()],
        }
    }

    fn cells(&self) -> [String; 5] {
        let [repository, tag] = self.name();
        [repository, tag, self.id(), created(&self.image), human(size(&self.image))]
    }

    fn cells_with_digest(&self) -> [String; 6] {
        let [repository, tag, id, created, size] = self.cells();
        [repository, tag, self.image.descriptor.digest().to_string(), id, created, size]
    }

    fn json(&self) -> Value {
        json!({
            "Name": self.entry.reference.as_ref().map(ToString::to_string),
            "Id": self.image.id(),
            "Digest": self.image.descriptor.digest(),
            "Created": self.image.config.created(),
            "Size": size(&self.image),
            "Platform": format!("{}/{}", self.image.config.os(), self.image.config.architecture()),
        })
    }
}

/// The first twelve digits, as docker shows ids.
pub fn short(digest: &str) -> String {
    digest.chars().take(12).collect()
}

/// What the image takes as it is transferred: blobs.
fn size(image: &Image) -> u64 {
    let layers: u64 = image.manifest.layers().iter().map(|layer| layer.size()).sum();
    layers + image.manifest.config().size() + image.descriptor.size()
}

/// `2026-01-02 03:04:05`.
fn created(image: &Image) -> String {
    match image.config.created() {
        Some(time) => time.chars().take(19).collect::<String>().replace('T', " "),
        None => "-".to_owned(),
    }
}
