//! Rust without `std`.

use noroshi_model::{Bands, Cepstrum, FeaturePart, Features, Statistic};
use noroshi_tiny::features::{Windowed, product_shift, tables};

use super::{Needs, about_zero, values};
use crate::tiny::rust::array;
use crate::tiny::write::filled;

const PIECES: [&str; 9] = [
    include_str!("../templates/windows/lifted.rs.txt"),
    include_str!("../templates/windows/root.rs.txt"),
    include_str!("../templates/windows/root_mean.rs.txt"),
    include_str!("../templates/windows/logarithm.rs.txt"),
    include_str!("../templates/windows/squares.rs.txt"),
    include_str!("../templates/windows/energy.rs.txt"),
    include_str!("../templates/windows/crossings.rs.txt"),
    include_str!("../templates/windows/correlation.rs.txt"),
    include_str!("../templates/windows/transform.rs.txt"),
];

/// What comes behind the model.
pub(in crate::tiny) fn rust(windowed: &Windowed) -> String {
    let features = windowed.features();
    let needs = Needs::of(features);
    let mut values = values(features, needs);
    let (state, begin) = if needs.points > 0 {
        let points = needs.points;
        (
            format!("    work: [i16; {points}],\n    exponent: i16,\n"),
            format!("            work: [0; {points}],\n            exponent: 0,\n"),
        )
    } else {
        Default::default()
    };
    let steps = windowed.steps();
    let mut source = vec![
        array("i16", "LOWS", steps.iter().map(|step| step.low)),
        array("u16", "FACTORS", steps.iter().map(|step| step.factor)),
        include_str!("../templates/windows/base.rs.txt").to_owned(),
        needs.pieces(PIECES),
    ];
    let mut extract = String::new();
    for (place, part) in features.parts.iter().enumerate() {
        if *part == FeaturePart::Correlation {
            extract.push_str("        self.correlate();\n");
            continue;
        }
        source.push(self::part(part, place, features));
        extract.push_str(&format!(
            "        for channel in 0..CHANNELS {{\n            \
             self.part_{place}(channel);\n        }}\n"
        ));
    }
    values.extend([("state", state), ("begin", begin), ("extract", extract)]);
    filled(&source.concat(), &values)
}

fn part(part: &FeaturePart, place: usize, features: &Features) -> String {
    match part {
        FeaturePart::Statistics(which) => statistics(which, place, features),
        FeaturePart::Correlation => String::new(),
        FeaturePart::Bands(one) => bands(one, place, features),
        FeaturePart::Cepstrum(one) => cepstrum(one, place, features),
    }
}

fn bands(one: &Bands, place: usize, features: &Features) -> String {
    let samples = features.length / u16::from(one.thin);
    let values = [
        ("points", one.points.to_string()),
        ("samples", samples.to_string()),
        ("thin", one.thin.trailing_zeros().to_string()),
        ("part", place.to_string()),
    ];
    let template = include_str!("../templates/windows/bands.rs.txt");
    spectrum_tables(place, one.points, samples, &one.edges) + &filled(template, &values)
}

fn spectrum_tables(place: usize, points: u16, samples: u16, edges: &[u16]) -> String {
    let name = |what: &str| format!("{what}_{place}");
    [
        array("i16", &name("SINES"), tables::sines(points)),
        array("i16", &name("HANN"), tables::hann(samples)),
        array("u16", &name("EDGES"), edges),
    ]
    .concat()
}

fn statistics(which: &[Statistic], place: usize, features: &Features) -> String {
    let shift = product_shift(features.length);
    let root = |spread: &str| {
        format!("root_mean(self.squares(channel, &{spread}), {shift} + 2 * {spread}.exponent)")
    };
    let figure = |which: &Statistic| match which {
        Statistic::Mean => "measures.spread.middle".to_owned(),
        Statistic::Deviation => root("measures.spread"),
        Statistic::Least => "measures.least".to_owned(),
        Statistic::Greatest => "measures.greatest".to_owned(),
        Statistic::HalfRange => {
            "((i32::from(measures.greatest) - i32::from(measures.least)) >> 1) as i16".to_owned()
        }
        Statistic::RootMeanSquare => root("about_zero"),
        Statistic::Energy => "self.energy(channel, &about_zero)".to_owned(),
        Statistic::ZeroCrossings => "self.crossings(channel, 0)".to_owned(),
        Statistic::MeanCrossings => "self.crossings(channel, measures.spread.middle)".to_owned(),
    };
    let zero = if about_zero(which) {
        "        let about_zero = Spread::new(measures.least, measures.greatest, 0);\n"
    } else {
        ""
    };
    let puts = which.iter().map(|one| {
        format!(
            "        let figure = {};\n        self.put(figure);\n",
            figure(one)
        )
    });
    let puts: String = puts.collect();
    format!(
        "\nimpl Stream {{\n    fn part_{place}(&mut self, channel: usize) {{\n        \
         let measures = self.measure(channel);\n{zero}{puts}    }}\n}}\n"
    )
}

fn cepstrum(one: &Cepstrum, place: usize, features: &Features) -> String {
    let filters = one.filters();
    let frames = one.frames(features.length);
    let coefficients = usize::from(one.coefficients);
    let several = |text: String| if frames > 1 { text } else { String::new() };
    let keep = format!(
        "        let mut changes = [0i32; {coefficients}];\n        \
         let mut before = [0i16; {coefficients}];\n"
    );
    let change = "                if frame > 0 {\n                    \
                  changes[number] += (i32::from(own) - i32::from(before[number])).abs();\n                \
                  }\n                before[number] = own;\n";
    let finish = format!(
        "        for change in changes {{\n            \
         self.put((change / {}).min(32_767) as i16);\n        }}\n",
        frames - usize::from(frames > 1)
    );
    let values = [
        ("keep", several(keep)),
        ("change", several(change.to_owned())),
        ("finish", several(finish)),
        ("points", one.points.to_string()),
        ("samples", one.frame.to_string()),
        ("filters", filters.to_string()),
        ("coefficients", coefficients.to_string()),
        ("frames", frames.to_string()),
        (
            "frame_numbers",
            (usize::from(one.hop) * usize::from(features.channels)).to_string(),
        ),
        ("part", place.to_string()),
    ];
    let cosines = tables::cosines(filters as u16, coefficients as u16);
    [
        spectrum_tables(place, one.points, one.frame, &one.edges),
        array("i16", &format!("COSINES_{place}"), cosines),
        filled(
            include_str!("../templates/windows/cepstrum.rs.txt"),
            &values,
        ),
    ]
    .concat()
}
