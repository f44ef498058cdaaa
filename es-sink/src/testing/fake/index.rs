//! One index: documents with versions, deletes that are remembered for a while, and what a search
//! sees of them.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value, json};

use super::refusal::Refusal;

/// How long deletes are remembered unless `index.gc_deletes` says otherwise.
const GC_DELETES: Duration = Duration::from_secs(60);
/// How often a search sees more, unless `index.refresh_interval` says otherwise.
const REFRESH_INTERVAL: Duration = Duration::from_secs(1);

/// Where a document lives. The same id in another shard is another document.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Place {
    pub(super) shard: u32,
    pub(super) id: String,
}

/// A document, or what is remembered of one that is deleted.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    pub(super) version: u64,
    pub(super) sequence: u64,
    pub(super) routing: Option<String>,
    /// None for a delete.
    pub(super) source: Option<Value>,
    written_at: Duration,
    is_flushed: bool,
}

/// An index.
#[derive(Default)]
pub(super) struct Index {
    pub(super) uuid: String,
    pub(super) mapping: Map<String, Value>,
    /// Without `index.` before their names.
    pub(super) settings: BTreeMap<String, String>,
    pub(super) aliases: BTreeMap<String, Value>,
    pub(super) is_stream: bool,
    entries: BTreeMap<Place, Entry>,
    visible: Arc<BTreeMap<Place, Entry>>,
    refreshed_at: Duration,
    sequence: u64,
}

/// How a write's version is judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Versioning {
    Internal,
    /// Only if there is no such document.
    Create,
    External(u64),
    ExternalGte(u64),
}

/// What a write has come to.
pub(super) struct Written {
    pub(super) status: u16,
    pub(super) result: &'static str,
    pub(super) version: u64,
    pub(super) sequence: u64,
}

impl Index {
    pub(super) fn new(uuid: String) -> Self {
        Self { uuid, ..Self::default() }
    }

    /// Writes a document, or deletes it if `source` is none.
    pub(super) fn write(
        &mut self,
        place: Place,
        (source, routing): (Option<Value>, Option<String>),
        versioning: Versioning,
        now: Duration,
    ) -> Result<Written, Refusal> {
        let current = self.current(&place, now);
        let version = new_version(&place.id, current, versioning)?;
        let existed = current.is_some_and(|entry| entry.source.is_some());
        let (status, result) = match (&source, existed) {
            (Some(_), true) => (200, "updated"),
            (Some(_), false) => (201, "created"),
            (None, true) => (200, "deleted"),
            (None, false) => (404, "not_found"),
        };
        let sequence = self.sequence;
        self.sequence += 1;
        let entry =
            Entry { version, sequence, routing, source, written_at: now, is_flushed: false };
        self.entries.insert(place, entry);
        Ok(Written { status, result, version, sequence })
    }

    /// A document as it is, without any judgement.
    pub(super) fn put(&mut self, id: &str, version: u64, source: Value) {
        let place = self.place(id, None);
        self.entries.remove(&place);
        let written = (Some(source), None);
        let result = self.write(place, written, Versioning::External(version), Duration::ZERO);
        assert!(result.is_ok(), "nothing is in the way of a document that is put");
    }

    /// Makes what was written visible to searches.
    pub(super) fn refresh(&mut self, now: Duration) {
        let live = self.entries.iter().filter(|(_, entry)| entry.source.is_some());
        let live = live.map(|(place, entry)| (place.clone(), entry.clone()));
        self.visible = Arc::new(live.collect());
        self.refreshed_at = now;
    }

    /// The same when its time has come.
    pub(super) fn refresh_if_due(&mut self, now: Duration) {
        let interval = self.settings.get("refresh_interval").map(String::as_str);
        let interval = interval.map_or(Some(REFRESH_INTERVAL), duration);
        if interval.is_some_and(|interval| now.saturating_sub(self.refreshed_at) >= interval) {
            self.refresh(now);
        }
    }

    /// Writes all to the disk: deletes are then remembered in memory only.
    pub(super) fn flush(&mut self) {
        self.entries.values_mut().for_each(|entry| entry.is_flushed = true);
    }

    /// What is left when the process has ended and another one has read the disk.
    pub(super) fn restart(&mut self, now: Duration) {
        self.entries.retain(|_, entry| entry.source.is_some() || !entry.is_flushed);
        self.entries.values_mut().for_each(|entry| entry.written_at = now);
        self.refresh(now);
    }

    /// Where a document with an id lives: the shard of its routing, or else of its id.
    pub(super) fn place(&self, id: &str, routing: Option<&str>) -> Place {
        let shards = self.settings.get("number_of_shards");
        let shards = shards.and_then(|shards| shards.parse().ok()).unwrap_or(1);
        Place { shard: shard(routing.unwrap_or(id), shards), id: id.to_owned() }
    }

    /// The document as it is now, or what is still remembered of its delete.
    pub(super) fn current(&self, place: &Place, now: Duration) -> Option<&Entry> {
        let entry = self.entries.get(place)?;
        let is_forgotten =
            entry.source.is_none() && now.saturating_sub(entry.written_at) > self.gc_deletes();
        (!is_forgotten).then_some(entry)
    }

    /// All documents, those in other shards with the same id too, and what is remembered of deletes.
    pub(super) fn entries(&self) -> impl Iterator<Item = (&Place, &Entry)> {
        self.entries.iter()
    }

    /// What a search sees.
    pub(super) fn visible(&self) -> Arc<BTreeMap<Place, Entry>> {
        Arc::clone(&self.visible)
    }

    /// Why nothing can be written to it, if so.
    pub(super) fn block(&self, name: &str) -> Option<Refusal> {
        let is_set = |key: &str| self.settings.get(key).is_some_and(|value| value == "true");
        let blocks = [
            ("blocks.read_only", 403, "FORBIDDEN/5/index read-only (api)"),
            ("blocks.write", 403, "FORBIDDEN/8/index write (api)"),
            (
                "blocks.read_only_allow_delete",
                429,
                "TOO_MANY_REQUESTS/12/disk usage exceeded flood-stage watermark, index has \
                 read-only-allow-delete block",
            ),
        ];
        let (_, status, words) = blocks.into_iter().find(|(key, ..)| is_set(key))?;
        let reason = format!("index [{name}] blocked by: [{words}];");
        Some(Refusal::new(status, "cluster_block_exception", reason))
    }

    /// Its settings as they are answered.
    pub(super) fn settings_json(&self, name: &str, is_flat: bool) -> Value {
        let mut all = self.settings.clone();
        all.entry("number_of_shards".to_owned()).or_insert_with(|| "1".to_owned());
        all.entry("number_of_replicas".to_owned()).or_insert_with(|| "1".to_owned());
        all.insert("uuid".to_owned(), self.uuid.clone());
        all.insert("provided_name".to_owned(), name.to_owned());
        if is_flat {
            let flat = all.into_iter().map(|(key, value)| (format!("index.{key}"), json!(value)));
            return Value::Object(flat.collect());
        }
        let mut nested = json!({});
        for (key, value) in all {
            let at = format!("/{}", key.replace('.', "/"));
            set_at(&mut nested, &at, json!(value));
        }
        json!({ "index": nested })
    }

    fn gc_deletes(&self) -> Duration {
        self.settings.get("gc_deletes").and_then(|text| duration(text)).unwrap_or(GC_DELETES)
    }
}

fn new_version(id: &str, current: Option<&Entry>, versioning: Versioning) -> Result<u64, Refusal> {
    let conflict = |words: String| {
        let reason = format!("[{id}]: version conflict, {words}");
        Refusal::new(409, "version_conflict_engine_exception", reason)
    };
    let known = current.map(|entry| entry.version);
    match versioning {
        Versioning::Internal => Ok(known.map_or(1, |version| version + 1)),
        Versioning::Create => match current {
            Some(Entry { source: Some(_), version, .. }) => {
                Err(conflict(format!("document already exists (current version [{version}])")))
            }
            _ => Ok(known.map_or(1, |version| version + 1)),
        },
        Versioning::External(version) => match known {
            Some(known) if known >= version => Err(conflict(format!(
                "current version [{known}] is higher or equal to the one provided [{version}]"
            ))),
            _ => Ok(version),
        },
        Versioning::ExternalGte(version) => match known {
            Some(known) if known > version => Err(conflict(format!(
                "current version [{known}] is higher than the one provided [{version}]"
            ))),
            _ => Ok(version),
        },
    }
}

/// `30s`, `500ms`, `1h`; none for `-1`, which is never.
pub(super) fn duration(text: &str) -> Option<Duration> {
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at_checked(digits)?;
    let number: u64 = number.parse().ok()?;
    match unit {
        "ms" => Some(Duration::from_millis(number)),
        "s" => Some(Duration::from_secs(number)),
        "m" => Some(Duration::from_secs(number * 60)),
        "h" => Some(Duration::from_secs(number * 3600)),
        "d" => Some(Duration::from_secs(number * 86400)),
        _ => None,
    }
}

fn set_at(object: &mut Value, path: &str, value: Value) {
    let mut at = object;
    for part in path.trim_start_matches('/').split('/') {
        if !at.is_object() {
            *at = json!({});
        }
        at = &mut at[part];
    }
    *at = value;
}

/// The shard of a routing value, as Elasticsearch counts since 7.0: the hash of its UTF-16 form, in
/// an index that could be split up to 1,024 shards.
/// <https://www.elastic.co/docs/reference/elasticsearch/mapping-reference/mapping-routing-field>
fn shard(routing: &str, shards: u32) -> u32 {
    if shards <= 1 {
        return 0;
    }
    let doublings = 10_u32.saturating_sub(u32::BITS - (shards - 1).leading_zeros()).max(1);
    let routing_shards = shards << doublings;
    let bytes: Vec<u8> = routing.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let hash = murmur3(&bytes).cast_signed();
    let slot = hash.rem_euclid(routing_shards.cast_signed()).cast_unsigned();
    slot / (routing_shards / shards)
}

/// `MurmurHash3`, 32 bits, seed 0.
fn murmur3(bytes: &[u8]) -> u32 {
    let mix = |word: u32| word.wrapping_mul(0xcc9e_2d51).rotate_left(15).wrapping_mul(0x1b87_3593);
    let (words, rest) = bytes.as_chunks::<4>();
    let mut hash = words.iter().fold(0_u32, |hash, word| {
        let mixed = hash ^ mix(u32::from_le_bytes(*word));
        mixed.rotate_left(13).wrapping_mul(5).wrapping_add(0xe654_6b64)
    });
    let mut tail = [0; 4];
    tail.iter_mut().zip(rest).for_each(|(to, from)| *to = *from);
    if !rest.is_empty() {
        hash ^= mix(u32::from_le_bytes(tail));
    }
    hash ^= u32::try_from(bytes.len()).unwrap_or(u32::MAX);
    hash = (hash ^ (hash >> 16)).wrapping_mul(0x85eb_ca6b);
    hash = (hash ^ (hash >> 13)).wrapping_mul(0xc2b2_ae35);
    hash ^ (hash >> 16)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Known answers of `MurmurHash3` x86 32 with seed 0.
    #[test]
    fn the_hash_is_murmur3() {
        assert_eq!(murmur3(b""), 0);
        assert_eq!(murmur3(b"test"), 0xba6b_d213);
        assert_eq!(murmur3(b"Hello, world!"), 0xc036_3e43);
    }

    /// As OpenSearch 3.8.0 does. Elasticsearch 9.5.3 puts the same values together, under other
    /// numbers.
    #[test]
    fn routing_chooses_the_shard() {
        let [a, b, c, d] = ["a", "b", "c", "d"].map(|routing| shard(routing, 2));
        assert_ne!(a, b);
        assert_eq!((c, d), (0, 0));
    }

    #[test]
    fn durations_have_units() {
        assert_eq!(duration("500ms"), Some(Duration::from_millis(500)));
        assert_eq!(duration("2h"), Some(Duration::from_secs(7200)));
        assert_eq!(duration("-1"), None);
        assert_eq!(duration("abc"), None);
    }
}
