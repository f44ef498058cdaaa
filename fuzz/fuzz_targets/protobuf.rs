//! libFuzzer's driver of `formats::fuzzing::PROTOBUF`.
#![no_main]
rowcast_fuzz::fuzz!(formats::fuzzing::PROTOBUF);
