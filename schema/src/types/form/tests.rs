//! Forms: known values. What holds for all of them stands with the plans.

use super::*;
use crate::types::temporal::CivilDate;
use crate::types::{MysqlValue, ValueError};
use crate::value::Value;

fn fraction(digits: u8) -> Fraction {
    Fraction::new(digits).unwrap()
}

#[test]
fn a_time_beyond_a_day_has_no_form_that_means_a_time_of_day() {
    let span = MysqlValue::Time(-1_000_000);

    assert_eq!(Form::Time(TimeForm::Micros).value(&span), Ok(Value::Int64(-1_000_000)));
    for form in [TimeForm::ConnectMillis, TimeForm::MicrosOfDay] {
        assert_eq!(Form::Time(form).value(&span), Err(ValueError::Range));
    }
}

#[test]
fn nanoseconds_end_in_the_year_2262() {
    let year = |year| {
        let date = CivilDate { year, month: 1, day: 1 };
        Form::DateTime(DateTimeForm::Nanos).value(&MysqlValue::DateTime(date, 0))
    };

    assert_eq!(year(1970), Ok(Value::Int64(0)));
    assert_eq!(year(2300), Err(ValueError::Range));
}

#[test]
fn bits_are_little_endian_for_debezium_and_big_endian_in_the_clean_style() {
    let bits = MysqlValue::Bits(0x0201);

    assert_eq!(Form::Bits { length: 10 }.value(&bits), Ok(Value::Bytes(vec![1, 2])));
    assert_eq!(Form::PlainBits { length: 10 }.value(&bits), Ok(Value::Bytes(vec![2, 1])));
}

#[test]
fn trimmed_timestamps_lose_zeros_and_a_lonely_point() {
    let text = |micros, trimmed| {
        let form = Form::ZonedTimestamp { fraction: fraction(6), trimmed };
        form.value(&MysqlValue::Timestamp(Some(micros))).unwrap()
    };

    let string = |text: &str| Value::String(text.to_owned());
    assert_eq!(text(120_000, true), string("1970-01-01T00:00:00.12Z"));
    assert_eq!(text(120_000, false), string("1970-01-01T00:00:00.120000Z"));
    assert_eq!(text(0, true), string("1970-01-01T00:00:00Z"));
}
