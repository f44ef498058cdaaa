#![no_main]
rowcast_fuzz::fuzz!(schema::fuzzing::GTID_SET);
