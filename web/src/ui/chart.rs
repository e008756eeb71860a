//! Charts: drawn for those who see them, told in words for those who do not.

use leptos::prelude::*;

use crate::chart::{Area, Summary, bars, line};
use crate::text;

const AREA: Area = Area { width: 600.0, height: 160.0 };

/// Numbers as a line, with the latest above it.
#[component]
pub(crate) fn LineChart(
    name: &'static str,
    values: Vec<f64>,
    shown: fn(f64) -> String,
    from: String,
    to: String,
) -> impl IntoView {
    let Some((drawn, summary)) = line(&values, AREA).zip(Summary::of(&values)) else {
        return view! { <p class="empty">{text::NOTHING_TO_DRAW}</p> }.into_any();
    };
    let words = text::chart_in_words(name, &shown(summary.least), &shown(summary.most), &shown(summary.mean));
    view! {
        <figure class="chart">
            <span class="latest">{shown(summary.last)}</span>
            <svg viewBox="0 0 600 160" role="img" aria-label=words>
                <path class="grid" d="M0 160H600M0 80H600M0 0H600"/>
                <path class="below" d=drawn.below/>
                <path class="line" d=drawn.line/>
                <circle class="dot" cx=drawn.last.0 cy=drawn.last.1 r="4"/>
            </svg>
            <figcaption><span>{from}</span><span>{text::chart_mean(&shown(summary.mean))}</span><span>{to}</span></figcaption>
        </figure>
    }
    .into_any()
}

/// Numbers as bars.
#[component]
pub(crate) fn BarChart(
    name: &'static str,
    values: Vec<f64>,
    shown: fn(f64) -> String,
    from: String,
    to: String,
) -> impl IntoView {
    let Some(summary) = Summary::of(&values) else {
        return view! { <p class="empty">{text::NOTHING_TO_DRAW}</p> }.into_any();
    };
    let words = text::chart_in_words(name, &shown(summary.least), &shown(summary.most), &shown(summary.mean));
    let bars = bars(&values, AREA).into_iter().map(|bar| {
        view! { <rect class="bar" x=bar.x y=bar.y width=bar.width height=bar.height rx="1.500"/> }
    });
    view! {
        <figure class="chart">
            <span class="latest">{shown(summary.last)}</span>
            <svg viewBox="0 0 600 160" role="img" aria-label=words>
                <path class="grid" d="M0 160H600M0 80H600M0 0H600"/>
                {bars.collect_view()}
            </svg>
            <figcaption><span>{from}</span><span>{text::chart_mean(&shown(summary.mean))}</span><span>{to}</span></figcaption>
        </figure>
    }
    .into_any()
}
