use proptest::prelude::*;

use super::*;
use crate::inspect::WeightHistogram;

fn candidates() -> Vec<Candidate> {
    let candidate = |name: &str, cost: f64, quality: f64| Candidate {
        name: name.into(),
        cost,
        quality,
        interval: Some((quality - 0.01, quality + 0.005)),
    };
    vec![
        candidate("fp32", 14_000_000.0, 0.987),
        candidate("int8", 3_600_000.0, 0.986),
        candidate("int8, min-max <cheap> & bad", 3_700_000.0, 0.960),
        candidate("int4", 1_900_000.0, 0.975),
        candidate("pruned", 1_200_000.0, 0.930),
        candidate("binary", 500_000.0, 0.945),
    ]
}

/// The names of the elements of a document whose tags all close, and its texts.
fn parse(svg: &str) -> (Vec<String>, Vec<String>) {
    let (mut names, mut texts, mut open) = (Vec::new(), Vec::new(), Vec::new());
    let mut rest = svg;
    while let Some(start) = rest.find('<') {
        let text = &rest[..start];
        assert!(!text.contains('>'), "{text}");
        if !text.trim().is_empty() {
            texts.push(text.to_owned());
        }
        let end = start + rest[start..].find('>').expect("every tag ends");
        let tag = &rest[start + 1..end];
        assert_eq!(tag.matches('"').count() % 2, 0, "{tag}");
        assert!(!tag.contains("NaN") && !tag.contains("inf"), "{tag}");
        if let Some(name) = tag.strip_prefix('/') {
            assert_eq!(open.pop().as_deref(), Some(name));
        } else {
            let name = tag.split_whitespace().next().unwrap().trim_end_matches('/');
            names.push(name.to_owned());
            if !tag.ends_with('/') {
                open.push(name.to_owned());
            }
        }
        rest = &rest[end + 1..];
    }
    assert!(open.is_empty(), "{open:?}");
    (names, texts)
}

#[test]
fn a_pareto_picture_names_every_candidate_and_its_axes() {
    let plot = pareto("Accuracy against size", "bytes", "top-1", &candidates());
    let (names, texts) = parse(&plot.svg().unwrap());
    assert_eq!(names.iter().filter(|name| *name == "circle").count(), 6);
    for text in [
        "Accuracy against size",
        "bytes",
        "top-1",
        "fp32",
        "binary",
        "5M",
        "0.96",
    ] {
        assert!(
            texts.iter().any(|found| found == text),
            "{text} in {texts:?}"
        );
    }
    assert!(
        texts
            .iter()
            .any(|text| text.contains("&lt;cheap&gt; &amp; bad"))
    );
}

#[test]
fn the_front_is_what_nothing_beats() {
    let candidates = candidates();
    let names: Vec<&str> = front(&candidates)
        .into_iter()
        .map(|place| candidates[place].name.as_str())
        .collect();
    assert_eq!(names, ["binary", "int4", "int8", "fp32"]);
}

#[test]
fn every_picture_becomes_svg_and_png() {
    let histogram = WeightHistogram {
        tensor: "conv1.weight".into(),
        elements: 1_000,
        low: -0.5,
        high: 0.4,
        mean: 0.0,
        deviation: 0.1,
        zeros: 3,
        not_finite: 0,
        counts: (0..40u64).map(|bar| 100 - bar.abs_diff(20) * 4).collect(),
    };
    let curve = |name: &str, lost: f64| Curve {
        name: name.into(),
        points: (2..=8)
            .map(|bits| {
                let quality = 0.987 - lost / f64::from(bits * bits);
                (bits, quality, Some((quality - 0.004, quality + 0.003)))
            })
            .collect(),
    };
    let layers: Vec<_> = (0..30)
        .map(|layer| {
            (
                format!("features.{layer}.conv.0.0.output"),
                1.0 / f64::from(layer + 1),
            )
        })
        .collect();
    let plots = [
        (
            "pareto",
            pareto("Accuracy against size", "bytes", "top-1", &candidates()),
        ),
        (
            "bits",
            bit_widths(
                "Bit width against accuracy",
                "top-1",
                &[curve("post-training", 0.4), curve("learned step size", 0.1)],
            ),
        ),
        (
            "sensitivity",
            sensitivity("Loss by layer", "points lost", &layers),
        ),
        ("weights", weights(&histogram)),
    ];
    for (name, plot) in plots {
        let svg = plot.svg().unwrap();
        parse(&svg);
        let png = plot.png().unwrap();
        let image = image::load_from_memory(&png).unwrap().into_rgb8();
        assert_eq!(image.dimensions(), (2 * WIDTH as u32, 2 * HEIGHT as u32));
        let drawn = image.pixels().filter(|pixel| pixel.0 != [255; 3]).count();
        assert!(drawn > 5_000, "{name} has {drawn} pixels");
        if let Some(folder) = std::env::var_os("NOROSHI_PLOTS") {
            let folder = std::path::PathBuf::from(folder);
            std::fs::write(folder.join(format!("{name}.svg")), svg).unwrap();
            std::fs::write(folder.join(format!("{name}.png")), png).unwrap();
        }
    }
}

#[test]
fn nothing_to_draw_is_an_error() {
    assert!(pareto("t", "x", "y", &[]).svg().is_err());
    let odd = [Candidate {
        name: "odd".into(),
        cost: f64::NAN,
        quality: f64::INFINITY,
        interval: None,
    }];
    assert!(pareto("t", "x", "y", &odd).svg().is_err());
    assert!(sensitivity("t", "x", &[]).png().is_err());
}

#[test]
fn a_bound_that_overflows_is_left_out() {
    for bound in [f64::MIN, -1.716_510_696_316_966_2e308, 1e301] {
        let candidate = Candidate {
            name: String::new(),
            cost: 0.0,
            quality: 0.0,
            interval: Some((bound, 0.0)),
        };
        let svg = pareto("t", "x", "y", &[candidate]).svg().unwrap();
        assert!(!svg.contains("NaN") && !svg.contains("inf"), "{svg}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn no_numbers_break_a_picture(
        points in proptest::collection::vec((any::<f64>(), any::<f64>(), any::<f64>()), 1..12),
        name in ".{0,12}",
    ) {
        let candidates: Vec<Candidate> = points
            .into_iter()
            .map(|(cost, quality, low)| Candidate {
                name: name.clone(),
                cost,
                quality,
                interval: Some((low, quality)),
            })
            .collect();
        if let Ok(svg) = pareto(&name, "x", "y", &candidates).svg() {
            parse(&svg);
        }
        if let Ok(svg) = sensitivity(&name, "x", &[(name.clone(), candidates[0].cost)]).svg() {
            parse(&svg);
        }
    }
}
