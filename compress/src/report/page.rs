//! An assessment as a web page that needs nothing else: tables and pictures.

use std::fmt::Write;

use super::Side;
use super::assess::{Assessed, Assessment, headline};
use crate::Result;
use crate::evaluate::Quality;
use crate::inspect::grouped;
use crate::plot::{self, Plot, escaped};

const STYLE: &str = "body{font:15px/1.5 system-ui,sans-serif;max-width:70rem;margin:2rem auto;\
padding:0 1rem;color:#222}table{border-collapse:collapse;margin:1rem 0}th,td{padding:.3rem .7rem;\
border-bottom:1px solid #ddd;text-align:right}th:first-child,td:first-child{text-align:left}\
figure{display:inline-block;margin:.5rem}svg{max-width:100%;height:auto}\
.small svg{width:22rem}caption{text-align:left;font-weight:600}";

/// Pictures of an assessment with their names, which are fit for files.
pub fn pictures(seen: &Assessment) -> Vec<(String, Plot)> {
    let mut pictures = Vec::new();
    let (called, by_bytes) = seen.candidates(|side| Some(side.bytes as f64));
    pictures.push((
        "pareto-bytes".into(),
        plot::pareto(
            "Quality against size",
            "bytes of the file",
            called,
            &by_bytes,
        ),
    ));
    let time = |side: &Side| side.latency.first().map(|time| time.cpu_ms);
    let (called, by_time) = seen.candidates(time);
    if !by_time.is_empty() {
        let cost = "CPU milliseconds of one answer";
        pictures.push((
            "pareto-latency".into(),
            plot::pareto("Quality against time", cost, called, &by_time),
        ));
    }
    if let Some(bits) = &seen.bits {
        pictures.extend(bits.pictures(&seen.name));
    }
    for variant in &seen.variants {
        let losses: Vec<(String, f64)> = variant
            .comparison
            .changes
            .iter()
            .map(|change| (change.name.clone(), -100.0 * change.test.difference))
            .collect();
        if !losses.is_empty() {
            let title = format!("{}: recall lost, class by class", variant.name);
            pictures.push((
                format!("classes-{}", plain(&variant.name)),
                plot::sensitivity(&title, "points of recall lost", &losses),
            ));
        }
    }
    let models = std::iter::once((&seen.name, &seen.weights)).chain(
        seen.variants
            .iter()
            .map(|variant| (&variant.name, &variant.weights)),
    );
    for (name, weights) in models {
        for histogram in weights {
            let picture = format!("weights-{}-{}", plain(name), plain(&histogram.tensor));
            pictures.push((picture, plot::weights(histogram)));
        }
    }
    pictures
}

/// A name that is fit for a file.
fn plain(name: &str) -> String {
    let fit = |letter: char| {
        if letter.is_ascii_alphanumeric() || matches!(letter, '-' | '.') {
            letter
        } else {
            '_'
        }
    };
    name.chars().take(80).map(fit).collect()
}

/// The page.
pub fn html(seen: &Assessment) -> Result<String> {
    html_with(seen, None)
}

/// The page, with a text and pictures of how the models were found in front.
pub fn html_with(seen: &Assessment, search: Option<(&str, &[(String, Plot)])>) -> Result<String> {
    let title = format!("{} and what was made of it", seen.name);
    let mut page = format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width\"><title>{0}</title>\
         <style>{STYLE}</style></head><body>\n<h1>{0}</h1>\n",
        escaped(&title)
    );
    if let Some((text, pictures)) = search {
        add(&mut page, format_args!("<pre>{}</pre>\n", escaped(text)));
        draw(pictures, &mut page);
    }
    models(seen, &mut page);
    for variant in &seen.variants {
        changes(variant, &mut page);
    }
    if let Some(bits) = &seen.bits {
        let (calibrated, measured) = (bits.calibrated, bits.measured);
        add(
            &mut page,
            format_args!(
                "<p>Fewer bits after training: calibrated with {calibrated} samples, measured on \
                 {measured} others. A layer alone: all others stay float.</p>\n"
            ),
        );
    }
    draw(&pictures(seen), &mut page);
    let (isa, rounds) = (seen.isa, seen.rounds);
    let samples = seen.quality.samples;
    add(
        &mut page,
        format_args!(
            "<p>{samples} samples; intervals are 95 %. Time is CPU time of one thread, batch 1, \
         {rounds} runs in turns, measured with {}.</p>\n</body></html>\n",
            escaped(isa)
        ),
    );
    Ok(page)
}

fn draw(pictures: &[(String, Plot)], page: &mut String) {
    for (name, picture) in pictures {
        // A model without numbers that can be drawn still gets its page.
        if let Ok(svg) = picture.svg() {
            let small = if name.starts_with("weights-") {
                " class=\"small\""
            } else {
                ""
            };
            add(page, format_args!("<figure{small}>{svg}</figure>\n"));
        }
    }
}

fn add(page: &mut String, text: std::fmt::Arguments<'_>) {
    page.write_fmt(text).expect("memory takes every text");
}

fn models(seen: &Assessment, page: &mut String) {
    page.push_str(
        "<table><tr><th>model</th><th>bytes</th><th>parameters</th><th>MACs</th>\
         <th>peak memory</th><th>CPU ms</th><th>of the original</th><th>quality</th></tr>\n",
    );
    let mut row = |name: &str, side: &Side, ratio: String, quality: &Quality| {
        let time = side
            .latency
            .first()
            .map_or("–".into(), |time| format!("{:.2}", time.cpu_ms));
        let quality = headline(quality).map_or("–".into(), |(called, value, interval)| {
            let ends = interval.map_or(String::new(), |(low, high)| {
                format!(" ({low:.4} to {high:.4})")
            });
            format!("{called} {value:.4}{ends}")
        });
        add(
            page,
            format_args!(
                "<tr><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{time}</td>\
             <td>{ratio}</td><td>{quality}</td></tr>\n",
                escaped(name),
                grouped(side.bytes),
                grouped(side.parameters),
                grouped(side.macs),
                grouped(side.peak_memory_bytes),
            ),
        );
    };
    row(
        &seen.name,
        &seen.original,
        "–".into(),
        &seen.quality.quality,
    );
    for variant in &seen.variants {
        let bytes = variant.side.bytes as f64 / seen.original.bytes.max(1) as f64;
        let ratio = variant.cpu_ratio.as_ref().map_or(String::new(), |ratio| {
            format!(
                ", time {:.2} ({:.2} to {:.2})",
                ratio.ratio, ratio.low, ratio.high
            )
        });
        let ratio = format!("bytes {bytes:.3}{ratio}");
        row(
            &variant.name,
            &variant.side,
            ratio,
            &variant.comparison.model.quality,
        );
    }
    page.push_str("</table>\n");
}

/// Classes shown in the table of changes.
const SHOWN: usize = 30;

fn changes(variant: &Assessed, page: &mut String) {
    let comparison = &variant.comparison;
    add(page, format_args!("<h2>{}</h2>\n", escaped(&variant.name)));
    if let Some(paired) = &comparison.paired {
        let points = |share: f64| 100.0 * share;
        add(
            page,
            format_args!(
                "<p>Top-1 changes by {:+.2} points ({:+.2} to {:+.2}); right only before {}, only \
             after {}; McNemar's exact test: p = {:.4}.</p>\n",
                points(paired.difference),
                points(paired.low),
                points(paired.high),
                paired.counts.only_first,
                paired.counts.only_second,
                paired.p_value,
            ),
        );
    }
    if let Some(agreement) = &comparison.agreement {
        add(
            page,
            format_args!("<p>Same answer as the original: {agreement}.</p>\n"),
        );
    }
    for output in &comparison.outputs {
        add(
            page,
            format_args!(
                "<p>Output {}: cosine {:.6} ({:.6} at worst), {:.1} dB of signal to noise ({:.1} at \
             worst).</p>\n",
                escaped(&output.output),
                output.cosine,
                output.worst_cosine,
                output.sqnr_db,
                output.worst_sqnr_db,
            ),
        );
    }
    if comparison.changes.is_empty() {
        return;
    }
    page.push_str("<table><tr><th>class</th><th>recall before</th><th>after</th><th>p</th></tr>\n");
    for change in comparison.changes.iter().take(SHOWN) {
        add(
            page,
            format_args!(
                "<tr><td>{}</td><td>{:.4}</td><td>{:.4}</td><td>{:.3}</td></tr>\n",
                escaped(&change.name),
                change.reference,
                change.model,
                change.test.p_value,
            ),
        );
    }
    page.push_str("</table>\n");
}
