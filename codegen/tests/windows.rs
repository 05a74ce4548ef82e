//! Models that take windows of a stream: the generated source computes the features and answers
//! as the host does, bit for bit: C on an emulated ATmega328P, C on this machine, Rust without
//! `std`.

#![expect(clippy::unwrap_used, reason = "a test fails where it stands")]

mod common;

use std::process::{Command, Stdio};

use common::run;
use noroshi_codegen::tiny::stream::{self, Streamed};
use noroshi_codegen::tiny::{Target, source};
use noroshi_model::{Bands, Cepstrum, FeaturePart, Features, Statistic};
use noroshi_tiny::features::{Extractor, Step, Windowed, Windows, mel};
use noroshi_tiny::forest::{ForestSettings, Votes};
use noroshi_tiny::search::Controller;
use noroshi_tiny::{Family, Intake, Model, Table};

/// Steps and noise of all sizes, from silence to the ends of 16 bits.
fn samples(channels: usize, count: usize) -> Vec<i16> {
    let mut state = 99u64;
    let mut number = move || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as i32
    };
    let mut made = Vec::new();
    let (mut size, mut middle) = (1, 0);
    for time in 0..count {
        if time % 37 == 0 {
            size = 1 << (number() & 15);
            middle = (number() % size) - size / 2;
        }
        for channel in 0..channels as i32 {
            let wave = if (time as i32 / (channel + 2)) % 2 == 0 {
                size
            } else {
                -size
            };
            let noise = if time % 90 < 12 {
                0
            } else {
                number() % (size / 4 + 1)
            };
            let sample = (middle + wave / 2 + noise).clamp(-32_768, 32_767);
            made.push(sample as i16);
        }
    }
    made
}

fn model(features: &Features, samples: &[i16]) -> Model {
    let extractor = Extractor::new(features).unwrap();
    let channels = usize::from(features.channels);
    let mut windows = Windows::new(features);
    let rows: Vec<Vec<i16>> = samples
        .chunks(channels)
        .filter_map(|sample| windows.push(sample).unwrap())
        .map(|window| extractor.extract(&window).unwrap())
        .collect();
    let columns = features.columns();
    let column = |at: usize| rows.iter().map(|row| row[at]).collect();
    let steps = (0..columns).map(|at| Step::over(column(at))).collect();
    let windowed = Windowed::new(extractor, steps).unwrap();
    let values: Vec<u8> = rows.iter().flat_map(|row| windowed.bytes(row)).collect();
    // Classes that depend on many columns, so that none of them can be wrong unseen.
    let labels = values
        .chunks(columns)
        .map(|row| {
            let sum: usize = row
                .iter()
                .enumerate()
                .map(|(at, &byte)| usize::from(byte) * (at % 5))
                .sum();
            (sum / 16 % 3) as u16
        })
        .collect();
    let table = Table::new(columns, 3, values, labels).unwrap();
    let forest = ForestSettings {
        votes: Votes::Soft,
        ..ForestSettings::forest(8, 12, 1)
    };
    Model {
        intake: Intake::Windows(windowed),
        columns: columns as u16,
        classes: 3,
        family: Family::Forest(forest.train(&table).unwrap()),
    }
}

fn features(channels: u8, length: u16, hop: u16, parts: Vec<FeaturePart>) -> Features {
    Features {
        channels,
        length,
        hop,
        units: vec![1.0; usize::from(channels)],
        parts,
    }
}

fn bands(thin: u8, points: u16, edges: &[u16]) -> FeaturePart {
    FeaturePart::Bands(Bands {
        thin,
        points,
        edges: edges.to_vec(),
    })
}

fn cepstrum(frame: u16, hop: u16) -> FeaturePart {
    FeaturePart::Cepstrum(Cepstrum {
        frame,
        hop,
        points: 128,
        edges: mel(8000.0, (100.0, 4000.0), 16, 128).unwrap(),
        coefficients: 8,
    })
}

/// A wrist's, all there is at once, a microphone's, one statistic alone.
fn all() -> Vec<Features> {
    use Statistic::{Deviation, Greatest, Least, Mean, MeanCrossings};
    let figures = vec![Mean, Deviation, Least, Greatest, MeanCrossings];
    let wrist = vec![
        FeaturePart::Statistics(figures),
        bands(2, 64, &[1, 2, 4, 6, 9, 14, 32]),
    ];
    let everything = vec![
        FeaturePart::Statistics(Statistic::ALL.to_vec()),
        FeaturePart::Correlation,
        bands(1, 64, &[1, 3, 32]),
        cepstrum(40, 10),
    ];
    vec![
        features(6, 100, 50, wrist),
        features(2, 60, 7, everything),
        features(1, 300, 100, vec![cepstrum(100, 50)]),
        features(1, 128, 128, vec![cepstrum(128, 128)]),
        features(3, 20, 20, vec![FeaturePart::Correlation]),
        features(
            2,
            16,
            3,
            vec![FeaturePart::Statistics(vec![Statistic::Energy])],
        ),
    ]
}

#[test]
fn an_atmega_computes_features_as_the_host_does() {
    let mut estimates = Vec::new();
    for features in all() {
        let samples = samples(features.channels.into(), 2000);
        let model = model(&features, &samples);
        let folder = tempfile::tempdir().unwrap();
        let some = &samples[..700 * usize::from(features.channels)];
        let streamed = stream::on_avr(&model, some, folder.path()).unwrap();
        let windows = 1 + (700 - u64::from(features.length)) / u64::from(features.hop);
        assert_eq!(
            (streamed.windows, streamed.measured.different),
            (windows, 0),
            "{features:?}"
        );
        estimates.push((features, model.cost().controller.unwrap(), streamed));
    }
    for (features, cost, streamed) in estimates {
        assert_near(&features, &cost, &streamed);
    }
}

/// An estimate is never below what was measured, and not far above it.
fn assert_near(features: &Features, cost: &Controller, streamed: &Streamed) {
    let measured = &streamed.measured;
    let ram = measured.variables + measured.stack;
    let (text, cycles) = (measured.text, streamed.window_cycles.1);
    let told = format!("{features:?}: {cost:?}, took {ram} B, {text} B, {cycles} cycles");
    println!("{told}");
    assert!((ram..=ram + 100).contains(&cost.ram), "{told}");
    assert!((text..=text + text / 2).contains(&cost.flash), "{told}");
    assert!((cycles..=5 * cycles / 2).contains(&cost.cycles), "{told}");
}

#[test]
fn c_computes_features_as_the_host_does() {
    for features in all() {
        let samples = samples(features.channels.into(), 6000);
        let model = model(&features, &samples);
        let folder = tempfile::tempdir().unwrap();
        let different = stream::different_on_host(&model, &samples, folder.path()).unwrap();
        assert_eq!(different, 0, "{features:?}");
    }
}

const MAIN_RS: &str = r#"
use std::io::Read;
fn main() {
    let mut stream = model::Stream::new();
    let mut bytes = [0u8; 2 * model::CHANNELS];
    let mut scores = [0i32; model::CLASSES];
    while std::io::stdin().read_exact(&mut bytes).is_ok() {
        let sample = std::array::from_fn(|at| i16::from_le_bytes([bytes[2 * at], bytes[2 * at + 1]]));
        if let Some(label) = stream.push(&sample, &mut scores) {
            println!("{label} {scores:?}");
        }
    }
}
"#;

#[test]
fn rust_without_std_computes_features_as_the_host_does() {
    for features in all() {
        let samples = samples(features.channels.into(), 3000);
        let model = model(&features, &samples);
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        for file in source(&model, "host_model", Target::Rust, &[]).unwrap() {
            std::fs::write(folder.join(&file.name), &file.text).unwrap();
        }
        std::fs::write(folder.join("main.rs"), MAIN_RS).unwrap();
        let library = "#![no_std]\ninclude!(\"host_model.rs\");\n";
        std::fs::write(folder.join("model.rs"), library).unwrap();
        // Overflow is checked: intervals promised that there is none.
        let flags = ["--edition", "2024", "-Cdebug-assertions=on", "-Dwarnings"];
        run(
            folder,
            "rustc",
            &[&flags[..], &["--crate-type", "rlib", "model.rs"]].concat(),
        );
        let program = ["--extern", "model=libmodel.rlib", "main.rs", "-o", "host"];
        run(folder, "rustc", &[&flags[..], &program].concat());
        let bytes: Vec<u8> = samples.iter().flat_map(|one| one.to_le_bytes()).collect();
        std::fs::write(folder.join("samples.bin"), bytes).unwrap();
        let input = std::fs::File::open(folder.join("samples.bin")).unwrap();
        let output = Command::new(folder.join("host"))
            .stdin(Stdio::from(input))
            .output()
            .unwrap();
        assert_eq!(
            String::from_utf8(output.stdout).unwrap(),
            said(&model, &features, &samples)
        );
    }
}

fn said(model: &Model, features: &Features, samples: &[i16]) -> String {
    let mut windows = Windows::new(features);
    let mut text = String::new();
    for sample in samples.chunks(features.channels.into()) {
        if let Some(window) = windows.push(sample).unwrap() {
            let answer = model.answer_window(&window).unwrap();
            text.push_str(&format!("{} {:?}\n", answer.label, answer.integers));
        }
    }
    text
}

#[test]
fn windows_go_beside_the_source() {
    let figures = vec![Statistic::Mean, Statistic::Deviation];
    let features = features(2, 16, 3, vec![FeaturePart::Statistics(figures)]);
    let model = model(&features, &samples(2, 500));
    for target in [Target::Avr, Target::C, Target::Rust] {
        let files = source(&model, "m", target, &[7; 4]).unwrap();
        let vectors = files
            .iter()
            .find(|file| file.name == "m_windows.csv")
            .unwrap();
        let line = vectors.text.lines().next().unwrap();
        assert_eq!(line.split(',').count(), 32 + 1 + 3);
        let all: String = files.iter().map(|file| file.text.as_str()).collect();
        assert!(
            !all.contains('@'),
            "{target:?}: something was not filled in"
        );
    }
}
