//! Random geometries, as SQL.

use crate::random::Random;

/// A geometry of a kind, in the given system or, if any will do, in one that is drawn.
pub(super) fn draw(random: &mut Random, kind: &str, srid: Option<u32>) -> String {
    let srid = srid.unwrap_or_else(|| random.pick(&[0, 0, 4326, 3857]));
    format!("ST_GeomFromText('{}', {srid})", well_known(random, kind))
}

fn well_known(random: &mut Random, kind: &str) -> String {
    let all = ["POINT", "LINESTRING", "POLYGON", "MULTIPOINT", "MULTILINESTRING", "MULTIPOLYGON"];
    match kind {
        "POINT" => format!("POINT({})", point(random)),
        "LINESTRING" => format!("LINESTRING{}", line(random)),
        "POLYGON" => format!("POLYGON{}", polygon(random)),
        "MULTIPOINT" => format!("MULTIPOINT{}", line(random)),
        "MULTILINESTRING" => format!("MULTILINESTRING({},{})", line(random), line(random)),
        "MULTIPOLYGON" => format!("MULTIPOLYGON({},{})", polygon(random), polygon(random)),
        "GEOMETRYCOLLECTION" => {
            let parts: Vec<String> = (0..random.below(4))
                .map(|_| {
                    let kind = random.pick(&all);
                    well_known(random, kind)
                })
                .collect();
            if parts.is_empty() {
                return "GEOMETRYCOLLECTION EMPTY".to_owned();
            }
            format!("GEOMETRYCOLLECTION({})", parts.join(","))
        }
        _ => {
            let kind = if random.chance(20) { "GEOMETRYCOLLECTION" } else { random.pick(&all) };
            well_known(random, kind)
        }
    }
}

/// Within what a latitude may be.
fn point(random: &mut Random) -> String {
    let mut coordinate = || {
        let whole = i64::try_from(random.below(181)).unwrap_or_default() - 90;
        let corners = [0.0, -0.0, 90.0, -90.0, 1e-300, 0.1];
        let corner = random.pick(&corners);
        match i32::try_from(whole) {
            Ok(whole) if random.chance(70) => f64::from(whole),
            _ => corner,
        }
    };
    format!("{:e} {:e}", coordinate(), coordinate())
}

fn line(random: &mut Random) -> String {
    let points: Vec<String> = (0..random.between(2, 5)).map(|_| point(random)).collect();
    format!("({})", points.join(","))
}

fn polygon(random: &mut Random) -> String {
    let (first, second, third) = (point(random), point(random), point(random));
    format!("(({first},{second},{third},{first}))")
}
