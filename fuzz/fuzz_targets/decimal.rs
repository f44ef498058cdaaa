//! libFuzzer's driver of `schema::fuzzing::DECIMAL`.
#![no_main]
rowcast_fuzz::fuzz!(schema::fuzzing::DECIMAL);
