//! The geometry of small charts: from numbers to the coordinates of an SVG. What is drawn is also told in words, for those who do not see it.

/// The drawing area, in the units of the SVG.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Area {
    /// How wide.
    pub width: f64,
    /// How high.
    pub height: f64,
}

/// A line with the area below it.
#[derive(Clone, Debug, PartialEq)]
pub struct Line {
    /// The `d` of the line's path.
    pub line: String,
    /// The `d` of the path of what lies below it.
    pub below: String,
    /// Where the last point is.
    pub last: (f64, f64),
}

/// A bar: left, top, width, height.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bar {
    /// The left edge.
    pub x: f64,
    /// The upper edge.
    pub y: f64,
    /// The width.
    pub width: f64,
    /// The height.
    pub height: f64,
}

/// What a row of numbers looks like in words.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Summary {
    /// The smallest.
    pub least: f64,
    /// The greatest.
    pub most: f64,
    /// The mean.
    pub mean: f64,
    /// The last.
    pub last: f64,
}

impl Summary {
    /// Of these numbers, those left out that are none; `None` if nothing is left.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "charts have few points")]
    pub fn of(values: &[f64]) -> Option<Self> {
        let values: Vec<f64> = values.iter().copied().filter(|value| value.is_finite()).collect();
        let last = *values.last()?;
        let least = values.iter().copied().fold(f64::INFINITY, f64::min);
        let most = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let mean = values.iter().sum::<f64>() / values.len() as f64;
        Some(Self { least, most, mean, last })
    }
}

/// Draws numbers as a line from left to right. The scale begins at zero unless all numbers lie close together far above it.
#[must_use]
#[expect(clippy::cast_precision_loss, reason = "charts have few points")]
pub fn line(values: &[f64], area: Area) -> Option<Line> {
    let summary = Summary::of(values)?;
    let span = summary.most - summary.least;
    let floor =
        if span > 0.0 && summary.least > 4.0 * span { summary.least - span / 2.0 } else { summary.least.min(0.0) };
    let height = (summary.most - floor).max(f64::MIN_POSITIVE);
    let step = area.width / (values.len().max(2) - 1) as f64;
    let points = values.iter().enumerate().filter(|(_, value)| value.is_finite()).map(|(place, value)| {
        let share = if summary.most > floor { (value - floor) / height } else { 0.5 };
        (place as f64 * step, area.height * (1.0 - share))
    });
    let points: Vec<_> = points.collect();
    let (first, last) = (*points.first()?, *points.last()?);
    let mut path = String::new();
    for (place, (x, y)) in points.iter().enumerate() {
        path.push_str(&format!("{}{x:.1} {y:.1}", if place == 0 { "M" } else { "L" }));
    }
    let below = format!("{path}L{:.1} {:.1}L{:.1} {:.1}Z", last.0, area.height, first.0, area.height);
    Some(Line { line: path, below, last })
}

/// Draws numbers as bars side by side, the greatest as high as the area.
#[must_use]
#[expect(clippy::cast_precision_loss, reason = "charts have few bars")]
pub fn bars(values: &[f64], area: Area) -> Vec<Bar> {
    let most = values.iter().copied().filter(|value| value.is_finite()).fold(0.0, f64::max);
    let slot = area.width / values.len().max(1) as f64;
    let bar = |(place, value): (usize, &f64)| {
        let share = if most > 0.0 && value.is_finite() { (value / most).max(0.0) } else { 0.0 };
        let height = area.height * share;
        Bar { x: place as f64 * slot + slot * 0.1, y: area.height - height, width: slot * 0.8, height }
    };
    values.iter().enumerate().map(bar).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const AREA: Area = Area { width: 100.0, height: 50.0 };

    #[test]
    fn a_line_fills_its_area() {
        let drawn = line(&[0.0, 10.0, 5.0], AREA).unwrap();
        assert_eq!(drawn.line, "M0.0 50.0L50.0 0.0L100.0 25.0");
        assert_eq!(drawn.last, (100.0, 25.0));
        assert!(drawn.below.ends_with("L100.0 50.0L0.0 50.0Z"));
    }

    #[test]
    fn small_changes_of_large_numbers_are_seen() {
        let drawn = line(&[1_000.0, 1_001.0], AREA).unwrap();
        assert_ne!(drawn.line.split('L').next(), Some("M0.0 0.1"));
        assert_eq!(drawn.last.1, 0.0);
        assert!(line(&[7.0, 7.0], AREA).is_some());
    }

    #[test]
    fn strange_numbers_draw_nothing_strange() {
        assert_eq!(line(&[], AREA), None);
        assert_eq!(line(&[f64::NAN, f64::INFINITY], AREA), None);
        let drawn = line(&[f64::NAN, 1.0, 2.0], AREA).unwrap();
        assert!(!drawn.line.contains("NaN"));
        for bar in bars(&[-1.0, f64::NAN, 0.0, 4.0], AREA) {
            assert!(bar.height >= 0.0 && bar.height <= AREA.height && bar.y >= 0.0, "{bar:?}");
        }
        assert!(bars(&[], AREA).is_empty());
    }

    #[test]
    fn a_summary_tells_the_extremes() {
        let summary = Summary::of(&[1.0, 3.0, 2.0]).unwrap();
        assert_eq!(summary, Summary { least: 1.0, most: 3.0, mean: 2.0, last: 2.0 });
    }
}
