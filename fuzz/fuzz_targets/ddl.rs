//! libFuzzer's driver of `cdc_source::fuzzing::DDL`.
#![no_main]
rowcast_fuzz::fuzz!(cdc_source::fuzzing::DDL);
