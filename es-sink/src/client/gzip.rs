//! Request bodies with gzip. Servers of all versions read them.

use std::io::Write;

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;

/// Below, headers weigh more than the body.
const FROM: usize = 1 << 10;
/// From here on it would hold up other tasks of the thread: some 100 µs at 700 MB/s.
const BLOCKING_FROM: usize = 64 << 10;

/// A body that is smaller, or nothing when it is not worth it. Level 1: level 6 costs seven times
/// as much and saves a third (measured with rows in JSON).
pub(super) async fn pack(body: &Bytes) -> Option<Bytes> {
    match body.len() {
        ..FROM => None,
        FROM..BLOCKING_FROM => packed(body),
        BLOCKING_FROM.. => {
            let body = body.clone();
            tokio::task::spawn_blocking(move || packed(&body)).await.ok()?
        }
    }
}

fn packed(body: &[u8]) -> Option<Bytes> {
    let mut encoder = GzEncoder::new(Vec::with_capacity(body.len() / 4), Compression::fast());
    encoder.write_all(body).ok()?;
    let packed = encoder.finish().ok()?;
    (packed.len() < body.len()).then(|| packed.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::io::Read;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]

        /// On either side of the border at which another thread does it.
        #[test]
        fn what_is_packed_is_smaller_and_the_same(
            piece in "[a-z\"{}:,]{1,50}", times in 1_usize..4_000,
        ) {
            let body = Bytes::from(piece.repeat(times));
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();

            let packed = runtime.block_on(pack(&body));

            prop_assert!(packed.is_some() || body.len() < FROM || times < 50);
            if let Some(packed) = packed {
                let mut unpacked = Vec::new();
                flate2::read::GzDecoder::new(&*packed).read_to_end(&mut unpacked).unwrap();
                prop_assert!(packed.len() < body.len());
                prop_assert_eq!(unpacked, body);
            }
        }
    }
}
