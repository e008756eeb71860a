//! The two texts in which metrics are served: OpenMetrics, and the older one of Prometheus that every tool reads.
//!
//! The library writes OpenMetrics. The older text differs in names only: a counter's family is named with its `_total`, an info's with
//! its `_info`; what has no type is `untyped`; units have no line; and there is no mark at the end.

use prometheus_client::encoding::text;
use prometheus_client::registry::Registry;

/// How metrics are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// The text of Prometheus, version 0.0.4.
    Prometheus,
    /// OpenMetrics, version 1.0.0.
    OpenMetrics,
}

impl Format {
    /// The format that a client asks for with its `Accept` header.
    #[must_use]
    pub fn accepted_by(accept: Option<&str>) -> Self {
        match accept {
            Some(types) if types.contains("application/openmetrics-text") => Self::OpenMetrics,
            _ => Self::Prometheus,
        }
    }

    /// The value of `Content-Type`.
    #[must_use]
    pub const fn content_type(self) -> &'static str {
        match self {
            Self::Prometheus => "text/plain; version=0.0.4; charset=utf-8",
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }
}

pub(super) fn render(registry: &Registry, format: Format) -> String {
    let mut written = String::new();
    text::encode(&mut written, registry).expect("a string takes whatever is written");
    match format {
        Format::OpenMetrics => written,
        Format::Prometheus => to_prometheus(&written),
    }
}

/// Renames the families of counters and infos, whose type stands in the line after their help.
fn to_prometheus(open_metrics: &str) -> String {
    let mut classic = String::with_capacity(open_metrics.len());
    let mut lines = open_metrics.lines().peekable();
    while let Some(line) = lines.next() {
        if let Some((name, help)) = line.strip_prefix("# HELP ").and_then(|rest| rest.split_once(' ')) {
            let kind = lines.next().and_then(|next| next.rsplit(' ').next()).unwrap_or("unknown");
            let (suffix, kind) = match kind {
                "counter" => ("_total", kind),
                "info" => ("_info", "gauge"),
                "unknown" => ("", "untyped"),
                _ => ("", kind),
            };
            classic.push_str(&format!("# HELP {name}{suffix} {help}\n# TYPE {name}{suffix} {kind}\n"));
        } else if !line.starts_with('#') {
            classic.push_str(line);
            classic.push('\n');
        }
    }
    classic
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn families_are_renamed_and_samples_are_not() {
        let open_metrics = "# HELP a Counts.\n# TYPE a counter\na_total{x=\"# y\"} 1\n# HELP b Info.\n# TYPE b info\nb_info 1\n\
            # HELP c_bytes Size.\n# TYPE c_bytes gauge\n# UNIT c_bytes bytes\nc_bytes 2\n# HELP d Any.\n# TYPE d unknown\nd 3\n# EOF\n";
        let classic = "# HELP a_total Counts.\n# TYPE a_total counter\na_total{x=\"# y\"} 1\n# HELP b_info Info.\n# TYPE b_info gauge\n\
            b_info 1\n# HELP c_bytes Size.\n# TYPE c_bytes gauge\nc_bytes 2\n# HELP d Any.\n# TYPE d untyped\nd 3\n";
        assert_eq!(to_prometheus(open_metrics), classic);
    }

    #[test]
    fn clients_choose_the_format() {
        let prometheus = "application/openmetrics-text;version=1.0.0;q=0.8,text/plain;version=0.0.4;q=0.5,*/*;q=0.1";
        assert_eq!(Format::accepted_by(Some(prometheus)), Format::OpenMetrics);
        assert_eq!(Format::accepted_by(Some("*/*")), Format::Prometheus);
        assert_eq!(Format::accepted_by(None), Format::Prometheus);
    }
}
