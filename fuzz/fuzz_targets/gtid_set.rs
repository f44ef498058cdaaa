//! libFuzzer's driver of `schema::fuzzing::GTID_SET`.
#![no_main]
rowcast_fuzz::fuzz!(schema::fuzzing::GTID_SET);
