#![no_main]
rowcast_fuzz::fuzz!(schema::fuzzing::AVRO_DOCUMENT);
