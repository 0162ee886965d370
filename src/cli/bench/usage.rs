//! What a process costs, as Linux tells it in `/proc`.

/// Processor seconds and resident memory of a process; zero where nobody tells.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Usage {
    /// Seconds of processor time since its start, in steps of a hundredth.
    pub(super) cpu: f64,
    /// Resident memory.
    pub(super) kib: f64,
}

impl Usage {
    /// Of the process with this number.
    pub(super) fn of(pid: Option<u32>) -> Self {
        let read = |file: &str| pid.and_then(|pid| std::fs::read_to_string(format!("/proc/{pid}/{file}")).ok()).unwrap_or_default();
        let (stat, status) = (read("stat"), read("status"));
        let fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace();
        let ticks: f64 = fields.skip(11).take(2).filter_map(|ticks| ticks.parse::<f64>().ok()).sum();
        let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:")?.trim().strip_suffix(" kB")?.parse().ok());
        Self { cpu: ticks / 100.0, kib: resident.unwrap_or_default() }
    }
}
