//! libFuzzer's driver of `es_sink::fuzzing::BULK_RESPONSE`.
#![no_main]
rowcast_fuzz::fuzz!(es_sink::fuzzing::BULK_RESPONSE);
