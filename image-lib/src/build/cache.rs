//! What steps made, kept by what they were made from.
//!
//! A key is the digest of the image as it is before the step (config and layers), of the step with its
//! variables expanded, and of the content that it copies. So a step is found again whichever Dockerfile it
//! stands in, and not if anything that it depends on is another.

use oci_spec::image::{Descriptor, Digest};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::state::State;
use crate::digest;
use crate::error::{Error, Result};
use crate::store::Store;

/// What a step made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Made {
    /// When, as history has it.
    pub created: String,
    /// Nothing if it changed the config alone.
    pub layer: Option<MadeLayer>,
    /// The topmost layer then. Without it the entry is of no use: `gc` removes it.
    pub top: Option<Digest>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MadeLayer {
    pub descriptor: Descriptor,
    pub diff_id: Digest,
}

/// Under which a step is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key(String);

impl Key {
    /// `step` is all that the step's result depends on besides the image.
    ///
    /// # Errors
    /// None that happen: JSON of JSON.
    pub fn new(state: &State, epoch: Option<i64>, step: &Value) -> Result<Self> {
        let all = json!({ "image": state.identity(), "epoch": epoch, "step": step });
        let bytes = serde_json::to_vec(&all).map_err(|e| Error::Argument(e.to_string()))?;
        Ok(Self(digest::of_bytes(&bytes)?.digest().to_owned()))
    }
}

/// What is kept; `None` if there is nothing, or its layer is gone.
pub fn find(store: &Store, key: &Key) -> Result<Option<Made>> {
    let Some(data) = store.build_cache()?.read(&key.0)? else { return Ok(None) };
    let Ok(made) = serde_json::from_slice::<Made>(&data) else { return Ok(None) };
    let layer = made.layer.as_ref().map(|layer| layer.descriptor.digest());
    let there = layer.map_or(Ok(true), |digest| store.has_blob(digest))?;
    Ok(there.then_some(made))
}

/// Keeps it.
pub fn keep(store: &Store, key: &Key, made: &Made) -> Result<()> {
    let data = serde_json::to_vec(made).map_err(|e| Error::Argument(e.to_string()))?;
    store.build_cache()?.replace(&key.0, &data)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_others_when_anything_is_another() {
        let scratch = || State::scratch("linux", "amd64");
        let key = |state: &State, epoch, step: Value| Key::new(state, epoch, &step).unwrap();
        let first = key(&scratch(), None, json!(["RUN", "a"]));
        assert_eq!(first, key(&scratch(), None, json!(["RUN", "a"])));
        let mut with_env = scratch();
        crate::changes::set_env(with_env.section(), "A", "1");
        let mut with_layer = scratch();
        with_layer.config["rootfs"]["diff_ids"] = json!(["sha256:0"]);
        for other in [
            key(&scratch(), None, json!(["RUN", "b"])),
            key(&scratch(), Some(0), json!(["RUN", "a"])),
            key(&with_env, None, json!(["RUN", "a"])),
            key(&with_layer, None, json!(["RUN", "a"])),
            key(&State::scratch("linux", "arm64"), None, json!(["RUN", "a"])),
        ] {
            assert_ne!(first, other);
        }
        // When it was made and what is told of it does not count.
        let mut told = scratch();
        told.config["history"] = json!([{ "created_by": "x" }]);
        told.config["created"] = json!("2020-01-01T00:00:00Z");
        assert_eq!(first, key(&told, None, json!(["RUN", "a"])));
    }

    #[test]
    fn entries_without_their_layer_are_none() {
        let temporary = tempfile::tempdir().unwrap();
        let store = Store::open(temporary.path()).unwrap();
        let key = Key::new(&State::scratch("linux", "amd64"), None, &json!("x")).unwrap();
        assert_eq!(find(&store, &key).unwrap(), None);
        let mut made = Made { created: "then".into(), layer: None, top: None };
        keep(&store, &key, &made).unwrap();
        assert_eq!(find(&store, &key).unwrap(), Some(made.clone()));
        let blob = store.put_blob(b"layer").unwrap();
        let media_type = oci_spec::image::MediaType::ImageLayerGzip;
        let descriptor = Descriptor::new(media_type, blob.size, blob.digest.clone());
        made.layer = Some(MadeLayer { descriptor, diff_id: blob.digest.clone() });
        made.top = Some(blob.digest);
        keep(&store, &key, &made).unwrap();
        assert_eq!(find(&store, &key).unwrap(), Some(made));
        assert!(store.gc(crate::Wait::Yes).unwrap().is_some());
        let store = Store::open(temporary.path()).unwrap();
        assert_eq!(store.build_cache().unwrap().names().unwrap(), Vec::<std::ffi::OsString>::new());
        assert_eq!(find(&store, &key).unwrap(), None);
    }
}
