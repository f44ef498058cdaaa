//! libFuzzer's driver of `schema::fuzzing::AVRO_DOCUMENT`.
#![no_main]
rowcast_fuzz::fuzz!(schema::fuzzing::AVRO_DOCUMENT);
