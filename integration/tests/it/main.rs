//! System tests with real servers. One binary, so that its tests share one stack.

// `cfg(test)` is always on here; clippy takes it as the sign that helpers of tests may unwrap.
#[cfg(test)]
mod at_least_once;
#[cfg(test)]
mod bad_input;
#[cfg(test)]
mod bad_values;
#[cfg(test)]
mod beside;
#[cfg(test)]
mod bulk_load;
#[cfg(test)]
mod charsets;
#[cfg(test)]
mod client_overrides;
#[cfg(test)]
mod commands;
#[cfg(test)]
mod compatibility;
#[cfg(test)]
mod compose;
#[cfg(test)]
mod compressed;
#[cfg(test)]
mod connection;
#[cfg(test)]
mod contract;
#[cfg(test)]
mod dashboards;
#[cfg(test)]
mod definitions;
#[cfg(test)]
mod e2e_bench;
#[cfg(test)]
mod es_connection;
#[cfg(test)]
mod evolution;
#[cfg(test)]
mod exactly_once;
#[cfg(test)]
mod expressions;
#[cfg(test)]
mod failover;
#[cfg(test)]
mod file_stream;
#[cfg(test)]
mod foreign_keys;
#[cfg(test)]
mod formats;
#[cfg(test)]
mod golden;
#[cfg(test)]
mod hand_written;
#[cfg(test)]
mod heartbeats;
#[cfg(test)]
mod indices;
#[cfg(test)]
mod json_topics;
#[cfg(test)]
mod kill;
#[cfg(test)]
mod large;
#[cfg(test)]
mod lost_index;
#[cfg(test)]
mod malformed;
#[cfg(test)]
mod notifications;
#[cfg(test)]
mod online_schema;
#[cfg(test)]
mod oracle;
#[cfg(test)]
mod packaging;
#[cfg(test)]
mod partial_json;
#[cfg(test)]
mod process;
#[cfg(test)]
mod proxy;
#[cfg(test)]
mod random_types;
#[cfg(test)]
mod readme;
#[cfg(test)]
mod rest_security;
#[cfg(test)]
mod rolled_back;
#[cfg(test)]
mod scenario;
#[cfg(test)]
mod scene;
#[cfg(test)]
mod secrets;
#[cfg(test)]
mod sink_faults;
#[cfg(test)]
mod snapshots;
#[cfg(test)]
mod soak;
#[cfg(test)]
mod source;
#[cfg(test)]
mod source_transforms;
#[cfg(test)]
mod stack;
#[cfg(test)]
mod stalled_commit;
#[cfg(test)]
mod sweep;
#[cfg(test)]
mod takeover;
#[cfg(test)]
mod tidy;
#[cfg(test)]
mod tolerance;
#[cfg(test)]
mod too_large;
#[cfg(test)]
mod topics;
#[cfg(test)]
mod types;
#[cfg(test)]
mod unlogged;
#[cfg(test)]
mod without_names;
#[cfg(test)]
mod worker;
#[cfg(test)]
mod xa;
