//! C99.

use noroshi_model::{Cepstrum, FeaturePart, Features, Statistic};
use noroshi_tiny::features::{Windowed, product_shift, tables};

use super::{Needs, about_zero, values};
use crate::tiny::c::array;
use crate::tiny::write::filled;

const PIECES: [&str; 9] = [
    include_str!("../templates/windows/lifted.c"),
    include_str!("../templates/windows/root.c"),
    include_str!("../templates/windows/root_mean.c"),
    include_str!("../templates/windows/logarithm.c"),
    include_str!("../templates/windows/squares.c"),
    include_str!("../templates/windows/energy.c"),
    include_str!("../templates/windows/crossings.c"),
    include_str!("../templates/windows/correlation.c"),
    include_str!("../templates/windows/transform.c"),
];
const BANDS: &str = include_str!("../templates/windows/bands.c");
const CEPSTRUM: &str = include_str!("../templates/windows/cepstrum.c");

/// What comes into the header, and into the source behind the model.
pub(in crate::tiny) fn c(windowed: &Windowed) -> (String, String) {
    let features = windowed.features();
    let needs = Needs::of(features);
    let values = values(features, needs);
    let steps = windowed.steps();
    let mut source = vec![
        "\n".to_owned(),
        array("int16_t", "lows", steps.iter().map(|step| step.low)),
        array("uint16_t", "factors", steps.iter().map(|step| step.factor)),
        include_str!("../templates/windows/base.c").to_owned(),
        needs.pieces(PIECES),
    ];
    let (mut each, mut together) = (String::new(), String::new());
    let mut column = 0;
    for (place, part) in features.parts.iter().enumerate() {
        let columns = features.columns_of(part);
        if *part == FeaturePart::Correlation {
            together.push_str(&format!("    filled = {column};\n    correlate();\n"));
        } else {
            source.push(self::part(part, place, features));
            let of_channel = columns / usize::from(features.channels);
            each.push_str(&format!(
                "        filled = (uint16_t)({column} + channel * {of_channel});\n        \
                 part_{place}(channel, &measures);\n"
            ));
        }
        column += columns;
    }
    // A channel is measured once for all parts.
    let extract = if each.is_empty() {
        together
    } else {
        format!(
            "    for (uint8_t channel = 0; channel < @channels@; channel++) {{\n        \
             struct measures measures;\n        measure(&measures, channel);\n{each}    }}\n{together}"
        )
    };
    source.push(include_str!("../templates/windows/push.c").replace("@extract@", &extract));
    let head = include_str!("../templates/windows/head.h");
    (filled(head, &values), filled(&source.concat(), &values))
}

fn part(part: &FeaturePart, place: usize, features: &Features) -> String {
    match part {
        FeaturePart::Statistics(which) => statistics(which, place, features),
        FeaturePart::Correlation => String::new(),
        FeaturePart::Bands(bands) => {
            let samples = features.length / u16::from(bands.thin);
            let values = [
                ("points", bands.points.to_string()),
                ("samples", samples.to_string()),
                ("thin", bands.thin.trailing_zeros().to_string()),
                ("edges", bands.edges.len().to_string()),
                ("part", place.to_string()),
            ];
            let tables = spectrum_tables(place, bands.points, samples, &bands.edges);
            tables + &filled(BANDS, &values)
        }
        FeaturePart::Cepstrum(one) => cepstrum(one, place, features),
    }
}

fn spectrum_tables(place: usize, points: u16, samples: u16, edges: &[u16]) -> String {
    let name = |what: &str| format!("{what}_{place}");
    [
        "\n".to_owned(),
        array("int16_t", &name("sines"), tables::sines(points)),
        array("int16_t", &name("hann"), tables::hann(samples)),
        array("uint16_t", &name("edges"), edges),
    ]
    .concat()
}

fn statistics(which: &[Statistic], place: usize, features: &Features) -> String {
    let shift = product_shift(features.length);
    let root = |spread: &str| {
        format!(
            "root_mean(squares(channel, &{spread}), (int16_t)({shift} + 2 * {spread}.exponent))"
        )
    };
    let figure = |which: &Statistic| match which {
        Statistic::Mean => "measures->spread.middle".to_owned(),
        Statistic::Deviation => root("measures->spread"),
        Statistic::Least => "measures->least".to_owned(),
        Statistic::Greatest => "measures->greatest".to_owned(),
        Statistic::HalfRange => {
            "(int16_t)(((int32_t)measures->greatest - measures->least) >> 1)".to_owned()
        }
        Statistic::RootMeanSquare => root("about_zero"),
        Statistic::Energy => "energy(channel, &about_zero)".to_owned(),
        Statistic::ZeroCrossings => "crossings(channel, 0)".to_owned(),
        Statistic::MeanCrossings => "crossings(channel, measures->spread.middle)".to_owned(),
    };
    let zero = if about_zero(which) {
        "    struct spread about_zero;\n    \
         set_spread(&about_zero, measures->least, measures->greatest, 0);\n"
    } else {
        ""
    };
    let puts = which
        .iter()
        .map(|one| format!("    put({});\n", figure(one)));
    let puts: String = puts.collect();
    format!(
        "\nstatic void part_{place}(uint8_t channel, const struct measures *measures)\n{{\n    \
         (void)channel;\n    (void)measures;\n{zero}{puts}}}\n"
    )
}

fn cepstrum(one: &Cepstrum, place: usize, features: &Features) -> String {
    let filters = one.filters();
    let frames = one.frames(features.length);
    let coefficients = usize::from(one.coefficients);
    let several = |text: String| if frames > 1 { text } else { String::new() };
    let finish = format!(
        "    for (uint8_t number = 0; number < {coefficients}; number++) {{\n        \
         const int32_t change = changes[number] / {}L;\n        \
         put(change > 32767 ? 32767 : (int16_t)change);\n    }}\n",
        frames - usize::from(frames > 1)
    );
    let change = "            if (frame != 0) {\n                \
                  const int32_t apart = (int32_t)own - before[number];\n                \
                  changes[number] += apart < 0 ? -apart : apart;\n            }\n            \
                  before[number] = own;\n";
    let keep = format!(
        "    static int32_t changes[{coefficients}];\n    static int16_t before[{coefficients}];\n"
    );
    let values = [
        ("keep", several(keep)),
        (
            "clear",
            several("        changes[number] = 0;\n".to_owned()),
        ),
        ("change", several(change.to_owned())),
        ("finish", several(finish)),
        ("points", one.points.to_string()),
        ("samples", one.frame.to_string()),
        ("edges", one.edges.len().to_string()),
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
        array("int16_t", &format!("cosines_{place}"), cosines),
        filled(CEPSTRUM, &values),
    ]
    .concat()
}
