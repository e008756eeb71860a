//! Numbers, times and ids as people read them.

use qbtc_core::units::Amount;

/// An amount in QBTC with its thousands set apart by thin spaces, all decimals that it has, and two at least.
#[must_use]
pub fn amount(amount: Amount) -> String {
    let text = amount.to_string();
    let (whole, part) = text.split_once('.').unwrap_or((&text, ""));
    format!("{}.{part:0<2}", thousands(whole))
}

/// A whole number with its thousands set apart.
#[must_use]
pub fn number(number: u64) -> String {
    thousands(&number.to_string())
}

fn thousands(digits: &str) -> String {
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push('\u{202f}');
        }
        text.push(digit);
    }
    text
}

/// A size in bytes, in the unit that suits it.
#[must_use]
#[expect(clippy::cast_precision_loss, reason = "one decimal is shown")]
pub fn bytes(size: u64) -> String {
    match size {
        0..1_000 => format!("{size} B"),
        1_000..1_000_000 => format!("{:.1} kB", size as f64 / 1e3),
        1_000_000..1_000_000_000 => format!("{:.1} MB", size as f64 / 1e6),
        _ => format!("{:.1} GB", size as f64 / 1e9),
    }
}

/// A difficulty or rate, with three digits that count and an SI prefix.
#[must_use]
pub fn scaled(value: f64) -> String {
    const PREFIXES: [&str; 8] = ["", "k", "M", "G", "T", "P", "E", "Z"];
    if !value.is_finite() || value <= 0.0 {
        return "0".to_owned();
    }
    let mut rest = value;
    for prefix in PREFIXES {
        if rest < 999.5 {
            return match rest {
                0.0..0.000_999 if prefix.is_empty() => format!("{rest:.2e}"),
                0.000_999..1.0 if prefix.is_empty() => format!("{rest:.4}"),
                0.0..10.0 => format!("{rest:.2}{prefix}"),
                10.0..100.0 => format!("{rest:.1}{prefix}"),
                _ => format!("{rest:.0}{prefix}"),
            };
        }
        rest /= 1e3;
    }
    format!("{value:.2e}")
}

/// A fee rate, which is counted in quanta for 1,000 bytes, in quanta for each byte.
#[must_use]
#[expect(clippy::cast_precision_loss, reason = "two decimals are shown")]
pub fn fee_rate(quanta_per_1000_bytes: u64) -> String {
    format!("{:.2} q/B", quanta_per_1000_bytes as f64 / 1e3)
}

/// A span of time in its two largest units.
#[must_use]
pub fn span(seconds: u64) -> String {
    const UNITS: [(u64, &str); 4] = [(86_400, "d"), (3_600, "h"), (60, "min"), (1, "s")];
    let Some(first) = UNITS.iter().position(|(length, _)| seconds >= *length) else { return "0 s".to_owned() };
    let (length, name) = UNITS[first];
    let whole = format!("{} {name}", seconds / length);
    match UNITS.get(first + 1) {
        Some((next, next_name)) if seconds % length >= *next => {
            format!("{whole} {} {next_name}", seconds % length / next)
        }
        _ => whole,
    }
}

/// How long ago something was, by clocks that may differ a little.
#[must_use]
pub fn ago(then_s: u64, now_s: u64) -> String {
    match now_s.checked_sub(then_s) {
        None if then_s - now_s > 5 => format!("in {}", span(then_s - now_s)),
        None | Some(0..5) => "just now".to_owned(),
        Some(age) => format!("{} ago", span(age)),
    }
}

/// A time of UTC, to the second.
#[must_use]
pub fn time(seconds: u64) -> String {
    let (days, of_day) = (seconds / 86_400, seconds % 86_400);
    let (year, month, day) = civil(days);
    format!("{year:04}-{month:02}-{day:02} {:02}:{:02}:{:02} UTC", of_day / 3_600, of_day / 60 % 60, of_day % 60)
}

/// The day of a number of days since 1970 (H. Hinnant, "chrono-compatible low-level date algorithms").
fn civil(days: u64) -> (u64, u64, u64) {
    let shifted = days + 719_468;
    let (era, of_era) = (shifted / 146_097, shifted % 146_097);
    let year = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let shifted_month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    (era * 400 + year + u64::from(month <= 2), month, day)
}

/// The two ends of an id or address.
#[must_use]
pub fn short(id: &str) -> String {
    const KEPT: usize = 8;
    let characters = id.chars().count();
    if characters <= 2 * KEPT + 1 {
        return id.to_owned();
    }
    let start: String = id.chars().take(KEPT).collect();
    let end: String = id.chars().skip(characters - KEPT).collect();
    format!("{start}…{end}")
}

/// An address in groups of four characters, as people compare them.
#[must_use]
pub fn grouped(address: &str) -> Vec<String> {
    let characters: Vec<char> = address.chars().collect();
    characters.chunks(4).map(|group| group.iter().collect()).collect()
}

/// A text of a stranger's, with everything named that would not be seen, or would make it look like another: control characters other than
/// line ends, spaces without width, marks that turn the direction of writing.
#[must_use]
pub fn visible(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for char in text.chars() {
        match char {
            '\n' => shown.push(char),
            '\u{ad}'
            | '\u{34f}'
            | '\u{61c}'
            | '\u{115f}'
            | '\u{1160}'
            | '\u{17b4}'
            | '\u{17b5}'
            | '\u{180e}'
            | '\u{3164}'
            | '\u{feff}'
            | '\u{ffa0}'
            | '\u{200b}'..='\u{200f}'
            | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{fe00}'..='\u{fe0f}'
            | '\u{e0000}'..='\u{e0fff}' => shown.push_str(&named(char)),
            char if char.is_control() => shown.push_str(&named(char)),
            char => shown.push(char),
        }
    }
    shown
}

fn named(char: char) -> String {
    format!("⟨U+{:04X}⟩", u32::from(char))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_keep_every_quantum() {
        let text = |quanta| amount(Amount::from_quanta(quanta).unwrap());
        assert_eq!(text(0), "0.00");
        assert_eq!(text(1), "0.00000001");
        assert_eq!(text(150_000_000), "1.50");
        assert_eq!(text(2_099_999_999_999_999), "20\u{202f}999\u{202f}999.99999999");
    }

    #[test]
    fn spans_and_ages_have_two_units() {
        for (seconds, text) in [(0, "0 s"), (59, "59 s"), (61, "1 min 1 s"), (3_600, "1 h"), (90_061, "1 d 1 h")] {
            assert_eq!(span(seconds), text);
        }
        assert_eq!(
            (ago(100, 100), ago(102, 100), ago(0, 65)),
            ("just now".into(), "just now".into(), "1 min 5 s ago".into())
        );
        assert_eq!(ago(700, 100), "in 10 min");
    }

    #[test]
    fn times_are_those_of_the_calendar() {
        assert_eq!(time(0), "1970-01-01 00:00:00 UTC");
        assert_eq!(time(951_782_400), "2000-02-29 00:00:00 UTC");
        assert_eq!(time(1_767_225_599), "2025-12-31 23:59:59 UTC");
        assert_eq!(time(4_294_967_295), "2106-02-07 06:28:15 UTC");
    }

    #[test]
    fn numbers_have_three_digits_that_count() {
        for (value, text) in [
            (0.0, "0"),
            (0.000_024_4, "2.44e-5"),
            (0.25, "0.2500"),
            (12.34, "12.3"),
            (999.4, "999"),
            (999.6, "1.00k"),
            (4.2e12, "4.20T"),
        ] {
            assert_eq!(scaled(value), text);
        }
        assert_eq!(scaled(f64::NAN), "0");
        assert_eq!((bytes(999), bytes(1_500), bytes(2_000_000)), ("999 B".into(), "1.5 kB".into(), "2.0 MB".into()));
    }

    #[test]
    fn ids_are_cut_in_the_middle() {
        assert_eq!(short(&"ab".repeat(32)), "abababab…abababab");
        assert_eq!(short("tooshorttocut"), "tooshorttocut");
        assert_eq!(grouped("bqs1qqqqz"), ["bqs1", "qqqq", "z"]);
    }

    #[test]
    fn nothing_in_a_text_of_a_stranger_is_hidden() {
        assert_eq!(visible("Grüße,\n你好 👋"), "Grüße,\n你好 👋");
        assert_eq!(visible("pay\u{202e}1\u{200b}\r\0"), "pay⟨U+202E⟩1⟨U+200B⟩⟨U+000D⟩⟨U+0000⟩");
        assert_eq!(visible("\u{e0041}\u{85}"), "⟨U+E0041⟩⟨U+0085⟩");
    }
}
