//! libFuzzer's driver of `cdc_source::fuzzing::BINLOG_EVENT`.
#![no_main]
rowcast_fuzz::fuzz!(cdc_source::fuzzing::BINLOG_EVENT);
