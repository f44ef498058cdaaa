//! libFuzzer's driver of `schema::fuzzing::POSITION`.
#![no_main]
rowcast_fuzz::fuzz!(schema::fuzzing::POSITION);
