//! libFuzzer's driver of `cdc_source::fuzzing::HANDSHAKE`.
#![no_main]
rowcast_fuzz::fuzz!(cdc_source::fuzzing::HANDSHAKE);
