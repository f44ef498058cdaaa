//! What the codecs do in a second on one core, with data that the benches make themselves.
//!
//! The only part of this crate that calls functions of the product instead of its binary: a bench
//! of the binary measures the servers.

pub mod document;
pub mod measure;
pub mod record;
pub mod transform;

/// A bench and its name.
pub struct Bench {
    /// What it prints as its name.
    pub name: &'static str,
    /// Measures.
    pub run: fn(measure::Effort) -> Result<measure::Measured, String>,
}
