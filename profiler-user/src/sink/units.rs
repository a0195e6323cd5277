//! Numbers for people: durations, counts, sizes and shares with their units.

/// A duration to three digits: `999 ns`, `1.24 µs`, `12.4 ms`, `1.24 s`, `16.7 min`, `2.50 h`.
#[must_use]
pub fn duration(ns: u64, ascii: bool) -> String {
    let micro = if ascii { "us" } else { "µs" };
    let units = [
        (micro, 1_000),
        ("ms", 1_000_000),
        ("s", 1_000_000_000),
        ("min", 60_000_000_000),
        ("h", 3_600_000_000_000),
    ];
    if ns < 1_000 {
        return format!("{ns} ns");
    }
    scaled(ns, &units)
}

/// A size in memory: `999 B`, `1.24 KiB`, `30.0 MiB`.
#[must_use]
pub fn bytes(bytes: u64) -> String {
    if bytes < 1000 {
        return format!("{bytes} B");
    }
    scaled(bytes, &[("KiB", 1 << 10), ("MiB", 1 << 20), ("GiB", 1 << 30), ("TiB", 1 << 40)])
}

/// A count to three digits for narrow places: `999`, `1.24 k`, `12.4 M`.
#[must_use]
pub fn short_count(count: u64) -> String {
    if count < 100_000 {
        return self::count(count);
    }
    scaled(count, &[("k", 1_000), ("M", 1_000_000), ("G", 1_000_000_000), ("T", 1_000_000_000_000)])
}

/// The smallest unit in which the number has no more than three digits before the point; the last one whatever it takes.
fn scaled(number: u64, units: &[(&str, u64)]) -> String {
    for (unit, scale) in units {
        for decimals in [2usize, 1, 0] {
            let power = 10u128.pow(decimals as u32);
            let digits = (u128::from(number) * power + u128::from(scale / 2)) / u128::from(*scale);
            if digits < 1000 {
                let (whole, part) = (digits / power, digits % power);
                return if decimals == 0 {
                    format!("{whole} {unit}")
                } else {
                    format!("{whole}.{part:0decimals$} {unit}")
                };
            }
        }
    }
    let (unit, scale) = units.last().copied().unwrap_or(("", 1));
    format!("{} {unit}", number / scale)
}

/// A count in full: `1,234,567`.
#[must_use]
pub fn count(count: u64) -> String {
    let digits = count.to_string();
    let mut grouped = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

/// A share (0..=1): `43%`, `1.3%`, `0.02%`, `<0.01%`.
#[must_use]
pub fn share(share: f64) -> String {
    let percent = share * 100.0;
    match percent {
        p if p <= 0.0 || p.is_nan() => "0%".to_owned(),
        p if p < 0.01 => "<0.01%".to_owned(),
        p if p < 0.995 => format!("{p:.2}%"),
        p if p < 9.95 => format!("{p:.1}%"),
        p => format!("{p:.0}%"),
    }
}

/// A part of a whole as a share of it, in 0..=1; 0 of nothing.
#[must_use]
pub fn part(part: u128, whole: u128) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}

#[cfg(test)]
mod tests {
    #[test]
    fn durations() {
        for (ns, text) in [
            (0, "0 ns"),
            (999, "999 ns"),
            (1_000, "1.00 µs"),
            (1_235, "1.24 µs"),
            (9_994, "9.99 µs"),
            (9_995, "10.0 µs"),
            (99_949, "99.9 µs"),
            (99_950, "100 µs"),
            (999_499, "999 µs"),
            (999_500, "1.00 ms"),
            (12_345_678, "12.3 ms"),
            (999_999_999, "1.00 s"),
            (59_400_000_000, "59.4 s"),
            (999_400_000_000, "999 s"),
            (1_000_000_000_000, "16.7 min"),
            (9_000_000_000_000_000, "2500 h"),
            (u64::MAX, "5124095 h"),
        ] {
            assert_eq!(super::duration(ns, false), text, "{ns}");
        }
        assert_eq!(super::duration(1_235, true), "1.24 us");
    }

    #[test]
    fn counts_sizes_and_shares() {
        for (count, full, short) in [
            (0, "0", "0"),
            (999, "999", "999"),
            (1_000, "1,000", "1,000"),
            (99_999, "99,999", "99,999"),
            (123_456, "123,456", "123 k"),
            (12_345_678, "12,345,678", "12.3 M"),
        ] {
            assert_eq!((super::count(count).as_str(), super::short_count(count).as_str()), (full, short));
        }
        for (bytes, text) in [(0, "0 B"), (1023, "1.00 KiB"), (1 << 20, "1.00 MiB"), (31_457_280, "30.0 MiB")]
        {
            assert_eq!(super::bytes(bytes), text);
        }
        for (share, text) in [
            (0.0, "0%"),
            (f64::NAN, "0%"),
            (0.000_01, "<0.01%"),
            (0.002, "0.20%"),
            (0.0123, "1.2%"),
            (0.0996, "10%"),
            (0.43, "43%"),
            (1.0, "100%"),
        ] {
            assert_eq!(super::share(share), text);
        }
    }
}
