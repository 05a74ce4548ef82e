//! Models on data: figures known beforehand, and two models side by side.

use std::path::Path;

use crate::common::{Numbers, engine_options};
use noroshi_compress::evaluate::{self, Groups, Quality};
use noroshi_onnx::{
    AttributeProto, DataType, GraphProto, ModelProto, NodeProto, StringStringEntryProto,
    TensorProto, ValueInfoProto,
};
use noroshi_train::data::{self, Array, Classes, Dataset, Samples, Targets};

/// One linear layer: `[1, inputs]` to `[1, outputs]`, with these rows of weights.
pub(crate) fn linear(rows: &[&[f32]]) -> ModelProto {
    let (outputs, inputs) = (rows.len(), rows[0].len());
    let graph = GraphProto {
        name: "linear".into(),
        input: vec![ValueInfoProto::tensor("x", DataType::F32, &[1, inputs])],
        output: vec![ValueInfoProto::tensor("y", DataType::F32, &[1, outputs])],
        initializer: vec![TensorProto::new("w", &[outputs, inputs], &rows.concat())],
        node: vec![NodeProto::new(
            "Gemm",
            ["x", "w"],
            "y",
            vec![AttributeProto::int("transB", 1)],
        )],
        ..GraphProto::default()
    };
    ModelProto::new(graph, 17, 8)
}

fn dataset(shape: &[usize], values: &[f32], targets: Targets) -> Dataset {
    let numbers = data::Numbers::F32(values.to_vec());
    let samples = Samples::Array(Array::new(shape.to_vec(), numbers).unwrap());
    Dataset::new(samples, targets).unwrap()
}

fn options() -> evaluate::Options {
    evaluate::Options {
        engine: engine_options(),
        top: 2,
        ..evaluate::Options::default()
    }
}

fn run(path: &Path, data: &Dataset) -> evaluate::Evaluation {
    let groups = Groups::each(data.len());
    let mut steps = 0;
    let seen =
        evaluate::evaluate(path, data, &groups, &options(), &mut |done| steps = done).unwrap();
    assert_eq!(steps, data.len());
    seen
}

#[test]
fn accuracy_is_counted_and_the_paired_test_sees_the_difference() {
    let folder = tempfile::tempdir().unwrap();
    let paths = ["good.onnx", "bad.onnx"].map(|name| folder.path().join(name));
    // The class is the larger number; the bad model turns the two around if the third is positive.
    noroshi_onnx::write(&paths[0], &linear(&[&[1.0, 0.0, 0.0], &[0.0, 1.0, 0.0]])).unwrap();
    noroshi_onnx::write(&paths[1], &linear(&[&[1.0, 0.0, 9.0], &[0.0, 1.0, 0.0]])).unwrap();
    let mut numbers = Numbers(3);
    let (mut values, mut of) = (Vec::new(), Vec::new());
    for sample in 0..60 {
        let row = [
            numbers.next(),
            numbers.next(),
            if sample < 12 { 1.0 } else { 0.0 },
        ];
        of.push(u32::from(row[1] > row[0]));
        values.extend(row);
    }
    let names = vec!["left".to_string(), "right".into()];
    let wrong = of[..12].iter().filter(|&&class| class == 1).count() as u64;
    let data = dataset(&[60, 3], &values, Targets::Classes(Classes { of, names }));
    let Quality::Classes(good) = run(&paths[0], &data).quality else {
        panic!()
    };
    assert_eq!((good.top_1.count, good.top_k.count), (60, 60));
    assert!((good.roc_auc.unwrap().value - 1.0).abs() < 1e-12);
    let [good, bad] = &paths;
    let groups = Groups::each(60);
    let seen = evaluate::compare(good, bad, &data, &groups, &options(), &mut |_| ()).unwrap();
    let paired = seen.paired.unwrap();
    assert_eq!(
        (paired.counts.only_first, paired.counts.only_second),
        (wrong, 0)
    );
    assert!((paired.p_value - 2.0 * 0.5f64.powi(wrong as i32)).abs() < 1e-12);
    assert_eq!(seen.agreement.unwrap().count, 60 - wrong);
    assert_eq!(
        (seen.changes.len(), seen.changes[0].name.as_str()),
        (1, "right")
    );
    assert!(seen.outputs[0].worst_cosine < seen.outputs[0].cosine);
    let text = seen.to_string();
    assert!(
        text.contains("taken for") && text.contains("more than chance"),
        "{text}"
    );
    let json = serde_json::to_value(&seen).unwrap();
    assert_eq!(json["paired"]["only_first"], wrong);
    assert_eq!(
        json["reference"]["quality"]["classes"]["top_1"]["count"],
        60
    );
}

#[test]
fn figures_and_unlabelled_data_have_their_own_measures() {
    let folder = tempfile::tempdir().unwrap();
    let paths = ["one.onnx", "half.onnx"].map(|name| folder.path().join(name));
    noroshi_onnx::write(&paths[0], &linear(&[&[1.0]])).unwrap();
    noroshi_onnx::write(&paths[1], &linear(&[&[0.5]])).unwrap();
    let values = [1.0, 2.0, 3.0, 4.0];
    let wanted = Array::new(vec![4, 1], data::Numbers::F32(values.to_vec())).unwrap();
    let data = dataset(&[4, 1], &values, Targets::Figures(wanted));
    let groups = Groups::new(&[1, 1, 2, 2]);
    let [one, half] = &paths;
    let seen = evaluate::compare(one, half, &data, &groups, &options(), &mut |_| ()).unwrap();
    // Errors of .5, 1, 1.5 and 2.
    let expected = (0.25 + 1.0 + 2.25 + 4.0) / 4.0;
    assert!((seen.error_change.unwrap().value - expected).abs() < 1e-6);
    assert!(seen.agreement.is_none() && seen.paired.is_none());
    let data = dataset(&[4, 1], &values, Targets::None);
    let seen = evaluate::compare(one, half, &data, &groups, &options(), &mut |_| ()).unwrap();
    assert!(matches!(seen.model.quality, Quality::Unlabelled));
    assert!((seen.outputs[0].sqnr_db - 20.0 * 2f64.log10()).abs() < 1e-6);
}

#[test]
fn a_model_with_external_data_runs() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.onnx");
    let mut model = linear(&[&[1.0; 400], &[2.0; 400]]);
    let weight = &mut model.graph_mut().unwrap().initializer[0];
    std::fs::write(folder.path().join("w.bin"), &weight.raw_data).unwrap();
    weight.raw_data = Vec::new().into();
    weight.data_location = 1;
    weight.external_data = vec![StringStringEntryProto {
        key: "location".into(),
        value: "w.bin".into(),
    }];
    noroshi_onnx::write(&path, &model).unwrap();
    let data = dataset(
        &[1, 400],
        &[1.0; 400],
        Targets::Classes(Classes::numbered(vec![1])),
    );
    let Quality::Classes(seen) = run(&path, &data).quality else {
        panic!()
    };
    assert_eq!(seen.top_1.count, 1);
}

#[test]
fn what_does_not_fit_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.onnx");
    noroshi_onnx::write(&path, &linear(&[&[1.0, 1.0]])).unwrap();
    let fails = |data: &Dataset, options: &evaluate::Options| {
        let groups = Groups::each(data.len());
        evaluate::evaluate(&path, data, &groups, options, &mut |_| ())
            .unwrap_err()
            .to_string()
    };
    let wide = dataset(&[1, 3], &[0.0; 3], Targets::None);
    assert!(fails(&wide, &options()).contains("the model takes [1, 2]"));
    let fine = dataset(
        &[1, 2],
        &[0.0; 2],
        Targets::Classes(Classes::numbered(vec![2])),
    );
    assert!(fails(&fine, &options()).contains("class 2"));
    let other = evaluate::Options {
        output: Some("z".into()),
        ..options()
    };
    assert!(fails(&fine, &other).contains("no output \"z\""));
}

#[test]
fn an_assessment_becomes_text_json_and_a_page() {
    use noroshi_compress::report::{assess, page};
    let folder = tempfile::tempdir().unwrap();
    let paths = ["original.onnx", "half.onnx"].map(|name| folder.path().join(name));
    let rows: Vec<Vec<f32>> = (0..2)
        .map(|class| {
            (0..32)
                .map(|place| if place == class { 1.0 } else { 0.0 })
                .collect()
        })
        .collect();
    noroshi_onnx::write(&paths[0], &linear(&[&rows[0], &rows[1]])).unwrap();
    noroshi_onnx::write(&paths[1], &linear(&[&rows[0], &rows[0]])).unwrap();
    let mut numbers = Numbers(9);
    let values = numbers.take(32 * 20, 1.0);
    let of = values
        .chunks(32)
        .map(|row| u32::from(row[1] > row[0]))
        .collect();
    let names = vec!["c".to_string(), "a <b>".into()];
    let data = dataset(&[20, 32], &values, Targets::Classes(Classes { of, names }));
    let options = assess::Options {
        evaluate: options(),
        rounds: 4,
        warmup: 1,
    };
    let [original, half] = &paths;
    let seen = assess::assess(
        original,
        std::slice::from_ref(half),
        &data,
        &Groups::each(20),
        &options,
        &mut |_| (),
    )
    .unwrap();
    let text = seen.to_string();
    assert!(
        text.contains("half.onnx") && text.contains("CPU time"),
        "{text}"
    );
    let json = serde_json::to_value(&seen).unwrap();
    assert_eq!(json["variants"][0]["name"], "half.onnx");
    assert!(json["variants"][0]["cpu_ratio"]["runs"] == 4);
    let html = page::html(&seen).unwrap();
    assert!(html.contains("a &lt;b&gt;") && !html.contains("a <b>"));
    assert!(html.matches("<svg").count() >= 4 && !html.contains("http-equiv"));
    assert!(
        !html.contains("src=") && !html.contains("href="),
        "needs nothing else"
    );
    if let Some(folder) = std::env::var_os("NOROSHI_PLOTS") {
        std::fs::write(Path::new(&folder).join("page.html"), html).unwrap();
    }
}
