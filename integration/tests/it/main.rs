//! System tests with real servers. One binary, so that its tests share one stack.

// `cfg(test)` is always on here; clippy takes it as the sign that helpers of tests may unwrap.
#[cfg(test)]
mod at_least_once;
#[cfg(test)]
mod bad_input;
#[cfg(test)]
mod bad_values;
#[cfg(test)]
mod charsets;
#[cfg(test)]
mod commands;
#[cfg(test)]
mod compose;
#[cfg(test)]
mod compressed;
#[cfg(test)]
mod connection;
#[cfg(test)]
mod exactly_once;
#[cfg(test)]
mod golden;
#[cfg(test)]
mod hand_written;
#[cfg(test)]
mod heartbeats;
#[cfg(test)]
mod kill;
#[cfg(test)]
mod large;
#[cfg(test)]
mod oracle;
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
mod scenario;
#[cfg(test)]
mod scene;
#[cfg(test)]
mod snapshots;
#[cfg(test)]
mod soak;
#[cfg(test)]
mod source;
#[cfg(test)]
mod stack;
#[cfg(test)]
mod stalled_commit;
#[cfg(test)]
mod sweep;
#[cfg(test)]
mod tidy;
#[cfg(test)]
mod too_large;
#[cfg(test)]
mod topics;
#[cfg(test)]
mod types;
#[cfg(test)]
mod xa;
