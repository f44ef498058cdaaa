//! System tests with real servers. One binary, so that its tests share one stack.

// `cfg(test)` is always on here; clippy takes it as the sign that helpers of tests may unwrap.
#[cfg(test)]
mod compose;
#[cfg(test)]
mod exactly_once;
#[cfg(test)]
mod oracle;
#[cfg(test)]
mod process;
#[cfg(test)]
mod scenario;
#[cfg(test)]
mod source;
#[cfg(test)]
mod stack;
