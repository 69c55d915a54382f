//! Medians and what lies around them.

/// Numbers, in the order of measuring.
#[derive(Debug, Clone, Default)]
pub struct Series(Vec<f64>);

impl Series {
    /// One more.
    pub fn push(&mut self, value: f64) {
        self.0.push(value);
    }

    /// None if there are no numbers.
    pub fn median(&self) -> Option<f64> {
        self.quantile(1, 2)
    }

    /// The number that `part` of `whole` are not above (nearest rank).
    pub fn quantile(&self, part: usize, whole: usize) -> Option<f64> {
        let mut sorted = self.0.clone();
        sorted.sort_by(f64::total_cmp);
        let rank = (sorted.len() * part).div_ceil(whole).max(1);
        sorted.get(rank - 1).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::Series;

    #[test]
    fn quantiles_are_members() {
        let series = Series((1..=10).rev().map(f64::from).collect());
        assert_eq!(series.median(), Some(5.0));
        assert_eq!(series.quantile(1, 10), Some(1.0));
        assert_eq!(series.quantile(9, 10), Some(9.0));
        assert_eq!(Series::default().median(), None);
    }
}
