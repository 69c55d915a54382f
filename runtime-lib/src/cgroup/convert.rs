//! Values that configs give in terms of cgroup v1, in the terms of v2. Pure.
//!
//! The same formulas serve the files of the v2 hierarchy and the properties of a systemd unit.

/// `cpu.weight` (1 to 10,000) of `cpu.shares` (2 to 262,144): the curve that goes through both ends
/// and through the defaults, 1024 shares and weight 100 (opencontainers/cgroups#20). 0 is "unset".
pub(crate) fn cpu_weight(shares: u64) -> u64 {
    match shares {
        0 => 0,
        1..=2 => 1,
        262_144.. => 10_000,
        _ => {
            #[allow(clippy::cast_precision_loss)] // at most 18 bits
            let log = (shares as f64).log2();
            let exponent = (log * log + 125.0 * log) / 612.0 - 7.0 / 34.0;
            #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // 1 to 10,000
            let weight = 10f64.powf(exponent).ceil() as u64;
            weight
        }
    }
}

/// `io.weight` (1 to 10,000) of `blkio.weight` (10 to 1000), linearly as runc does. 0 is "unset".
pub(crate) fn io_weight(weight: u16) -> u64 {
    match weight {
        0 => 0,
        _ => 1 + (u64::from(weight).saturating_sub(10)) * 9999 / 990,
    }
}

/// `CPUQuotaPerSecUSec` of a quota and a period in microseconds. systemd knows whole percents of a CPU,
/// so it is rounded up, as in runc. The period must not be 0.
pub(crate) fn cpu_quota_per_second(quota: u64, period: u64) -> u64 {
    const PERCENT: u128 = 10_000;
    let second = u128::from(quota) * 1_000_000 / u128::from(period.max(1));
    u64::try_from(second.next_multiple_of(PERCENT)).unwrap_or(u64::MAX)
}

/// The quota that systemd makes of a quota: the files must not say otherwise, or a container could not
/// hand on to cgroups of its own what it believes to have.
pub(crate) fn cpu_quota_of_unit(quota: u64, period: u64) -> u64 {
    let quota = u128::from(cpu_quota_per_second(quota, period)) * u128::from(period) / 1_000_000;
    u64::try_from(quota).unwrap_or(u64::MAX)
}

/// `memory.swap.max`, which counts swap alone, of `memory.memsw.limit_in_bytes`, which counts memory
/// as well. `None`: nothing to write. A limit of swap without one of memory cannot be converted.
/// Errors are in runc's words.
pub(crate) fn swap_max(memory: i64, swap: i64) -> Result<Option<i64>, &'static str> {
    match (memory, swap) {
        // Swap is limited to as much again by default on v1, and not at all on v2.
        (-1, 0) => Ok(Some(-1)),
        (_, 0) => Ok(None),
        (_, ..=-1) => Ok(Some(-1)),
        (0, _) => Err("unable to set swap limit without memory limit"),
        // Nothing to subtract: runc takes the limit of swap as it stands.
        (-1, _) => Ok(Some(swap)),
        (..=-1, _) => Err("invalid memory value"),
        _ if swap < memory => Err("memory+swap limit should be >= memory limit"),
        _ => Ok(Some(swap - memory)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_go_through_both_ends_and_the_default() {
        let pairs = [(0, 0), (1, 1), (2, 1), (1024, 100), (262_144, 10_000), (u64::MAX, 10_000)];
        for (shares, weight) in pairs {
            assert_eq!(cpu_weight(shares), weight, "{shares} shares");
        }
        assert_eq!([0, 10, 1000].map(io_weight), [0, 1, 10_000]);
    }

    #[test]
    fn more_shares_never_weigh_less() {
        let weights: Vec<_> = (1..=262_145).map(cpu_weight).collect();
        assert!(weights.is_sorted());
        assert!(weights.iter().all(|weight| (1..=10_000).contains(weight)));
    }

    #[test]
    fn quotas_are_whole_percents() {
        for (quota, period, second) in [
            (50_000, 100_000, 500_000),
            (1, 100_000, 10_000),
            (12_345, 100_000, 130_000),
            (7, 1, 7_000_000),
        ] {
            assert_eq!(cpu_quota_per_second(quota, period), second, "{quota}/{period}");
        }
        assert_eq!(cpu_quota_per_second(u64::MAX, 1), u64::MAX);
        let pairs = [(50_000, 100_000, 50_000), (12_345, 100_000, 13_000), (1, 10_000, 100)];
        for (quota, period, rounded) in pairs {
            assert_eq!(cpu_quota_of_unit(quota, period), rounded, "{quota}/{period}");
        }
    }

    #[test]
    fn swap_is_what_goes_beyond_memory() {
        assert_eq!(swap_max(100, 300), Ok(Some(200)));
        assert_eq!(swap_max(100, 100), Ok(Some(0)));
        assert_eq!(swap_max(100, -1), Ok(Some(-1)));
        assert_eq!(swap_max(100, 0), Ok(None));
        assert_eq!(swap_max(-1, 0), Ok(Some(-1)));
        assert_eq!(swap_max(-1, 100), Ok(Some(100)));
        for (memory, swap) in [(0, 100), (-2, 100), (100, 50)] {
            assert!(swap_max(memory, swap).is_err(), "{memory} {swap}");
        }
    }
}
