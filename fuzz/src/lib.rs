//! What all fuzz targets share: the seeds, and the limit of the heap.
//!
//! What is asserted stands beside the decoders, in each crate's `fuzzing` module, so that the same
//! functions run on stable in `cargo test`. Only what needs the whole process is here: an
//! allocator that counts.

mod heap;

use std::path::PathBuf;

pub use libfuzzer_sys;
use schema::fuzzing::Target;

/// Heap that any input may take: schemas, plans and buffers that grow by doubling.
const HEAP_BASE_BYTES: usize = 1 << 20;

/// Writes the target's seeds into the folder that `FUZZ_SEEDS` names, for libFuzzer to find them
/// there: it reads its folders after this.
pub fn prepare(target: &Target) {
    // Lazy values of the target are made here, outside of the first input's limit.
    let seeds = (target.seeds)();
    for seed in &seeds {
        (target.run)(seed);
    }
    let Some(folder) = std::env::var_os("FUZZ_SEEDS").map(PathBuf::from) else { return };
    for (index, seed) in seeds.iter().enumerate() {
        std::fs::write(folder.join(format!("seed-{index:03}")), seed).expect("the folder is there");
    }
}

/// Runs the target on one input and looks at its heap.
pub fn run(target: &Target, data: &[u8]) {
    let peak = heap::peak_of(|| (target.run)(data));
    let limit = HEAP_BASE_BYTES + target.heap_per_byte * data.len();
    assert!(
        peak <= limit,
        "{} bytes of input took {peak} bytes of heap, limit {limit}",
        data.len()
    );
}

/// The driver of one target.
#[macro_export]
macro_rules! fuzz {
    ($target:expr) => {
        $crate::libfuzzer_sys::fuzz_target!(
            init: $crate::prepare(&$target),
            |data: &[u8]| $crate::run(&$target, data)
        );
    };
}
