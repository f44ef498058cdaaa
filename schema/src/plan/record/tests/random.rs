//! Random tables, settings and rows.

use proptest::prelude::*;

use super::{ColumnType, column};
use crate::avro::SchemaStyle;
use crate::change::Extent;
use crate::table::{Column, Declaration, Default, TableId, TableSchema};
use crate::types::charset::Charset;
use crate::types::temporal::Fraction;
use crate::types::{
    BinaryMode, ConversionFailure, DecimalMode, Fidelity, TimePrecision, UnsignedBigInt,
    ValueOptions,
};

/// A column type, bytes in its row image, and a default that it could declare. The bytes are
/// mostly values of the type, and sometimes not.
type Typed = (ColumnType, Vec<u8>, &'static str);

fn typed_bytes() -> impl Strategy<Value = Typed> {
    prop_oneof![
        4 => any::<bool>().prop_flat_map(integers),
        3 => (0_u8..=6).prop_flat_map(times),
        2 => (1_u8..=65, 0_u8..=30).prop_flat_map(decimals),
        3 => texts(),
        3 => binary(),
        1 => (1_u8..=64).prop_flat_map(bits),
        1 => fixed(ColumnType::Float, 4, "1.5"),
        1 => fixed(ColumnType::Double, 8, "-1e10"),
        1 => fixed(ColumnType::Year, 1, "0000"),
        1 => fixed(ColumnType::Date, 3, "2020-01-02"),
    ]
}

/// Any bytes of a width.
fn fixed(
    column_type: ColumnType,
    width: usize,
    default: &'static str,
) -> impl Strategy<Value = Typed> {
    prop::collection::vec(any::<u8>(), width)
        .prop_map(move |bytes| (column_type.clone(), bytes, default))
}

fn integers(unsigned: bool) -> impl Strategy<Value = Typed> {
    prop_oneof![
        fixed(ColumnType::TinyInt { unsigned }, 1, "7"),
        fixed(ColumnType::SmallInt { unsigned }, 2, "7"),
        fixed(ColumnType::MediumInt { unsigned }, 3, "7"),
        fixed(ColumnType::Int { unsigned }, 4, "0"),
        fixed(ColumnType::BigInt { unsigned }, 8, "18446744073709551615"),
    ]
}

fn times(digits: u8) -> impl Strategy<Value = Typed> {
    let fraction = Fraction::new(digits).unwrap();
    prop_oneof![
        time_bytes(fraction),
        datetime_bytes(fraction),
        fixed(ColumnType::Timestamp { fraction }, 4 + fraction.bytes(), "2020-01-02 03:04:05"),
    ]
}

fn decimals((precision, scale): (u8, u8)) -> impl Strategy<Value = Typed> {
    let scale = scale.min(precision);
    let width = crate::types::decimal::packed_bytes(precision, scale).unwrap();
    // Groups of digits are mostly valid when their bytes are small.
    let byte = prop_oneof![9 => 0_u8..=5, 1 => any::<u8>()];
    prop::collection::vec(byte, width).prop_map(move |mut bytes| {
        bytes[0] |= 0x80;
        (ColumnType::Decimal { precision, scale }, bytes, "0")
    })
}

fn texts() -> impl Strategy<Value = Typed> {
    let members = |names: [&str; 3]| names.map(str::to_owned).to_vec();
    let (words, choices) = (members(["x", "y,y", "zz"]), members(["x", "y", "zz"]));
    let bytes = || prop::collection::vec(any::<u8>(), 0..30);
    prop_oneof![
        "\\PC{0,20}".prop_map(|text| {
            (ColumnType::Text { charset: Charset::Utf8 }, text.into_bytes(), "it's \"q\"")
        }),
        bytes().prop_map(|b| (ColumnType::Text { charset: Charset::Latin1 }, b, "")),
        bytes().prop_map(|b| (ColumnType::Json, b, "")),
        (0_u8..5).prop_map(move |b| (ColumnType::Enum { members: words.clone() }, vec![b], "y,y")),
        (0_u8..9).prop_map(move |b| (
            ColumnType::Set { members: choices.clone() },
            vec![b],
            "x,zz"
        )),
    ]
}

fn binary() -> impl Strategy<Value = Typed> {
    let bytes = || prop::collection::vec(any::<u8>(), 0..24);
    prop_oneof![
        bytes().prop_map(|b| (ColumnType::Blob, b, "0x00ff")),
        bytes().prop_map(|b| (ColumnType::Binary { length: 20 }, b, "0x6162")),
        bytes().prop_map(|b| (ColumnType::Vector, b, "")),
        (any::<bool>(), any::<(u32, f64, f64)>()).prop_map(|(point, (srid, x, y))| {
            let mut bytes = (srid >> 1).to_le_bytes().to_vec();
            bytes.extend_from_slice(&[1, 1, 0, 0, 0]);
            bytes.extend_from_slice(&x.to_le_bytes());
            bytes.extend_from_slice(&y.to_le_bytes());
            (ColumnType::Geometry { point }, bytes, "")
        }),
    ]
}

fn bits(length: u8) -> impl Strategy<Value = Typed> {
    let mask = if length.is_multiple_of(8) { 0xff } else { (1_u8 << (length % 8)) - 1 };
    prop::collection::vec(any::<u8>(), usize::from(length.div_ceil(8))).prop_map(
        move |mut bytes| {
            bytes[0] &= mask;
            (ColumnType::Bit { length }, bytes, "b'1'")
        },
    )
}

/// A TIME with its bits in range: random bytes rarely are.
fn time_bytes(fraction: Fraction) -> impl Strategy<Value = Typed> {
    (0_u32..=838, 0_u32..60, 0_u32..60, any::<bool>()).prop_map(move |(h, m, s, negative)| {
        let bits = 8 * fraction.bytes();
        let packed = i64::from(h << 12 | m << 6 | s) << bits;
        let packed = if negative { -packed } else { packed };
        let whole = (0x80_0000_i64 << bits) + packed;
        let bytes = whole.to_be_bytes()[8 - 3 - fraction.bytes()..].to_vec();
        (ColumnType::Time { fraction }, bytes, "12:34:56")
    })
}

/// A DATETIME, sometimes with zeros in its date.
fn datetime_bytes(fraction: Fraction) -> impl Strategy<Value = Typed> {
    (0_u64..=9999, 0_u64..=12, 0_u64..=31, 0_u64..24, 0_u64..60).prop_map(
        move |(year, month, day, hour, minute)| {
            let packed = 1 << 39 | (year * 13 + month) << 22 | day << 17 | hour << 12 | minute << 6;
            let mut bytes = packed.to_be_bytes()[3..].to_vec();
            bytes.resize(5 + fraction.bytes(), 0);
            (ColumnType::DateTime { fraction }, bytes, "2020-01-02 03:04:05")
        },
    )
}

/// A column with the bytes of one value, or NULL.
pub(super) fn any_column() -> impl Strategy<Value = (Column, Option<Vec<u8>>)> {
    (typed_bytes(), any::<bool>(), any::<bool>(), 0_u8..4).prop_map(
        |((column_type, bytes, default), nullable, is_null, declared)| {
            let literal = Default::Literal(default.to_owned());
            let declaration = match declared {
                0 => None,
                1 => Some(Default::None),
                2 => Some(Default::CurrentTimestamp),
                _ => Some(literal),
            };
            let declaration = declaration.map(|default| Declaration {
                type_text: "float(7,3)".to_owned(),
                default,
                comment: "a comment".to_owned(),
            });
            let column = Column { declaration, ..column("c", column_type, nullable) };
            (column, (!(nullable && is_null)).then_some(bytes))
        },
    )
}

/// A row image: its bytes, and where its columns are in them.
type Image = (Vec<u8>, Vec<Extent>);

/// A table of some columns, with two rows of it: images as the log has them.
pub(super) fn any_rows() -> impl Strategy<Value = (TableSchema, [Image; 2])> {
    prop::collection::vec((any_column(), any::<bool>()), 1..8).prop_map(|columns| {
        let image = |swap: bool| {
            let (mut data, mut cells) = (Vec::new(), Vec::new());
            for ((column, bytes), changes) in &columns {
                let bytes = bytes.as_ref().filter(|_| !(swap && *changes && column.nullable));
                cells.push(match bytes {
                    None => Extent::NULL,
                    Some(bytes) => {
                        let start = data.len();
                        data.extend_from_slice(bytes);
                        Extent::of(start..data.len()).unwrap()
                    }
                });
            }
            (data, cells)
        };
        let rows = [image(false), image(true)];
        let named = columns
            .into_iter()
            .enumerate()
            .map(|(index, ((column, _), _))| Column { name: format!("c{index}"), ..column });
        let columns: Vec<_> = named.collect();
        (TableSchema { id: TableId::new("d", "t"), columns, key: vec![0] }, rows)
    })
}

/// Any settings of values.
pub(super) fn any_options() -> impl Strategy<Value = ValueOptions> {
    let style = prop_oneof![Just(SchemaStyle::Debezium), Just(SchemaStyle::Clean)];
    let decimal = prop_oneof![
        Just(DecimalMode::Precise),
        Just(DecimalMode::Double),
        Just(DecimalMode::String)
    ];
    let time = prop_oneof![
        Just(TimePrecision::Adaptive),
        Just(TimePrecision::Connect),
        Just(TimePrecision::IsoString),
        Just(TimePrecision::Microseconds),
        Just(TimePrecision::Nanoseconds)
    ];
    let binary = prop_oneof![
        Just(BinaryMode::Bytes),
        Just(BinaryMode::Base64),
        Just(BinaryMode::Base64UrlSafe),
        Just(BinaryMode::Hex)
    ];
    let failure = prop_oneof![Just(ConversionFailure::Fail), Just(ConversionFailure::Warn)];
    (style, decimal, time, binary, failure, any::<[bool; 3]>()).prop_map(
        |(style, decimal, time, binary, failure, [precise, exact, null_stays_null])| ValueOptions {
            style,
            decimal,
            unsigned_bigint: if precise { UnsignedBigInt::Precise } else { UnsignedBigInt::Long },
            time,
            binary,
            failure,
            fidelity: if exact { Fidelity::Exact } else { Fidelity::Debezium },
            null_stays_null,
        },
    )
}
