//! libFuzzer's driver of `schema::fuzzing::CONNECT_JSON`.
#![no_main]
rowcast_fuzz::fuzz!(schema::fuzzing::CONNECT_JSON);
