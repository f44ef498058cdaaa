//! How values are written: what the settings choose for all columns of a connector.

pub use crate::avro::SchemaStyle;
use crate::table::Declaration;
use crate::types::ColumnType;

/// The choices that decide what a column's values become.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ValueOptions {
    /// `schema.style`.
    pub style: SchemaStyle,
    /// `decimal.handling.mode`.
    pub decimal: DecimalMode,
    /// `bigint.unsigned.handling.mode`.
    pub unsigned_bigint: UnsignedBigInt,
    /// `time.precision.mode`.
    pub time: TimePrecision,
    /// `binary.handling.mode`.
    pub binary: BinaryMode,
    /// `event.converting.failure.handling.mode`.
    pub failure: ConversionFailure,
    /// `value.fidelity`.
    pub fidelity: Fidelity,
    /// `ignore.default.for.nullables`: whether NULL stays NULL in a column that has a default.
    pub null_stays_null: bool,
}

impl ValueOptions {
    /// What a pipeline file begins with: Debezium's schemas, and every value exact.
    #[must_use]
    pub fn exact() -> Self {
        Self {
            style: SchemaStyle::Debezium,
            decimal: DecimalMode::Precise,
            unsigned_bigint: UnsignedBigInt::Precise,
            time: TimePrecision::Adaptive,
            binary: BinaryMode::Bytes,
            failure: ConversionFailure::Fail,
            fidelity: Fidelity::Exact,
            null_stays_null: true,
        }
    }

    /// What Debezium's own connector begins with.
    #[must_use]
    pub fn debezium() -> Self {
        Self {
            unsigned_bigint: UnsignedBigInt::Long,
            failure: ConversionFailure::Warn,
            fidelity: Fidelity::Debezium,
            null_stays_null: false,
            ..Self::exact()
        }
    }
}

/// What a `DECIMAL` becomes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DecimalMode {
    /// Connect's `Decimal`: exact.
    Precise,
    /// A double: up to 17 digits.
    Double,
    /// Its text: exact.
    String,
}

/// What an unsigned `BIGINT` becomes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UnsignedBigInt {
    /// A decimal of 20 digits: exact.
    Precise,
    /// A signed 64-bit number, negative from 2^63: Debezium's default.
    Long,
}

/// What dates and times become.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TimePrecision {
    /// `adaptive_time_microseconds`: the unit that holds the column's digits; TIME in
    /// microseconds.
    Adaptive,
    /// Connect's own types: milliseconds, and TIME only within a day.
    Connect,
    /// Text in ISO 8601.
    IsoString,
    /// Microseconds.
    Microseconds,
    /// Nanoseconds: only the years 1677 to 2262.
    Nanoseconds,
}

/// What bytes that are not text become.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BinaryMode {
    /// Bytes.
    Bytes,
    /// Text in base64.
    Base64,
    /// Text in base64 with `-` and `_`.
    Base64UrlSafe,
    /// Text in hexadecimal digits.
    Hex,
}

/// What happens to a value that its form cannot hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConversionFailure {
    /// The table is parked.
    Fail,
    /// NULL is written, counted, and told of once for each column.
    Warn,
    /// NULL is written and counted.
    Skip,
}

/// Whether to repeat what Debezium writes differently from what the row says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fidelity {
    /// Each value as MySQL has it, the same from the snapshot and from the log.
    Exact,
    /// As Debezium. From the log, commas in ENUM members are escaped and year 0 is 1900. From the
    /// snapshot, JSON has MySQL's blanks, TIMESTAMP no zeros at its end, and year 0 is 2000.
    Debezium,
}

/// Where a value was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// In the binary log.
    Log,
    /// By a snapshot's SELECT.
    Snapshot,
}

impl Fidelity {
    /// What MySQL's year 0000 becomes.
    pub(super) fn year_zero(self, origin: Origin) -> i32 {
        match (self, origin) {
            (Self::Exact, _) => 0,
            (Self::Debezium, Origin::Log) => 1900,
            (Self::Debezium, Origin::Snapshot) => 2000,
        }
    }

    /// Whether zeros at the end of a TIMESTAMP's fraction are left out.
    pub(super) fn trims_timestamps(self, origin: Origin) -> bool {
        (self, origin) == (Self::Debezium, Origin::Snapshot)
    }

    /// The members of an ENUM or SET in its schema.
    pub(crate) fn members(
        self,
        members: &[String],
        declaration: Option<&Declaration>,
    ) -> Vec<String> {
        let printed = declaration.filter(|_| self == Self::Debezium);
        let printed = printed.map(Declaration::printed_members);
        // A declaration in a test may have none.
        printed.filter(|printed| printed.len() == members.len()).unwrap_or(members.to_vec())
    }

    /// As what the log's values of a column are read: Debezium takes the members of its schema,
    /// with a backslash before the commas in an ENUM's.
    pub(crate) fn read_as(
        self,
        column_type: &ColumnType,
        declaration: Option<&Declaration>,
        origin: Origin,
    ) -> ColumnType {
        if (self, origin) != (Self::Debezium, Origin::Log) {
            return column_type.clone();
        }
        let members = |members: &[String]| self.members(members, declaration);
        if let ColumnType::Enum { members: known } = column_type {
            let escaped = members(known).iter().map(|m| m.replace(',', "\\,")).collect();
            return ColumnType::Enum { members: escaped };
        }
        if let ColumnType::Set { members: known } = column_type {
            return ColumnType::Set { members: members(known) };
        }
        column_type.clone()
    }
}
