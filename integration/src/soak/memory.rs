//! The resident memory of a process that is killed and started again.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::task::AbortHandle;

use super::{Point, float};

/// How often it is looked at.
const EVERY: Duration = Duration::from_millis(100);

/// Looks at a process until it is dropped.
pub(super) struct Memory {
    seen: Arc<Mutex<Seen>>,
    task: AbortHandle,
}

struct Seen {
    began: Instant,
    pid: Option<u32>,
    /// When, and how many KiB were resident.
    samples: Vec<(Duration, u64)>,
    /// The most that the kernel tells of, over all processes, in KiB.
    peak_kib: u64,
}

impl Memory {
    pub(super) fn start() -> Self {
        let began = Instant::now();
        let seen = Seen { began, pid: None, samples: Vec::new(), peak_kib: 0 };
        let seen = Arc::new(Mutex::new(seen));
        let looked = Arc::clone(&seen);
        let task = tokio::spawn(async move {
            loop {
                with(&looked, Seen::look);
                tokio::time::sleep(EVERY).await;
            }
        });
        Self { seen, task: task.abort_handle() }
    }

    /// From now on this process.
    pub(super) fn watch(&self, pid: Option<u32>) {
        with(&self.seen, |seen| seen.pid = pid);
    }

    /// Looks once more, before the process is gone.
    pub(super) fn look(&self) {
        with(&self.seen, Seen::look);
    }

    /// Lets the curve begin now. The peak stays.
    pub(super) fn begin_curve(&self) {
        with(&self.seen, |seen| {
            seen.began = Instant::now();
            seen.samples.clear();
        });
    }

    /// The most that was resident, in MB.
    pub(super) fn peak_mb(&self) -> f64 {
        with(&self.seen, |seen| megabytes(seen.peak_kib))
    }

    /// The memory over time: the highest of each of so many equal spans.
    pub(super) fn curve(&self, points: usize) -> Vec<Point> {
        with(&self.seen, |seen| {
            let length = seen.samples.len().div_ceil(points.max(1)).max(1);
            let highest = |span: &[(Duration, u64)]| {
                let (at, kib) = span.iter().max_by_key(|(_, kib)| *kib)?;
                let second = (at.as_secs_f64() * 10.0).round() / 10.0;
                Some(Point { second, rss_mb: megabytes(*kib) })
            };
            seen.samples.chunks(length).filter_map(highest).collect()
        })
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Seen {
    fn look(&mut self) {
        let Some(pid) = self.pid else { return };
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
        // A process that has ended has a status for a moment, without these lines.
        if let Some(resident) = field(&status, "VmRSS:") {
            self.samples.push((self.began.elapsed(), resident));
        }
        self.peak_kib = self.peak_kib.max(field(&status, "VmHWM:").unwrap_or_default());
    }
}

fn with<T>(seen: &Mutex<Seen>, act: impl FnOnce(&mut Seen) -> T) -> T {
    act(&mut seen.lock().unwrap_or_else(PoisonError::into_inner))
}

/// A field of `/proc/PID/status`, in KiB.
fn field(status: &str, name: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix(name))?;
    line.trim().strip_suffix("kB")?.trim().parse().ok()
}

/// To a tenth.
fn megabytes(kib: u64) -> f64 {
    (float(kib) * 1024.0 / 100_000.0).round() / 10.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_is_read() {
        let status = "Name:\tx\nVmHWM:\t   12345 kB\nVmRSS:\t      10 kB\n";

        assert_eq!(field(status, "VmHWM:"), Some(12345));
        assert_eq!(field(status, "VmRSS:"), Some(10));
        assert_eq!(field("Name:\tx\n", "VmRSS:"), None);
    }

    #[tokio::test]
    async fn the_curve_and_the_peak_are_those_of_this_process() {
        let memory = Memory::start();
        memory.watch(Some(std::process::id()));
        memory.look();
        memory.begin_curve();
        assert!(memory.curve(20).is_empty() && memory.peak_mb() > 0.0);
        for _ in 0..50 {
            memory.look();
        }

        let curve = memory.curve(20);

        assert!(!curve.is_empty() && curve.len() <= 20, "{curve:?}");
        assert!(curve.iter().all(|point| point.rss_mb > 0.0), "{curve:?}");
        assert!(memory.peak_mb() >= curve[0].rss_mb, "{} {curve:?}", memory.peak_mb());
    }
}
