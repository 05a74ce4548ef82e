use noroshi_model::{EngineKind, FeaturePart, Features, Statistic};
use noroshi_tiny::bonsai::BonsaiSettings;
use noroshi_tiny::features::{Extractor, Step, Windowed};
use noroshi_tiny::forest::ForestSettings;
use noroshi_tiny::protonn::ProtoNnSettings;
use noroshi_tiny::{Scale, Table};

use super::*;
use crate::engine::{ModelSource, Options, open};

fn table() -> Table {
    let value = |row: usize, column: usize| (row * 37 + column * 101 + row % 3 * 60) % 256;
    let values = (0..120).flat_map(|row| (0..6).map(move |column| value(row, column) as u8));
    Table::new(
        6,
        3,
        values.collect(),
        (0..120).map(|row| row % 3).collect(),
    )
    .unwrap()
}

fn model(family: Family, intake: Intake) -> Model {
    Model {
        intake,
        columns: 6,
        classes: 3,
        family,
    }
}

fn models() -> Vec<Model> {
    let table = table();
    let forest = ForestSettings::forest(4, 8, 1).train(&table).unwrap();
    let protonn = ProtoNnSettings {
        epochs: 2,
        ..ProtoNnSettings::new(3, 9, 1)
    };
    let bonsai = BonsaiSettings {
        epochs: 3,
        ..BonsaiSettings::new(3, 1, 12, 1)
    };
    let bonsai = bonsai.train(&table).unwrap();
    let scales = Intake::Scaled(vec![Scale::over([-1.0, 1.0]); 6]);
    let mut models = vec![
        model(Family::Forest(forest.clone()), Intake::Bytes),
        model(Family::Forest(forest), scales),
        model(Family::Bonsai(bonsai.integer), Intake::Bytes),
        model(Family::BonsaiFloat(bonsai.float), Intake::Bytes),
    ];
    if let Ok(trained) = protonn.train(&table) {
        models.push(model(Family::ProtoNn(trained.integer), Intake::Bytes));
    }
    models
}

fn bytes(shape: Vec<usize>, bytes: &[u8]) -> Tensor {
    Tensor::new(shape, TensorData::U8(bytes.to_vec())).unwrap()
}

fn opened(model: &Model) -> Box<dyn Engine> {
    let bytes = model.to_bytes();
    let source = ModelSource::Bytes(&bytes);
    open(EngineKind::Tiny, source, &Options::default()).unwrap()
}

#[test]
fn the_engine_ranks_as_the_model_does() {
    let table = table();
    for model in models() {
        let mut engine = opened(&model);
        let shape = vec![table.len(), 1, 2, 3];
        let (input, host): (Tensor, Vec<u16>) = if element(&model) == ElementType::U8 {
            let input = bytes(shape, table.values());
            (input, model.labels(table.values()).unwrap())
        } else {
            let numbers = table
                .values()
                .iter()
                .map(|&value| f32::from(value) / 128.0 - 1.0);
            let numbers: Vec<f32> = numbers.collect();
            let rows = numbers.chunks(6);
            let labels = rows.map(|row| model.answer_numbers(row).unwrap().label);
            let labels = labels.collect();
            (Tensor::f32(shape, numbers).unwrap(), labels)
        };
        let output = engine.run(&[input]).unwrap().remove(0);
        assert_eq!(output.shape(), [table.len(), 3]);
        for (scores, label) in output.to_f32().chunks(3).zip(host) {
            let best = scores.iter().position(|score| *score == 0.0);
            assert_eq!(best, Some(usize::from(label)), "{scores:?}");
            assert!(scores.iter().all(|score| *score <= 0.0));
        }
    }
}

#[test]
fn a_picture_of_another_size_or_type_is_refused() {
    let mut engine = opened(&models()[0]);
    let run = |engine: &mut dyn Engine, input| engine.run(&[input]).unwrap_err().to_string();
    let other = bytes(vec![1, 1, 2, 2], &[0; 4]);
    assert!(run(&mut *engine, other).contains("6 numbers, a picture of 4"));
    let float = Tensor::f32(vec![1, 1, 2, 3], vec![0.0; 6]).unwrap();
    assert!(run(&mut *engine, float).contains("U8"));
    let mut scaled = opened(&models()[1]);
    let nan = Tensor::f32(vec![1, 1, 2, 3], vec![f32::NAN; 6]).unwrap();
    assert!(run(&mut *scaled, nan).contains("NaN"));
}

/// A model of the loudness of windows of two channels.
fn windows_model() -> Model {
    let features = Features {
        channels: 2,
        length: 8,
        hop: 4,
        units: vec![0.5, 1.0],
        parts: vec![FeaturePart::Statistics(vec![
            Statistic::Deviation,
            Statistic::Mean,
        ])],
    };
    let extractor = Extractor::new(&features).unwrap();
    let step = Step {
        low: 0,
        factor: u16::MAX,
    };
    let windowed = Windowed::new(extractor, vec![step; 4]).unwrap();
    let values = (0..40u8).flat_map(|row| [row, 0, 0, 0]).collect();
    let labels = (0..40).map(|row| row / 20).collect();
    let table = Table::new(4, 2, values, labels).unwrap();
    let forest = ForestSettings::tree(2, 1).train(&table).unwrap();
    Model {
        intake: Intake::Windows(windowed),
        columns: 4,
        classes: 2,
        family: Family::Forest(forest),
    }
}

#[test]
fn a_model_of_windows_takes_the_sensors_numbers() {
    let model = windows_model();
    let mut engine = opened(&model);
    let mut best = |loud: f32| {
        let window = (0..16).map(|at| if at % 4 < 2 { loud } else { -loud });
        let window: Vec<f32> = window.collect();
        let answer = model.answer_numbers(&window).unwrap();
        let input = Tensor::f32(vec![1, 1, 8, 2], window).unwrap();
        let made = engine.run(&[input]).unwrap();
        let TensorData::F32(scores) = made[0].data() else {
            panic!("scores are floats");
        };
        assert_eq!(scores[usize::from(answer.label)], 0.0);
        answer.label
    };
    // Steps of the first channel are halves: 3 is a deviation of 6, 15 one of 30.
    assert_eq!((best(3.0), best(15.0)), (0, 1));
    let wrong = Tensor::f32(vec![1, 1, 2, 2], vec![0.0; 4]).unwrap();
    let refused = engine.run(&[wrong]).unwrap_err().to_string();
    assert!(refused.contains("takes 16 numbers"), "{refused}");
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.ntm");
    std::fs::write(&path, model.to_bytes()).unwrap();
    let found = facts(&path).unwrap().unwrap();
    assert_eq!((found.columns, found.element), (16, ElementType::F32));
    assert_eq!(found.features.unwrap().length, 8);
}

#[test]
fn a_file_tells_what_it_is_and_bounds_hold() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.ntm");
    let model = &models()[0];
    std::fs::write(&path, model.to_bytes()).unwrap();
    let found = facts(&path).unwrap().unwrap();
    assert_eq!((found.columns, found.classes), (6, 3));
    assert_eq!(found.element, ElementType::U8);
    assert!(found.parameters > 20 && found.multiplications == 0);
    let mut cut = model.to_bytes();
    cut.pop();
    std::fs::write(&path, cut).unwrap();
    assert!(facts(&path).unwrap_err().to_string().contains("checksum"));
    std::fs::write(&path, b"ON").unwrap();
    assert_eq!(facts(&path).unwrap(), None);
    let long = std::fs::File::create(&path).unwrap();
    long.set_len(MAX_BYTES + 1).unwrap();
    let refused = open(
        EngineKind::Tiny,
        ModelSource::File(&long),
        &Options::default(),
    );
    let refused = refused.err().unwrap().to_string();
    assert!(refused.contains("at most 16777216 are read"), "{refused}");
}

#[test]
fn an_explanation_sums_to_the_score_of_the_label() {
    let table = table();
    for model in models() {
        let engine = opened(&model);
        let row = table.row(7);
        let (input, answer) = if element(&model) == ElementType::U8 {
            (bytes(vec![1, 1, 2, 3], row), model.answer(row).unwrap())
        } else {
            let numbers: Vec<f32> = row.iter().map(|&value| f32::from(value) / 256.0).collect();
            let answer = model.answer_numbers(&numbers).unwrap();
            (Tensor::f32(vec![1, 1, 2, 3], numbers).unwrap(), answer)
        };
        let why = engine.explainer().unwrap().explain(&input).unwrap();
        let sum: f64 = why.terms.iter().map(|term| term.value).sum();
        let score = answer.scores[usize::from(answer.label)];
        assert_eq!((why.label, why.score), (answer.label, score));
        assert!(
            (sum - score).abs() <= 1e-6 * score.abs().max(1.0),
            "{sum} {score}"
        );
        let short = bytes(vec![1, 1, 1, 3], &row[..3]);
        assert!(engine.explainer().unwrap().explain(&short).is_err());
    }
}

fn forest(seed: u64) -> noroshi_tiny::online::OnlineForest {
    noroshi_tiny::online::teach(&table(), &Intake::Bytes, seed)
        .unwrap()
        .forest
}

fn numbers(row: &[u8]) -> Tensor {
    let numbers = row.iter().map(|&byte| f32::from(byte)).collect();
    Tensor::f32(vec![1, 1, 1, 6], numbers).unwrap()
}

#[test]
fn an_online_forest_learns_restores_and_explains() {
    let released = forest(1).to_bytes();
    let source = ModelSource::Bytes(&released);
    let mut engine = open(EngineKind::Tiny, source, &Options::default()).unwrap();
    let input = numbers(&[250, 250, 0, 0, 250, 250]);
    let shares = |engine: &mut Box<dyn Engine>| {
        let output = engine.run(std::slice::from_ref(&input)).unwrap().remove(0);
        output.as_f32().unwrap().to_vec()
    };
    let before = shares(&mut engine);
    assert!((before.iter().sum::<f32>() - 1.0).abs() < 1e-5);
    for _ in 0..60 {
        engine.learner().unwrap().learn(&input, 2).unwrap();
    }
    let after = shares(&mut engine);
    assert!(
        after[2] > 0.6 && after[2] > before[2],
        "{before:?} {after:?}"
    );
    let why = engine.explainer().unwrap().explain(&input).unwrap();
    let sum: f64 = why.terms.iter().map(|term| term.value).sum();
    assert!((sum - f64::from(after[2])).abs() < 1e-6, "{sum} {after:?}");
    assert!(
        why.terms
            .iter()
            .any(|term| term.part == noroshi_tiny::Part::Base)
    );

    let learner = engine.learner().unwrap();
    assert_eq!(learner.samples(), 60);
    let state = learner.state();
    learner.restore(None).unwrap();
    assert_eq!((learner.samples(), learner.state()), (0, released.clone()));
    assert!(
        learner.learn(&input, 3).is_err(),
        "a class that there isn't"
    );
    let short = Tensor::f32(vec![1, 1, 1, 3], vec![0.0; 3]).unwrap();
    assert!(learner.learn(&short, 0).is_err());
    // Hostile states change nothing.
    let mut flipped = state.clone();
    flipped[40] ^= 1;
    let other = forest(2).to_bytes();
    for bad in [&flipped[..], &state[..100], b"", &other] {
        assert!(learner.restore(Some(bad)).is_err());
    }
    assert_eq!(learner.state(), released);
    learner.restore(Some(&state)).unwrap();
    assert_eq!(shares(&mut engine), after);
}

#[test]
fn a_forest_of_numbers_is_no_model_of_a_pipeline() {
    let settings = noroshi_tiny::online::Settings::regression(6, 1);
    let forest = noroshi_tiny::online::OnlineForest::new(settings).unwrap();
    let bytes = forest.to_bytes();
    let source = ModelSource::Bytes(&bytes);
    assert!(open(EngineKind::Tiny, source, &Options::default()).is_err());
}
