//! Floating point numbers: IEEE, little-endian.

use super::ValueError;

pub(super) fn single(bytes: &[u8]) -> Result<f32, ValueError> {
    bytes.try_into().map(f32::from_le_bytes).map_err(|_| ValueError::Length)
}

pub(super) fn double(bytes: &[u8]) -> Result<f64, ValueError> {
    bytes.try_into().map(f64::from_le_bytes).map_err(|_| ValueError::Length)
}
