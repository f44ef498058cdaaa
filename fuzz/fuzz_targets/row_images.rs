//! libFuzzer's driver of `cdc_source::fuzzing::ROW_IMAGES`.
#![no_main]
rowcast_fuzz::fuzz!(cdc_source::fuzzing::ROW_IMAGES);
