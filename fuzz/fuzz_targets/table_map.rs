#![no_main]
rowcast_fuzz::fuzz!(cdc_source::fuzzing::TABLE_MAP);
