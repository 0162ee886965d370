//! A small plot of how many were here, minute by minute, with the same said in words and in a table.

use std::fmt::Write;

use askama::Template;
use askama::filters::HtmlSafe;

/// Height of the drawing, in its own units; one minute is one unit wide.
const HEIGHT: f64 = 20.0;
/// The table has a row for each of so many minutes.
const STEP: usize = 5;

/// A plot of counts, one a minute, the last one now; as text it is a `figure`.
#[derive(Debug, Clone, PartialEq, Eq, Template)]
#[template(path = "plot.html")]
pub struct Plot {
    minutes: usize,
    least: u32,
    most: u32,
    now: u32,
    line: String,
    rows: Vec<(usize, u32)>,
}

impl Plot {
    /// The plot of these counts, oldest first.
    pub fn of(counts: &[u32]) -> Self {
        let now = counts.last().copied().unwrap_or_default();
        let (least, most) = (counts.iter().min().copied().unwrap_or_default(), counts.iter().max().copied().unwrap_or_default());
        let rows = counts.iter().rev().enumerate().step_by(STEP).map(|(ago, count)| (ago, *count)).collect();
        Self { minutes: counts.len().saturating_sub(1), least, most, now, line: line(counts, most), rows }
    }
}

impl HtmlSafe for Plot {}

/// The counts as the data of a path that ends at the right edge.
fn line(counts: &[u32], most: u32) -> String {
    let mut path = String::new();
    for (minute, count) in counts.iter().enumerate() {
        let height = HEIGHT - f64::from(*count) / f64::from(most.max(1)) * HEIGHT;
        let _ = write!(path, "{}{minute} {height:.1}", if minute == 0 { 'M' } else { 'L' });
    }
    path
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plot_is_drawn_said_and_listed() {
        let plot = Plot::of(&[0, 4, 2]);
        assert_eq!(plot.line, "M0 20.0L1 0.0L2 10.0");
        let text = plot.to_string();
        assert!(text.contains("between 0 and 4") && text.contains("2 now"), "{text}");
        let hour: Vec<u32> = (0..60).collect();
        assert_eq!(Plot::of(&hour).rows[..3], [(0, 59), (5, 54), (10, 49)]);
    }

    #[test]
    fn a_plot_of_nothing_is_flat() {
        assert_eq!(Plot::of(&[0]).line, "M0 20.0");
        assert_eq!(Plot::of(&[]).rows, []);
    }
}
