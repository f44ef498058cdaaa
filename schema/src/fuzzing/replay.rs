//! Fuzz targets on stable: seeds, earlier findings, and random mutations of both.

use std::hash::{BuildHasher, RandomState};
use std::path::PathBuf;

use super::Target;

/// Mutated inputs of one run.
const ITERATIONS: u32 = 20_000;

/// Longest input that mutations make, libFuzzer's own default.
const INPUT_MAX_BYTES: usize = 4096;

/// Repeats a run: its value is the number that a failure prints.
const SEED_VARIABLE: &str = "FUZZ_REPLAY_SEED";

/// Runs a target on all that is known to be interesting, and on mutations of it.
///
/// # Panics
///
/// When the target does, naming the input in hexadecimal and the seed that repeats the run.
pub fn replay(target: &Target) {
    let mut inputs = (target.seeds)();
    inputs.extend(findings(target.name));
    assert!(!inputs.is_empty(), "{} has no seed", target.name);
    for input in &inputs {
        run(target, input, "a seed");
    }
    let set = std::env::var(SEED_VARIABLE).ok().and_then(|text| text.parse().ok());
    let seed = set.unwrap_or_else(|| RandomState::new().hash_one(target.name));
    let mut random = Random::new(seed);
    for iteration in 0..ITERATIONS {
        let input = mutated(&inputs, &mut random);
        run(target, &input, &format!("{SEED_VARIABLE}={seed}, iteration {iteration}"));
    }
}

/// What `cargo fuzz` has found in the past.
fn findings(name: &str) -> Vec<Vec<u8>> {
    let folder = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../fuzz/seeds")).join(name);
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let mut paths: Vec<_> = entries.map(|entry| entry.expect("a readable folder").path()).collect();
    paths.sort();
    paths.iter().map(|path| std::fs::read(path).expect("a readable file")).collect()
}

fn run(target: &Target, input: &[u8], origin: &str) {
    let held = std::panic::catch_unwind(|| (target.run)(input)).is_ok();
    let hex = || input.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    assert!(held, "{} does not hold for {origin}: input {}", target.name, hex());
}

/// One of the inputs with one to four changes: with more, hardly any stays valid.
fn mutated(inputs: &[Vec<u8>], random: &mut Random) -> Vec<u8> {
    let mut input = random.pick(inputs).cloned().unwrap_or_default();
    for _ in 0..=random.below(4) {
        mutate(&mut input, inputs, random);
    }
    input.truncate(INPUT_MAX_BYTES);
    input
}

fn mutate(input: &mut Vec<u8>, inputs: &[Vec<u8>], random: &mut Random) {
    const EDGES: [u64; 8] = [0, 1, 0x7f, 0x80, 0xff, 0x7fff_ffff, 1 << 63, u64::MAX];
    let at = random.below(input.len() + 1);
    let end = at + random.below(9).min(input.len() - at);
    match random.below(8) {
        0 => input.truncate(at),
        1 => drop(input.drain(at..end)),
        2 => {
            let copied = input.get(at..end).unwrap_or_default().to_vec();
            drop(input.splice(at..at, copied));
        }
        3 => {
            let noise: Vec<u8> = (0..=random.below(4)).map(|_| random.byte()).collect();
            drop(input.splice(at..at, noise));
        }
        4 => {
            let edge = random.pick(&EDGES).copied().unwrap_or_default().to_le_bytes();
            let width = (end - at).min(edge.len());
            drop(input.splice(at..at + width, edge.into_iter().take(width)));
        }
        5 => {
            let other = random.pick(inputs).map_or(&[][..], Vec::as_slice);
            let from = random.below(other.len() + 1);
            drop(input.splice(at..end, other.iter().skip(from).copied()));
        }
        6 => flip(input.get_mut(at), |byte| byte ^ 1 << random.below(8)),
        _ => flip(input.get_mut(at), |_| random.byte()),
    }
}

fn flip(byte: Option<&mut u8>, change: impl FnOnce(u8) -> u8) {
    if let Some(byte) = byte {
        *byte = change(*byte);
    }
}

/// Marsaglia's xorshift64: repeatable, and good enough to pick bytes with.
struct Random(u64);

impl Random {
    fn new(seed: u64) -> Self {
        // Zero would stay zero.
        Self(seed | 1)
    }

    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    /// A number below the limit, which is at least 1.
    fn below(&mut self, limit: usize) -> usize {
        usize::try_from(self.next() >> 33).unwrap_or_default() % limit
    }

    fn byte(&mut self) -> u8 {
        self.next().to_be_bytes()[0]
    }

    fn pick<'a, T>(&mut self, from: &'a [T]) -> Option<&'a T> {
        from.get(self.below(from.len().max(1)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const REFUSES_TWO: Target = Target {
        name: "refuses_two",
        run: |data| assert!(data != [2]),
        seeds: || vec![vec![2]],
        heap_per_byte: 0,
    };

    #[test]
    #[should_panic(expected = "refuses_two does not hold for a seed: input 02")]
    fn what_does_not_hold_is_told_with_its_input() {
        replay(&REFUSES_TWO);
    }

    #[test]
    fn mutations_reach_every_byte_and_stay_within_the_limit() {
        let inputs = [vec![0; 64], vec![1; INPUT_MAX_BYTES]];
        let mut random = Random::new(7);
        let mut changed = [false; 64];
        for _ in 0..ITERATIONS {
            let input = mutated(&inputs, &mut random);
            assert!(input.len() <= INPUT_MAX_BYTES);
            if input.len() == 64 {
                input.iter().zip(&mut changed).for_each(|(byte, seen)| *seen |= *byte != 0);
            }
        }

        assert_eq!(changed, [true; 64]);
    }
}
