//! libFuzzer's driver of `cdc_source::fuzzing::SELECTED_ROW`.
#![no_main]
rowcast_fuzz::fuzz!(cdc_source::fuzzing::SELECTED_ROW);
