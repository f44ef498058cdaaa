//! libFuzzer's driver of `cdc_source::fuzzing::TABLE_MAP`.
#![no_main]
rowcast_fuzz::fuzz!(cdc_source::fuzzing::TABLE_MAP);
