//! Maps that are asked for every record.

use std::collections::{HashMap, HashSet};

/// With a hash that takes a fraction of the standard one's time, and is random for each map as well.
pub(crate) type FastMap<K, V> = HashMap<K, V, foldhash::fast::RandomState>;
/// The same for a set.
pub(crate) type FastSet<K> = HashSet<K, foldhash::fast::RandomState>;
