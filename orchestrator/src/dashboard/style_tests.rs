//! What `app.css` promises: every colour can be read in both themes, and nothing moves for those who do not want it.
//!
//! Source: WCAG 2.2, 1.4.3 (text, 4.5 : 1) and 1.4.11 (controls and graphics, 3 : 1).

use std::collections::HashMap;

use super::page::CSS;

/// Name → (light, dark).
fn colours() -> HashMap<&'static str, [[f64; 3]; 2]> {
    let channels = |hex: &str| {
        let hex = hex.trim().trim_start_matches('#');
        [0, 2, 4].map(|at| f64::from(u8::from_str_radix(&hex[at..at + 2], 16).unwrap()) / 255.0)
    };
    let lines = CSS.lines().filter_map(|line| line.trim().strip_prefix("--")?.split_once(": light-dark("));
    let colours: HashMap<_, _> = lines
        .map(|(name, values)| {
            let (light, dark) = values.trim_end_matches(");").split_once(',').unwrap();
            (name, [channels(light), channels(dark)])
        })
        .collect();
    assert!(colours.len() > 15, "{colours:?}");
    colours
}

fn luminance(colour: [f64; 3]) -> f64 {
    let [r, g, b] = colour.map(|c| if c <= 0.04045 { c / 12.92 } else { ((c + 0.055) / 1.055).powf(2.4) });
    0.2126 * r + 0.7152 * g + 0.0722 * b
}

#[test]
fn every_colour_can_be_read_in_both_themes() {
    let colours = colours();
    let texts = [
        "text",
        "muted",
        "link",
        "succeeded",
        "running",
        "failed",
        "timed-out",
        "aborted",
        "waiting",
        "skipped",
        "stale",
        "missing",
    ];
    let wanted = texts.map(|name| (name, 4.5)).into_iter().chain([("focus", 3.0), ("control", 3.0)]);
    for (name, least) in wanted {
        for back in ["bg", "surface", "raised"] {
            for (theme, at) in [("light", 0), ("dark", 1)] {
                let (a, b) = (luminance(colours[name][at]), luminance(colours[back][at]));
                let contrast = (a.max(b) + 0.05) / (a.min(b) + 0.05);
                assert!(contrast >= least, "{name} on {back}, {theme}: {contrast:.2}, not {least}");
            }
        }
    }
}

#[test]
fn nothing_moves_for_those_who_do_not_want_it() {
    let reduced = CSS.split("@media (prefers-reduced-motion: reduce)").nth(1).expect("there is a rule");
    assert!(reduced.contains("animation: none !important") && reduced.contains("transition: none !important"));
}
