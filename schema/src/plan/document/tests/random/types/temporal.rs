//! Dates and times, made from what a calendar and a clock show.

use apache_avro::types::Value as Avro;
use proptest::prelude::*;
use proptest::strategy::Union;
use serde_json::json;

use super::{Typed, connect, logical, typed};

/// Year, month, day and the seconds and nanoseconds of the day.
type Moment = (i64, i64, i64, i64, i64);

fn moment(years: std::ops::Range<i64>) -> impl Strategy<Value = Moment> + 'static {
    (years, 1_i64..=12, 1_i64..=28, 0_i64..86_400, 0_i64..1_000_000_000)
}

/// Days since 1970-01-01, by counting the leap days before a year and the days before a month.
fn days((year, month, day, ..): Moment) -> i64 {
    const BEFORE: [i64; 12] = [0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334];
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let last = year - 1;
    let leaps = last.div_euclid(4) - last.div_euclid(100) + last.div_euclid(400);
    let before = BEFORE[usize::try_from(month - 1).unwrap()] + i64::from(leap && month > 2);
    // 719,162 days from 0001-01-01 to 1970-01-01.
    last * 365 + leaps + before + day - 1 - 719_162
}

fn ticks(moment: Moment, digits: u32) -> i64 {
    let per_second = 10_i64.pow(digits);
    let fraction = moment.4 / 10_i64.pow(9 - digits);
    (days(moment) * 86_400 + moment.3) * per_second + fraction
}

fn date_text((year, month, day, ..): Moment) -> String {
    format!("{year:04}-{month:02}-{day:02}")
}

fn moment_text(moment: Moment, digits: usize, zone: &str) -> String {
    let (_, _, _, second, nanos) = moment;
    let nanos = format!("{nanos:09}");
    let (h, m, s) = (second / 3_600, second / 60 % 60, second % 60);
    format!("\"{}T{h:02}:{m:02}:{s:02}.{}{zone}\"", date_text(moment), nanos.get(..digits).unwrap())
}

fn day(moment: Moment) -> i32 {
    i32::try_from(days(moment)).unwrap()
}

fn date_json(moment: Moment) -> String {
    format!("\"{}\"", date_text(moment))
}

pub(super) fn dates() -> Union<BoxedStrategy<Typed>> {
    let (all, nano) = (|| moment(0..10_000), || moment(1_678..2_262));
    macro_rules! moments {
        ($schema:expr, $years:expr, $digits:literal, $zone:literal, $avro:path) => {
            typed($schema, None, $years, |v| {
                ($avro(ticks(v, $digits)), moment_text(v, $digits, $zone))
            })
        };
    }
    let connect_timestamp = json!({"type": "long", "connect.version": 1, "logicalType": "timestamp-millis",
        "connect.name": "org.apache.kafka.connect.data.Timestamp"});
    Union::new([
        typed(logical("int", "date"), None, all(), |v| (Avro::Date(day(v)), date_json(v))),
        typed(connect("int", "io.debezium.time.Date"), None, all(), |v| {
            (Avro::Int(day(v)), date_json(v))
        }),
        moments!(logical("long", "timestamp-millis"), all(), 3, "Z", Avro::TimestampMillis),
        moments!(logical("long", "timestamp-micros"), all(), 6, "Z", Avro::TimestampMicros),
        moments!(logical("long", "timestamp-nanos"), nano(), 9, "Z", Avro::TimestampNanos),
        moments!(
            logical("long", "local-timestamp-millis"),
            all(),
            3,
            "",
            Avro::LocalTimestampMillis
        ),
        moments!(
            logical("long", "local-timestamp-micros"),
            all(),
            6,
            "",
            Avro::LocalTimestampMicros
        ),
        moments!(
            logical("long", "local-timestamp-nanos"),
            nano(),
            9,
            "",
            Avro::LocalTimestampNanos
        ),
        moments!(connect_timestamp, all(), 3, "Z", Avro::TimestampMillis),
        moments!(connect("long", "io.debezium.time.Timestamp"), all(), 3, "", Avro::Long),
        moments!(connect("long", "io.debezium.time.MicroTimestamp"), all(), 6, "", Avro::Long),
        moments!(connect("long", "io.debezium.time.NanoTimestamp"), nano(), 9, "", Avro::Long),
    ])
}

/// A span as MySQL has it: up to 838 hours in either direction, in nanoseconds.
fn span() -> impl Strategy<Value = i64> + 'static {
    -3_020_399_000_000_000..=3_020_399_000_000_000_i64
}

fn span_text(nanos: i64, digits: usize) -> String {
    let sign = if nanos < 0 { "-" } else { "" };
    let (seconds, fraction) =
        (nanos.abs() / 1_000_000_000, format!("{:09}", nanos.abs() % 1_000_000_000));
    let (h, m, s) = (seconds / 3_600, seconds / 60 % 60, seconds % 60);
    format!("\"{sign}{h:02}:{m:02}:{s:02}.{}\"", fraction.get(..digits).unwrap())
}

pub(super) fn times() -> Union<BoxedStrategy<Typed>> {
    fn millis(nanos: i64) -> (i32, String) {
        let millis = i32::try_from(nanos / 1_000_000 % 86_400_000).unwrap();
        (millis, span_text(i64::from(millis) * 1_000_000, 6))
    }
    fn micros(nanos: i64) -> (i64, String) {
        (nanos / 1_000, span_text(nanos / 1_000 * 1_000, 6))
    }
    Union::new([
        typed(logical("int", "time-millis"), None, span(), |v| {
            let (millis, text) = millis(v);
            (Avro::TimeMillis(millis), text)
        }),
        typed(logical("long", "time-micros"), None, span(), |v| {
            let (micros, text) = micros(v);
            (Avro::TimeMicros(micros), text)
        }),
        typed(connect("int", "org.apache.kafka.connect.data.Time"), None, span(), |v| {
            let (millis, text) = millis(v);
            (Avro::Int(millis), text)
        }),
        typed(connect("int", "io.debezium.time.Time"), None, span(), |v| {
            let (millis, text) = millis(v);
            (Avro::Int(millis), text)
        }),
        typed(connect("long", "io.debezium.time.MicroTime"), None, span(), |v| {
            let (micros, text) = micros(v);
            (Avro::Long(micros), text)
        }),
        typed(connect("long", "io.debezium.time.NanoTime"), None, span(), |v| {
            (Avro::Long(v), span_text(v, 9))
        }),
    ])
}
