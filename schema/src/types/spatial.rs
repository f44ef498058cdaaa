//! Geometry and vectors.
//!
//! MySQL stores a geometry as four bytes of SRID, little-endian, and then its well-known binary
//! form with the axes in the order of longitude and latitude, whatever the SRID says
//! (`sql/spatial.h`); Debezium hands both on as they are. A VECTOR is single floats, little-endian.

use super::ValueError;
use crate::value::{Field, Kind, Schema, Value};

/// Length of a point in well-known binary: order of bytes, type, two doubles.
const POINT_BYTES: usize = 21;

/// Well-known binary's number of a point.
const WKB_POINT: [u8; 4] = [1, 0, 0, 0];

/// A stored geometry, taken apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Geometry<'a> {
    /// The spatial reference system; 0 stands for none.
    pub(super) srid: u32,
    pub(super) wkb: &'a [u8],
}

impl<'a> Geometry<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Result<Self, ValueError> {
        let (srid, wkb) = bytes.split_first_chunk::<4>().ok_or(ValueError::Length)?;
        // Order of bytes and type; MySQL always stores the little-endian order, 1.
        if wkb.len() < 5 || wkb.first() != Some(&1) {
            return Err(ValueError::Geometry);
        }
        Ok(Self { srid: u32::from_le_bytes(*srid), wkb })
    }

    /// The SRID as Debezium writes it: none for 0.
    pub(super) fn optional_srid(self) -> Result<Option<i32>, ValueError> {
        let srid = i32::try_from(self.srid).map_err(|_| ValueError::Geometry)?;
        Ok((srid != 0).then_some(srid))
    }

    /// The two coordinates of a point.
    pub(super) fn point(self) -> Result<(f64, f64), ValueError> {
        let wkb: &[u8; POINT_BYTES] = self.wkb.try_into().map_err(|_| ValueError::Geometry)?;
        let (head, coordinates) = wkb.split_at(5);
        let (x, y) = coordinates.split_at(8);
        if head.get(1..) != Some(&WKB_POINT) {
            return Err(ValueError::Geometry);
        }
        Ok((super::float::double(x)?, super::float::double(y)?))
    }
}

/// The schema of any geometry but a point.
pub(super) fn geometry_schema() -> Schema {
    let fields = vec![Field::new("wkb", Schema::new(Kind::Bytes)), srid_field()];
    Schema::record("io.debezium.data.geometry.Geometry".to_owned(), Some(1), fields).doc("Geometry")
}

/// The schema of a point.
pub(super) fn point_schema() -> Schema {
    let fields = vec![
        Field::new("x", Schema::new(Kind::Float64)),
        Field::new("y", Schema::new(Kind::Float64)),
        Field::new("wkb", Schema::new(Kind::Bytes).optional()),
        srid_field(),
    ];
    Schema::record("io.debezium.data.geometry.Point".to_owned(), Some(1), fields)
        .doc("Geometry (POINT)")
}

fn srid_field() -> Field {
    Field::new("srid", Schema::new(Kind::Int32).optional())
}

pub(super) fn geometry_value(bytes: &[u8]) -> Result<Value, ValueError> {
    let geometry = Geometry::new(bytes)?;
    Ok(Value::Struct(vec![Value::Bytes(geometry.wkb.to_vec()), srid_value(geometry)?]))
}

pub(super) fn point_value(bytes: &[u8]) -> Result<Value, ValueError> {
    let geometry = Geometry::new(bytes)?;
    let (x, y) = geometry.point()?;
    let wkb = Value::Bytes(geometry.wkb.to_vec());
    Ok(Value::Struct(vec![Value::Float64(x), Value::Float64(y), wkb, srid_value(geometry)?]))
}

fn srid_value(geometry: Geometry<'_>) -> Result<Value, ValueError> {
    Ok(geometry.optional_srid()?.map_or(Value::Null, Value::Int32))
}

/// The schema of a vector.
pub(super) fn vector_schema() -> Schema {
    let entry = Box::new(Schema::new(Kind::Float32));
    Schema::semantic(Kind::Array(entry), "io.debezium.data.FloatVector")
}

/// The numbers of a vector.
pub(super) fn vector_entries(bytes: &[u8]) -> Result<impl Iterator<Item = [u8; 4]>, ValueError> {
    let (entries, rest) = bytes.as_chunks::<4>();
    if rest.is_empty() { Ok(entries.iter().copied()) } else { Err(ValueError::Length) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_point_has_its_coordinates_beside_its_bytes() {
        // SELECT HEX(ST_GeomFromText('POINT(1 2)', 4326)) on 9.7: stored as longitude, latitude.
        let mut bytes = vec![0xe6, 0x10, 0, 0, 1, 1, 0, 0, 0];
        bytes.extend_from_slice(&2.0_f64.to_le_bytes());
        bytes.extend_from_slice(&1.0_f64.to_le_bytes());

        let geometry = Geometry::new(&bytes).unwrap();

        assert_eq!(geometry.optional_srid(), Ok(Some(4326)));
        assert_eq!(geometry.point(), Ok((2.0, 1.0)));
        assert_eq!(Geometry::new(&bytes[..7]).err(), Some(ValueError::Geometry));
        assert_eq!(Geometry::new(&bytes[..20]).unwrap().point(), Err(ValueError::Geometry));
    }
}
