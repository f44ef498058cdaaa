//! libFuzzer's driver of `cdc_source::fuzzing::HISTORY`.
#![no_main]
rowcast_fuzz::fuzz!(cdc_source::fuzzing::HISTORY);
