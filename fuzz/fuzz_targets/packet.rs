//! libFuzzer's driver of `cdc_source::fuzzing::PACKET`.
#![no_main]
rowcast_fuzz::fuzz!(cdc_source::fuzzing::PACKET);
