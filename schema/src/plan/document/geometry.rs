//! Geometries as Elasticsearch's `geo_point` and `geo_shape` take them.
//!
//! Debezium hands on MySQL's well-known binary. A point becomes `{"lat":…,"lon":…}`, anything else
//! well-known text: a text that is no shape can be passed over by the server
//! (`ignore_malformed`), whatever its version.
//!
//! Only what is on earth can be either: SRID 4326 or none, and degrees within their ranges. Any
//! other value is kept as the object that it would have been, under the column's name and
//! `__geometry`, and the column is null: a plane's coordinates must not stop a task.

use super::cursor::Cursor;
use super::error::{PlanError, Problem};
use super::field::FieldKind;
use super::json::write_string;
use super::value::{Column, close_object, compile_columns, is_null};
use super::{DocumentOptions, GeometryForm};
use crate::avro::{Field, Node, Shape};

/// Deepest collection of collections.
const DEPTH_MAX: u32 = 16;
/// The reference system of degrees, and of GPS.
const WGS_84: i32 = 4_326;
/// What stands behind the name of a column whose value is kept as an object.
const KEPT_SUFFIX: &str = "__geometry";

/// How to read one geometry.
#[derive(Debug)]
pub(super) struct Geometry {
    layout: Layout,
    /// How it is kept where it has no place on earth.
    columns: Box<[Column]>,
    /// `null,"<name>__geometry":`
    kept: Box<[u8]>,
}

/// Where Debezium's two records have their parts.
#[derive(Debug, Clone, Copy)]
enum Layout {
    /// `x`, `y`, `wkb`, `srid`.
    Point { wkb: Option<usize>, srid: Option<usize> },
    /// `wkb`, `srid`.
    Shape { srid: Option<usize> },
}

impl Layout {
    fn of(node: &Node, fields: &[Field]) -> Option<Self> {
        let is = |field: &Field, name: &str, is_shape: fn(&Shape) -> bool| {
            let (null_branch, node) = field.node.optional()?;
            (*field.name == *name && is_shape(&node.shape)).then_some(null_branch)
        };
        let is_double = |shape: &Shape| matches!(shape, Shape::Double);
        let is_bytes = |shape: &Shape| matches!(shape, Shape::Bytes);
        let is_int = |shape: &Shape| matches!(shape, Shape::Int);
        match (node.semantics.name.as_deref()?, fields) {
            ("io.debezium.data.geometry.Point", [x, y, wkb, srid]) => {
                let axes = [is(x, "x", is_double)?, is(y, "y", is_double)?];
                let (wkb, srid) = (is(wkb, "wkb", is_bytes)?, is(srid, "srid", is_int)?);
                (axes == [None, None]).then_some(Self::Point { wkb, srid })
            }
            ("io.debezium.data.geometry.Geometry", [wkb, srid]) => {
                let (wkb, srid) = (is(wkb, "wkb", is_bytes)?, is(srid, "srid", is_int)?);
                wkb.is_none().then_some(Self::Shape { srid })
            }
            _ => None,
        }
    }
}

impl Geometry {
    /// `None` for records that are none of Debezium's geometries, or are to stay objects.
    pub(super) fn compile(
        node: &Node,
        fields: &[Field],
        path: &str,
        options: DocumentOptions,
    ) -> Result<Option<Self>, PlanError> {
        if options.geometry == GeometryForm::Object {
            return Ok(None);
        }
        let Some(layout) = Layout::of(node, fields) else { return Ok(None) };
        let columns = compile_columns(fields, path, options)?;
        let name = path.rsplit('.').next().unwrap_or(path);
        let mut kept = b"null,".to_vec();
        write_string(&format!("{name}{KEPT_SUFFIX}"), &mut kept);
        kept.push(b':');
        Ok(Some(Self { layout, columns, kept: kept.into() }))
    }

    pub(super) fn kind(&self) -> FieldKind {
        match self.layout {
            Layout::Point { .. } => FieldKind::GeoPoint,
            Layout::Shape { .. } => FieldKind::GeoShape,
        }
    }

    /// Writes the place, or null and the object as another field.
    pub(super) fn write(&self, cursor: &mut Cursor<'_>, out: &mut Vec<u8>) -> Result<(), Problem> {
        let mut reader = cursor.clone();
        let start = out.len();
        let is_written = match self.layout {
            Layout::Point { wkb, srid } => {
                let x = f64::from_le_bytes(reader.array()?);
                let y = f64::from_le_bytes(reader.array()?);
                if !is_null(wkb, &mut reader)? {
                    reader.skip_bytes()?;
                }
                is_on_earth(read_srid(srid, &mut reader)?) && write_point((x, y), out)
            }
            Layout::Shape { srid } => {
                let wkb = reader.bytes()?;
                is_on_earth(read_srid(srid, &mut reader)?) && write_shape(wkb, out)
            }
        };
        if is_written {
            *cursor = reader;
            return Ok(());
        }
        out.truncate(start);
        out.extend_from_slice(&self.kept);
        self.columns.iter().try_for_each(|column| column.write(cursor, out))?;
        close_object(&self.columns, out);
        Ok(())
    }
}

fn read_srid(null_branch: Option<usize>, cursor: &mut Cursor<'_>) -> Result<Option<i64>, Problem> {
    if is_null(null_branch, cursor)? {
        return Ok(None);
    }
    cursor.long().map(Some)
}

/// Whether a record has the schema of one of Debezium's geometries.
pub(super) fn is_geometry(node: &Node) -> bool {
    node.fields().is_some_and(|fields| Layout::of(node, fields).is_some())
}

/// Whether coordinates of a reference system are degrees. MySQL has none as 0.
pub(super) fn is_on_earth(srid: Option<i64>) -> bool {
    srid.is_none_or(|srid| srid == 0 || srid == i64::from(WGS_84))
}

/// `{"lat":…,"lon":…}`; `false` if it is no place on earth. MySQL stores the longitude first,
/// whatever the reference system says.
pub(super) fn write_point((x, y): (f64, f64), out: &mut Vec<u8>) -> bool {
    if !(is_longitude(x) && is_latitude(y)) {
        return false;
    }
    out.extend_from_slice(br#"{"lat":"#);
    write_number(y, out);
    out.extend_from_slice(br#","lon":"#);
    write_number(x, out);
    out.push(b'}');
    true
}

/// The well-known text of a well-known binary, as a JSON text. `false` if it is none, or not on
/// earth; then something may have been written.
pub(super) fn write_shape(wkb: &[u8], out: &mut Vec<u8>) -> bool {
    out.push(b'"');
    let mut reader = Wkb { rest: wkb };
    let is_whole = reader.geometry(Head::Named, 0, out).is_some() && reader.rest.is_empty();
    out.push(b'"');
    is_whole
}

fn is_longitude(degrees: f64) -> bool {
    (-180.0..=180.0).contains(&degrees)
}

fn is_latitude(degrees: f64) -> bool {
    (-90.0..=90.0).contains(&degrees)
}

fn write_number(number: f64, out: &mut Vec<u8>) {
    serde_json::to_writer(out, &number).expect("a number always has a form in a Vec");
}

/// A well-known binary that is taken apart. Nothing is kept, and each number of parts is held
/// against the bytes that are left, so the work is bounded by their length.
/// <https://dev.mysql.com/doc/refman/9.4/en/gis-data-formats.html>
struct Wkb<'a> {
    rest: &'a [u8],
}

/// Whether a shape's kind is written before it: not within a collection of one kind.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Head {
    Named,
    Bare,
}

/// Order of a number's bytes.
#[derive(Clone, Copy)]
enum Order {
    Big,
    Little,
}

impl Wkb<'_> {
    fn geometry(&mut self, head: Head, depth: u32, out: &mut Vec<u8>) -> Option<()> {
        if depth > DEPTH_MAX {
            return None;
        }
        let order = match self.array()? {
            [0] => Order::Big,
            [1] => Order::Little,
            _ => return None,
        };
        let kind = self.number(order)?;
        let name = match kind {
            1 => "POINT",
            2 => "LINESTRING",
            3 => "POLYGON",
            4 => "MULTIPOINT",
            5 => "MULTILINESTRING",
            6 => "MULTIPOLYGON",
            7 => "GEOMETRYCOLLECTION",
            _ => return None,
        };
        if head == Head::Named {
            out.extend_from_slice(name.as_bytes());
            out.push(b' ');
        }
        match kind {
            // Within others without brackets of its own: OpenSearch takes no other form.
            1 if head == Head::Bare => self.place(order, out),
            1 => {
                out.push(b'(');
                self.place(order, out)?;
                out.push(b')');
                Some(())
            }
            2 => self.line(order, out),
            3 => self.parts(order, 4, out, |this, out| this.line(order, out)),
            7 => self.parts(order, 9, out, |this, out| this.geometry(Head::Named, depth + 1, out)),
            _ => self.parts(order, 9, out, |this, out| this.geometry(Head::Bare, depth + 1, out)),
        }
    }

    fn line(&mut self, order: Order, out: &mut Vec<u8>) -> Option<()> {
        self.parts(order, 16, out, |this, out| this.place(order, out))
    }

    /// A list in brackets, each of whose entries takes so many bytes at least.
    fn parts(
        &mut self,
        order: Order,
        bytes_min: usize,
        out: &mut Vec<u8>,
        mut part: impl FnMut(&mut Self, &mut Vec<u8>) -> Option<()>,
    ) -> Option<()> {
        let count = usize::try_from(self.number(order)?).ok()?;
        if count.checked_mul(bytes_min)? > self.rest.len() {
            return None;
        }
        if count == 0 {
            out.extend_from_slice(b"EMPTY");
            return Some(());
        }
        for number in 0..count {
            out.push(if number == 0 { b'(' } else { b',' });
            part(self, out)?;
        }
        out.push(b')');
        Some(())
    }

    fn place(&mut self, order: Order, out: &mut Vec<u8>) -> Option<()> {
        let (x, y) = (self.coordinate(order)?, self.coordinate(order)?);
        if !(is_longitude(x) && is_latitude(y)) {
            return None;
        }
        write_number(x, out);
        out.push(b' ');
        write_number(y, out);
        Some(())
    }

    fn coordinate(&mut self, order: Order) -> Option<f64> {
        let bytes = self.array()?;
        Some(match order {
            Order::Big => f64::from_be_bytes(bytes),
            Order::Little => f64::from_le_bytes(bytes),
        })
    }

    fn number(&mut self, order: Order) -> Option<u32> {
        let bytes = self.array()?;
        Some(match order {
            Order::Big => u32::from_be_bytes(bytes),
            Order::Little => u32::from_le_bytes(bytes),
        })
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (array, rest) = self.rest.split_first_chunk()?;
        self.rest = rest;
        Some(*array)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn wkt(hex: &str) -> Option<String> {
        let digits: Vec<u8> = hex.bytes().filter(u8::is_ascii_hexdigit).collect();
        let pairs = digits.chunks(2).map(|pair| std::str::from_utf8(pair).unwrap());
        let bytes: Vec<u8> = pairs.map(|pair| u8::from_str_radix(pair, 16).unwrap()).collect();
        let mut out = Vec::new();
        write_shape(&bytes, &mut out).then(|| serde_json::from_slice(&out).unwrap())
    }

    /// The forms of the manual: order of bytes, kind, then places or parts.
    #[test]
    fn well_known_binary_becomes_well_known_text() {
        let one_two = "000000000000F03F 0000000000000040";
        let line = format!("02000000 {one_two} 00000000000008400000000000001040");
        let point = format!("0101000000 {one_two}");

        assert_eq!(wkt(&point).unwrap(), "POINT (1.0 2.0)");
        let expected = "LINESTRING (1.0 2.0,3.0 4.0)";
        assert_eq!(wkt(&format!("0102000000 {line}")).unwrap(), expected);
        let polygon = format!("0103000000 01000000 {line}");
        assert_eq!(wkt(&polygon).unwrap(), "POLYGON ((1.0 2.0,3.0 4.0))");
        let points = format!("0104000000 02000000 {point} {point}");
        assert_eq!(wkt(&points).unwrap(), "MULTIPOINT (1.0 2.0,1.0 2.0)");
        let polygons = format!("0106000000 01000000 {polygon}");
        assert_eq!(wkt(&polygons).unwrap(), "MULTIPOLYGON (((1.0 2.0,3.0 4.0)))");
        let all = format!("0107000000 02000000 {point} 0107000000 00000000");
        let expected = "GEOMETRYCOLLECTION (POINT (1.0 2.0),GEOMETRYCOLLECTION EMPTY)";
        assert_eq!(wkt(&all).unwrap(), expected);
        assert_eq!(wkt("00 00000001 3FF0000000000000 4000000000000000"), wkt(&point));
    }

    #[test]
    fn what_is_not_on_earth_or_no_shape_is_none() {
        let outside = "0101000000 0000000000C06640 0000000000000040";
        let deep = "0107000000 01000000".repeat(200) + "0107000000 00000000";

        for hex in [outside, &deep, "0102000000 FFFFFFFF", "0109000000", "02", ""] {
            assert_eq!(wkt(hex), None, "{hex}");
        }
        assert!(is_on_earth(None) && is_on_earth(Some(0)) && is_on_earth(Some(4_326)));
        assert!(!is_on_earth(Some(3_857)));
        assert!(!write_point((f64::NAN, 1.0), &mut Vec::new()));
    }

    proptest! {
        /// Whatever the bytes are: no panic, and not much more text than bytes.
        #[test]
        fn any_bytes_are_a_shape_or_none(
            kind in 0_u8..9, mut bytes in proptest::collection::vec(0_u8..4, 0..300),
        ) {
            bytes.splice(0..0, [1, kind, 0, 0, 0]);
            let mut out = Vec::new();
            let is_shape = write_shape(&bytes, &mut out);

            prop_assert!(out.len() <= 64 + 40 * bytes.len());
            if is_shape {
                prop_assert!(serde_json::from_slice::<String>(&out).is_ok());
            }
        }
    }
}
