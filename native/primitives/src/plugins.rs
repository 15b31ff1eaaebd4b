//! The hash of the plugin set (formats §10).

use crate::codec::{CodecError, Fault, Object, put_count16, put_name, put_text8};
use crate::text::{Name, Text8};
use crate::{Hash32, tag};

/// One action that a plugin brings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PluginEntry {
    /// The plugin.
    pub plugin: Name,
    /// Its version as the package says it.
    pub version: Text8,
    /// Version of the plugin interface it was written for.
    pub api_version: u16,
    /// Version of its data in the state.
    pub state_version: u32,
    /// Hash of its code.
    pub code_hash: Hash32,
    /// The application it serves.
    pub application: Name,
    /// The action.
    pub action: Name,
    /// Hash of the action's payload schema.
    pub schema_hash: Hash32,
}

/// The hash over all entries, given in any order.
///
/// # Errors
/// `PLUGIN_SET_INVALID` when an (application, action) appears twice or there are more than 65,535 entries.
pub fn plugins_hash(entries: &[PluginEntry]) -> Result<Hash32, CodecError> {
    let fail = |fault| CodecError {
        object: Object::Plugins,
        fault,
    };
    let max = usize::from(u16::MAX);
    if entries.len() > max {
        return Err(fail(Fault::TooLong {
            field: "entries",
            got: entries.len(),
            max,
        }));
    }
    let mut sorted: Vec<&PluginEntry> = entries.iter().collect();
    sorted.sort_by_key(|entry| (entry.application, entry.action));
    let mut out = Vec::with_capacity(2 + entries.len() * 256);
    put_count16(&mut out, sorted.len());
    let mut last = None;
    for entry in sorted {
        let key = (entry.application, entry.action);
        if last.replace(key) == Some(key) {
            return Err(fail(Fault::Order("entries")));
        }
        put_name(&mut out, &entry.plugin);
        put_text8(&mut out, &entry.version);
        out.extend_from_slice(&entry.api_version.to_be_bytes());
        out.extend_from_slice(&entry.state_version.to_be_bytes());
        out.extend_from_slice(&entry.code_hash);
        put_name(&mut out, &entry.application);
        put_name(&mut out, &entry.action);
        out.extend_from_slice(&entry.schema_hash);
    }
    Ok(tag::PLUGINS.hash(&[&out]))
}
