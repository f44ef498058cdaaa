//! libFuzzer's driver of `formats::fuzzing::JSON_SCHEMA`.
#![no_main]
rowcast_fuzz::fuzz!(formats::fuzzing::JSON_SCHEMA);
