//! An image from a registry, in parallel, verified while it streams.

use std::collections::{BTreeMap, VecDeque};
use std::io::Write;
use std::sync::Mutex;

use oci_spec::image::{
    Arch, Descriptor, Digest, ImageConfiguration, ImageIndex, ImageManifest, MediaType, Os,
};

use super::client::{Client, Document};
use super::resume::Resuming;
use super::{Access, Progress, Tell, host_of};
use crate::digest;
use crate::error::{Error, Result};
use crate::image::{Image, host_platform, is_config, is_index, select};
use crate::ingest::Fresh;
use crate::layer::Skipped;
use crate::reference::Reference;
use crate::store::Store;

/// Layers under way at once.
const PARALLEL: usize = 3;
/// Layers of one image; more are refused before anything is asked for.
const MAX_LAYERS: usize = 500;

/// An image that was pulled.
#[derive(Debug)]
pub struct Pulled {
    /// The image, which has its name now.
    pub image: Image,
    /// The digest under which the registry has it: that of the index, if there is one.
    pub digest: Digest,
    /// What could not be unpacked on this host.
    pub skipped: Vec<Skipped>,
}

/// Pulls an image for a platform (`linux/arm64`; `None`: this host's), and gives it its name. What the
/// store has is not asked for again.
///
/// # Errors
/// If the registry does not have it or does not let us, if something is not what its digest says, or
/// cannot be unpacked. The store is then as before, but for blobs that a `gc` removes.
pub fn pull(
    store: &Store,
    reference: &Reference,
    platform: Option<&str>,
    access: &Access,
    tell: Tell<'_>,
) -> Result<Pulled> {
    let platform = platform.map_or_else(|| Ok(host_platform()), parse_platform)?;
    if let (Some(mirror), "docker.io") = (&access.mirror, reference.registry())
        && let Ok(client) = Client::new(mirror, access)
        && let Ok(pulled) = from(store, &client, reference, &platform, tell)
    {
        return Ok(pulled);
    }
    from(store, &Client::new(host_of(reference), access)?, reference, &platform, tell)
}

fn parse_platform(text: &str) -> Result<(Os, Arch)> {
    let mut parts = text.split('/');
    let (os, arch) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    if os.is_empty() || arch.is_empty() {
        return Err(Error::Argument(format!("platform {text:?}: has to be OS/ARCHITECTURE")));
    }
    Ok((Os::from(os), Arch::from(arch)))
}

fn from(
    store: &Store,
    client: &Client,
    reference: &Reference,
    platform: &(Os, Arch),
    tell: Tell<'_>,
) -> Result<Pulled> {
    let repository = reference.repository();
    let wanted = reference.digest();
    let tag = wanted.as_ref().map(Digest::to_string);
    let tag = tag.as_deref().or(reference.tag()).unwrap_or("latest");
    let (mut document, digest) = fetch(client, repository, tag, wanted.as_ref())?;
    let mut manifest_digest = digest.clone();
    if is_index(&MediaType::from(media_type(&document).as_str())) {
        let index: ImageIndex = parse(&document.data, &digest)?;
        let (os, arch) = platform;
        let missing = || Error::image(reference, format!("has no manifest for {os}/{arch}"));
        let chosen = select(&index, platform).ok_or_else(missing)?;
        let name = chosen.digest().to_string();
        (document, manifest_digest) = fetch(client, repository, &name, Some(chosen.digest()))?;
    }
    let manifest: ImageManifest = parse(&document.data, &manifest_digest)?;
    let blobs = Blobs { store, client, repository, tell };
    let skipped = blobs.layers(&manifest, reference)?;
    let content = store.put_blob(&document.data)?;
    let media_type = MediaType::from(media_type(&document).as_str());
    let descriptor = Descriptor::new(media_type, content.size, content.digest);
    store.tag(&descriptor, reference)?;
    let image = Image { reference: Some(reference.clone()), ..store.read_image(&descriptor)? };
    Ok(Pulled { image, digest, skipped })
}

/// A manifest or index and its digest, verified where it is known beforehand.
fn fetch(
    client: &Client,
    repository: &str,
    reference: &str,
    expected: Option<&Digest>,
) -> Result<(Document, Digest)> {
    let document = client.manifest(repository, reference)?;
    let digest = digest::of_bytes(&document.data)?;
    if let Some(expected) = expected {
        digest::verify(&format!("manifest {repository}"), expected, &digest)?;
    }
    Ok((document, digest))
}

fn parse<T: serde::de::DeserializeOwned>(data: &[u8], digest: &Digest) -> Result<T> {
    serde_json::from_slice(data).map_err(|e| Error::image(digest, e.to_string()))
}

/// What the document says it is; what the header says, if it does not.
fn media_type(document: &Document) -> String {
    #[derive(serde::Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Typed {
        media_type: Option<String>,
    }
    let typed = serde_json::from_slice::<Typed>(&document.data).ok();
    typed.and_then(|typed| typed.media_type).unwrap_or_else(|| document.media_type.clone())
}

struct Blobs<'a> {
    store: &'a Store,
    client: &'a Client,
    repository: &'a str,
    tell: Tell<'a>,
}

impl<'a> Blobs<'a> {
    /// Config and layers into the store, the layers unpacked.
    fn layers(&self, manifest: &ImageManifest, reference: &Reference) -> Result<Vec<Skipped>> {
        let problem = |problem: &str| Error::image(reference, problem);
        if !is_config(manifest.config().media_type()) {
            return Err(problem(&format!("its config is {}", manifest.config().media_type())));
        }
        let config: ImageConfiguration = self.config(manifest.config())?;
        let ids = config.rootfs().diff_ids();
        if ids.len() != manifest.layers().len() || ids.len() > MAX_LAYERS {
            return Err(problem("its config does not have as many diff_ids as there are layers"));
        }
        let mut missing = BTreeMap::new();
        for (layer, id) in manifest.layers().iter().zip(ids) {
            let id: Digest = id.parse().map_err(|_| problem(&format!("{id:?} is no digest")))?;
            missing.insert(digest::hex(layer.digest())?, (layer, id));
        }
        // In the order of the locks, which are held until the layers are there for others to find.
        let mut locks = Vec::new();
        for (layer, _) in missing.values() {
            locks.push(self.store.lock_layer(layer.digest())?);
        }
        let mut wanted = VecDeque::new();
        for (layer, id) in missing.into_values() {
            let here = self.store.has_blob(layer.digest())? && self.store.layer(&id)?.is_some();
            if here {
                (self.tell)(Progress::Present { digest: layer.digest().to_string() });
            } else {
                wanted.push_back((layer, id));
            }
        }
        let fresh = self.parallel(wanted).map_err(|e| e.of_image(reference))?;
        self.store.commit_layers(fresh)
    }

    fn config(&self, descriptor: &Descriptor) -> Result<ImageConfiguration> {
        let digest = descriptor.digest();
        if descriptor.size() > crate::dir::MAX_DOCUMENT {
            return Err(Error::image(digest, "the config is larger than 4 MiB"));
        }
        if !self.store.has_blob(digest)? {
            let mut blob = self.store.new_blob()?;
            let mut source = self.source(descriptor);
            std::io::copy(&mut source, &mut blob)
                .and_then(|_| blob.flush())
                .map_err(|e| Error::io("pull", digest, &e))?;
            blob.finish(Some(digest))?;
        }
        parse(&self.store.read_document(digest, "manifest")?, digest)
    }

    fn source<'b>(&self, descriptor: &'b Descriptor) -> Resuming<'b>
    where
        'a: 'b,
    {
        let blob = (descriptor.digest(), descriptor.size());
        Resuming::new(self.client, self.repository, blob, self.tell)
    }

    /// A few threads take one layer after the other; the first error stops all.
    fn parallel(&self, wanted: VecDeque<(&Descriptor, Digest)>) -> Result<Vec<Fresh<'a>>> {
        let threads = wanted.len().min(PARALLEL);
        let queue = Mutex::new(wanted);
        let next = || queue.lock().ok().and_then(|mut queue| queue.pop_front());
        let work = || {
            let mut fresh = Vec::new();
            while let Some((layer, id)) = next() {
                match self.layer(layer, &id) {
                    Ok(layer) => fresh.push(layer),
                    Err(e) => {
                        if let Ok(mut queue) = queue.lock() {
                            queue.clear();
                        }
                        return Err(e);
                    }
                }
            }
            Ok(fresh)
        };
        let results: Vec<_> = std::thread::scope(|scope| {
            let running: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
            let join = |thread: std::thread::ScopedJoinHandle<'_, _>| {
                thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
            };
            running.into_iter().map(join).collect()
        });
        let fresh: Result<Vec<Vec<_>>> = results.into_iter().collect();
        Ok(fresh?.into_iter().flatten().collect())
    }

    fn layer(&self, descriptor: &Descriptor, diff_id: &Digest) -> Result<Fresh<'a>> {
        let digest = descriptor.digest();
        if self.store.has_blob(digest)? {
            (self.tell)(Progress::Present { digest: digest.to_string() });
            return self.store.unpack_blob(digest, diff_id, self.repository);
        }
        (self.tell)(Progress::Begin { digest: digest.to_string(), size: descriptor.size() });
        let fresh = self.store.add_layer(self.source(descriptor), Some(digest))?;
        digest::verify(&format!("layer {digest}, unpacked"), diff_id, &fresh.diff.digest)?;
        (self.tell)(Progress::Done { digest: digest.to_string() });
        Ok(fresh)
    }
}
