//! Where rowcast writes something else on purpose. Each reason is the beginning of a line of
//! "Differences from Debezium" in `docs/semantics.md`.

/// What may differ, and why.
pub(super) struct Exception {
    /// The SQL pair.
    pub(super) pair: &'static str,
    /// Connectors; all of the pair if it is empty.
    pub(super) connectors: &'static [&'static str],
    pub(super) tables: &'static [&'static str],
    pub(super) what: What,
    /// The reason.
    pub(super) why: &'static str,
    /// How many differences it explains: no more, so that it hides nothing, and no fewer.
    pub(super) times: usize,
}

/// What may differ.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum What {
    /// The whole table.
    Table,
    /// These columns: their schemas and values.
    Columns(&'static [&'static str]),
    /// The values of these columns in rows that the snapshot reads.
    SnapshotValues(&'static [&'static str]),
    /// The values of these columns in rows of the log.
    LogValues(&'static [&'static str]),
    /// Under which keys the snapshot's rows are.
    SnapshotKeys,
}

impl Exception {
    pub(super) fn covers(&self, connector: &str, pair: &str, topic: &str) -> bool {
        self.pair == pair
            && (self.connectors.is_empty() || self.connectors.contains(&connector))
            && topic.rsplit_once('.').is_some_and(|(_, table)| self.tables.contains(&table))
    }
}

impl What {
    /// Whether a field's value may differ; `path` is its place in the value.
    pub(super) fn excuses(&self, path: &str, is_snapshot: bool) -> bool {
        match self {
            Self::Table => true,
            Self::Columns(columns) => is_of(columns, path),
            Self::SnapshotValues(columns) => is_snapshot && is_of(columns, path),
            Self::LogValues(columns) => !is_snapshot && is_of(columns, path),
            Self::SnapshotKeys => false,
        }
    }

    pub(super) fn excuses_schema(&self, column: &str) -> bool {
        matches!(self, Self::Columns(columns) if columns.contains(&column))
    }
}

/// Whether a path leads to one of the columns.
fn is_of(columns: &[&str], path: &str) -> bool {
    let path = path.strip_prefix(".before").or(path.strip_prefix(".after")).unwrap_or(path);
    let column = path.trim_start_matches('.').split(['.', '?']).next().unwrap_or_default();
    columns.contains(&column)
}

/// Debezium reads the statement that makes a table while it streams, rowcast asks the server.
const TYPED: &str = "Definitions as typed";
const YEARS: &str = "Years below 100";
const CHARACTERS: &str = "Character sets";
const KEYS: &str = "Keys that once were";
const EXCLUDED: &str = "Excluded key columns";

/// For a whole SQL pair.
const fn in_pair(
    pair: &'static str,
    tables: &'static [&'static str],
    what: What,
    (why, times): (&'static str, usize),
) -> Exception {
    Exception { pair, connectors: &[], tables, what, why, times }
}

pub(super) const EXCEPTIONS: &[Exception] = &[
    in_pair("cs", &["inv"], What::LogValues(&["l"]), (CHARACTERS, 1)),
    in_pair("cs", &["o_hp8", "o_keybcs2", "o_koi8u"], What::LogValues(&["v"]), (CHARACTERS, 3)),
    in_pair(
        "dflt",
        &["n_new"],
        What::Columns(&["dbneg0", "dbneg0_n", "f73", "f73_n", "fneg0", "fneg0_n"]),
        (TYPED, 48),
    ),
    in_pair(
        "dflt",
        &["s_new"],
        What::Columns(&[
            "bo", "bo_n", "bof", "bof_n", "boq", "boq_n", "ch", "ch_n", "ihex", "ihex_n", "snl",
            "snl_n", "su", "su_n",
        ]),
        (TYPED, 123),
    ),
    in_pair(
        "dflt",
        &["t_new"],
        What::Columns(&[
            "b12", "b12_n", "b16", "b16_n", "dai", "dai_n", "dts", "dts_n", "dtt", "dtt_n", "tmi",
            "tmi_n",
        ]),
        (TYPED, 111),
    ),
    in_pair(
        "dflt",
        &["x_new"],
        What::Columns(&["bf", "bf_n", "bn", "bn_n", "bna", "bna_n", "vbx", "vbx_n"]),
        (TYPED, 63),
    ),
    in_pair("json", &["t"], What::LogValues(&["j"]), ("JSON", 22)),
    in_pair("keys", &["a", "cpk"], What::SnapshotKeys, (EXCLUDED, 14)),
    in_pair("num", &["def_new"], What::Columns(&["b4", "b4n", "vbq"]), (TYPED, 32)),
    in_pair("odd", &["b_new"], What::Columns(&["bd64"]), (TYPED, 6)),
    in_pair(
        "odd",
        &["e_new"],
        What::Columns(&["eo", "eob", "eoc", "eon", "eou", "so", "sob", "son"]),
        (TYPED, 18),
    ),
    in_pair("odd", &["f_new"], What::Columns(&["r"]), (TYPED, 6)),
    in_pair("odd", &["s_new"], What::Columns(&["cb", "tb"]), (TYPED, 5)),
    in_pair(
        "odd",
        &["f"],
        What::SnapshotValues(&["f", "f24", "fu"]),
        ("FLOAT in the snapshot", 24),
    ),
    in_pair(
        "prop",
        &["t_new"],
        What::Columns(&[
            "b", "bg", "dp", "f25", "i11", "i8", "ig", "nc", "num", "nv", "r", "t1", "v", "vd",
        ]),
        (TYPED, 81),
    ),
    // Which row is the first or last of a table whose partitions are read one by one.
    in_pair("shape", &["part"], What::SnapshotValues(&["source"]), ("Order of copied rows", 2)),
    in_pair("shape", &["uk_new2", "uk_new3"], What::Table, (KEYS, 2)),
    in_pair("zero", &["def_new"], What::Columns(&["t0"]), (TYPED, 12)),
    Exception {
        pair: "zero",
        connectors: &["zero_nano_n"],
        tables: &["zn"],
        // Out of the range of nanoseconds, where NULL cannot be.
        what: What::Table,
        why: YEARS,
        times: 1,
    },
    in_pair("zero", &["z", "zn"], What::SnapshotValues(&["d", "dt0", "dt3", "dt6"]), (YEARS, 62)),
    in_pair("zero", &["z", "zn"], What::LogValues(&["d", "dt0", "dt3", "dt6"]), (YEARS, 69)),
];
