//! Compiled forms: what is known about a schema is worked out once, and each row then costs one
//! pass over its bytes.

pub mod document;
