//! What a process has used of the machine, as the kernel counts it.

use std::time::Duration;

/// Time on all cores so far, to a hundredth of a second; zero of a process that is gone.
/// <https://man7.org/linux/man-pages/man5/proc_pid_stat.5.html>
#[must_use]
pub fn cpu(pid: u32) -> Duration {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let fields = stat.rsplit_once(')').map_or("", |(_, fields)| fields);
    let ticks: u64 = fields.split(' ').skip(12).take(2).filter_map(|f| f.parse::<u64>().ok()).sum();
    Duration::from_millis(ticks * 10)
}

/// The most memory that was resident so far, in bytes; none of a process that is gone.
/// <https://man7.org/linux/man-pages/man5/proc_pid_status.5.html>
#[must_use]
pub fn peak_rss_bytes(pid: u32) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kib: u64 = line.trim().trim_end_matches(" kB").parse().ok()?;
    Some(kib * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_has_used_something() {
        let me = std::process::id();
        let before = cpu(me);
        while cpu(me) < before + Duration::from_millis(20) {
            std::hint::black_box((0..100_000_u64).map(std::hint::black_box).sum::<u64>());
        }

        assert!(peak_rss_bytes(me) > Some(1 << 20));
        assert_eq!((cpu(u32::MAX), peak_rss_bytes(u32::MAX)), (Duration::ZERO, None));
    }
}
