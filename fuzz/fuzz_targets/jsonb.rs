//! libFuzzer's driver of `schema::fuzzing::JSONB`.
#![no_main]
rowcast_fuzz::fuzz!(schema::fuzzing::JSONB);
