//! Values that their columns cannot hold. No statement stores them; damaged disks and older
//! servers did, and the binary log carries them as they are. So a table's file is written here.

use std::path::PathBuf;

use crate::scenario::{Scenario, log_has, stop};

/// A column, the value that a statement stores, the bytes that are put in its place, and what is
/// wrong with them.
struct Damage {
    table: &'static str,
    column: &'static str,
    value: &'static str,
    stored: &'static [u8],
    damaged: &'static [u8],
    reason: &'static str,
}

const DAMAGES: [Damage; 9] = [
    Damage {
        table: "decimal_wide",
        column: "DECIMAL(9,0)",
        value: "123456789",
        stored: &[0x87, 0x5b, 0xcd, 0x15],
        damaged: &[0xff, 0xff, 0xff, 0xff],
        reason: "decimal is damaged or wider than its column",
    },
    Damage {
        table: "decimal_part",
        column: "DECIMAL(11,2)",
        value: "123456789.12",
        stored: &[0x87, 0x5b, 0xcd, 0x15, 0x0c],
        damaged: &[0x87, 0x5b, 0xcd, 0x15, 0x64],
        reason: "decimal is damaged or wider than its column",
    },
    Damage {
        table: "enum_beyond",
        column: "ENUM('a', 'b')",
        value: "'b'",
        stored: &[2],
        damaged: &[9],
        reason: "enum or set value has no member of its number",
    },
    Damage {
        table: "set_beyond",
        column: "SET('a', 'b')",
        value: "'a,b'",
        stored: &[3],
        damaged: &[0x83],
        reason: "enum or set value has no member of its number",
    },
    Damage {
        table: "month_15",
        column: "DATE",
        value: "'2024-02-29'",
        stored: &[0x5d, 0xd0, 0x0f],
        damaged: &[0xfd, 0xd1, 0x0f],
        reason: "date or time is out of its range",
    },
    Damage {
        table: "day_zero",
        column: "DATE",
        value: "'2024-02-29'",
        stored: &[0x5d, 0xd0, 0x0f],
        damaged: &[0x40, 0xd0, 0x0f],
        reason: "date is zero or incomplete",
    },
    Damage {
        table: "hour_31",
        column: "DATETIME",
        value: "'2024-02-29 12:34:56'",
        stored: &[0x99, 0xb2, 0xba, 0xc8, 0xb8],
        damaged: &[0x99, 0xb2, 0xbb, 0xf8, 0xb8],
        reason: "date or time is out of its range",
    },
    Damage {
        table: "minute_63",
        column: "TIME",
        value: "'12:34:56'",
        stored: &[0x80, 0xc8, 0xb8],
        damaged: &[0x80, 0xcf, 0xf8],
        reason: "date or time is out of its range",
    },
    Damage {
        table: "json_count",
        column: "JSON",
        value: "'[\"one\"]'",
        // Count, size, kind and place of the one value, its length and its text.
        stored: &[0x02, 1, 0, 11, 0, 0x0c, 7, 0, 3, b'o', b'n', b'e'],
        damaged: &[0x02, 0xff, 0, 11, 0, 0x0c, 7, 0, 3, b'o', b'n', b'e'],
        reason: "binary JSON is damaged",
    },
];

#[tokio::test]
async fn each_value_that_its_column_cannot_hold_parks_its_table_with_column_and_position() {
    let mut scenario = Scenario::new("bad_values").await;
    for damage in &DAMAGES {
        damage.store(&mut scenario).await;
    }
    scenario.sql("CREATE TABLE good (id INT PRIMARY KEY, number INT)").await;
    let pipeline = scenario.source(&scenario.stack.mysql).with("snapshot.mode", "no_data");
    let rowcast = scenario.start(&pipeline).await;

    for damage in &DAMAGES {
        scenario.sql(&format!("UPDATE {} SET number = 2", damage.table)).await;
    }
    scenario.sql("INSERT INTO good VALUES (1, 1)").await;

    scenario.topic_is_table("good").await;
    let log = rowcast.log().unwrap();
    for Damage { table, reason, .. } in &DAMAGES {
        let parked = format!("table=bad_values.{table} reason=");
        log_has(&rowcast, &parked).await;
        let line = log.lines().find(|line| line.contains(&parked)).unwrap();
        assert!(line.contains("column value"), "{line}");
        assert!(line.contains(reason), "{line}");
        assert!(line.contains(" at binlog."), "{line}");
        assert_eq!(scenario.records(table).await, []);
    }
    stop(&rowcast).await;
}

impl Damage {
    /// Makes the table, and damages its only value.
    async fn store(&self, scenario: &mut Scenario) {
        let Self { table, column, value, .. } = self;
        let columns = format!("id INT PRIMARY KEY, number INT, value {column} NOT NULL");
        scenario.sql(&format!("CREATE TABLE {table} ({columns}) ENGINE = MyISAM")).await;
        scenario.sql(&format!("INSERT INTO {table} VALUES (1, 1, {value})")).await;
        scenario.sql(&format!("FLUSH TABLES {table}")).await;
        let folder: Vec<String> = scenario.rows("SELECT @@datadir").await;
        let file = PathBuf::from(&folder[0]).join(format!("{}/{table}.MYD", scenario.name));
        let mut data = std::fs::read(&file).unwrap();
        let length = self.stored.len();
        let at = data.windows(length).rposition(|window| window == self.stored);
        let at = at.unwrap_or_else(|| panic!("{table} has other bytes: {data:02x?}"));
        data[at..at + length].copy_from_slice(self.damaged);
        std::fs::write(&file, data).unwrap();
    }
}
