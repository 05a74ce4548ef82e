//! What is written as ONNX answers like the network, in ONNX Runtime.

use std::path::{Path, PathBuf};

use noroshi_engine::{LibraryOptions, ModelSource, Optimization, Options, Tensor, open};
use noroshi_model::EngineKind;
use noroshi_onnx::ModelProto;
use noroshi_train::{
    Activation, ChannelPruning, EngineTeacher, Error, Examples, Layer, Loss, Net, NetBuilder,
    Random, Recipe, Shape, Teacher, Trainer, Weights, fit, prune_channels,
};

/// The graph as it is: when ONNX Runtime fuses a layer of few bits, it rounds the bias to whole steps
/// of input times weight, which may move a number by a level.
pub(crate) fn options() -> Options {
    let path = std::env::var_os("NOROSHI_ONNXRUNTIME").map_or_else(
        || {
            Path::new(env!("CARGO_MANIFEST_DIR"))
                .join("../.cache/assets/onnxruntime/libonnxruntime.so")
        },
        PathBuf::from,
    );
    assert!(
        path.exists(),
        "{} is missing: run make setup",
        path.display()
    );
    Options {
        library: LibraryOptions {
            path: Some(path),
            ..LibraryOptions::default()
        },
        optimization: Optimization::None,
        ..Options::default()
    }
}

fn samples(shape: Shape, count: usize) -> Vec<f32> {
    let mut random = Random::new(21);
    (0..count * shape.len()).map(|_| random.normal()).collect()
}

/// A little training moves statistics and steps off their first values.
fn taught(builder: NetBuilder) -> Net {
    let mut net = builder.build().unwrap();
    let shape = net.input();
    let labels = (0..24u32).map(|place| place % 3).collect();
    let data = Examples::classes(shape, samples(shape, 24), labels, 3).unwrap();
    let recipe = Recipe {
        epochs: 3,
        batch: 8,
        rate: 0.01,
        ..Recipe::default()
    };
    fit(&mut net, &data, &recipe, &mut |_| ()).unwrap();
    net
}

fn answers_alike(name: &str, builder: NetBuilder) {
    let net = taught(builder);
    let shape = net.input();
    let inputs = samples(shape, 4);
    let own = net.logits(&inputs).unwrap();
    for model in [
        net.export_onnx().unwrap(),
        net.export_onnx_unfolded().unwrap(),
    ] {
        model.check().unwrap();
        comes_back(name, &net, &model, &inputs);
        let bytes = noroshi_onnx::encode(&model).unwrap();
        let mut engine = open(
            EngineKind::OnnxRuntime,
            ModelSource::Bytes(&bytes),
            &options(),
        )
        .unwrap();
        let dims = if shape.plane() == 1 {
            vec![4, shape.channels]
        } else {
            vec![4, shape.channels, shape.height, shape.width]
        };
        let tensor = Tensor::f32(dims, inputs.clone()).unwrap();
        let answer = engine.run(&[tensor]).unwrap();
        let answer = answer[0].to_f32();
        assert_eq!(answer.len(), own.len());
        for (left, right) in own.iter().zip(answer.iter()) {
            assert!(
                (left - right).abs() < 1e-4,
                "{name}: {own:?}, not {answer:?}"
            );
        }
    }
}

/// What was written is read, answers alike and is written alike.
fn comes_back(name: &str, net: &Net, model: &ModelProto, inputs: &[f32]) {
    let read = match Net::import_onnx(model) {
        Ok(read) => read,
        Err(Error::Operators(operators)) => {
            let few = [
                "Cast",
                "DequantizeLinear",
                "GreaterOrEqual",
                "QuantizeLinear",
                "Where",
            ];
            assert!(
                operators.iter().all(|o| few.contains(&o.as_str())),
                "{name}: {operators:?}"
            );
            return;
        }
        Err(error) => panic!("{name}: {error}"),
    };
    let (left, right) = (net.logits(inputs).unwrap(), read.logits(inputs).unwrap());
    assert!(
        left.iter().zip(&right).all(|(l, r)| (l - r).abs() < 1e-5),
        "{name}"
    );
    let again = Net::import_onnx(&read.export_onnx_unfolded().unwrap()).unwrap();
    assert_eq!(again.parameters(), read.parameters());
}

fn image() -> NetBuilder {
    Net::builder(Shape::image(2, 9, 8), 3)
}

#[test]
fn layers_called_as_input_and_output_are_no_obstacle() {
    let net = Net::builder(Shape::flat(6), 4);
    let net = net.dense(5).named("input").relu().named("logits.layer");
    answers_alike("names", net.dense(3).named("logits"));
}

#[test]
fn a_file_keeps_its_names() {
    let net = Net::builder(Shape::image(1, 4, 4), 4);
    let net = net.conv(3, 3, 1, 1).relu().dense(5).relu().dense(3);
    let mut model = taught(net.activation(Activation::Sigmoid))
        .export_onnx()
        .unwrap();
    let graph = model.graph.as_mut().unwrap();
    for name in graph.input.iter_mut().chain(&mut graph.output) {
        name.name = format!("{} of mine", name.name);
    }
    for node in &mut graph.node {
        let names = node.input.iter_mut().chain(&mut node.output);
        for name in names.filter(|name| ["input", "logits"].contains(&name.as_str())) {
            name.push_str(" of mine");
        }
    }
    let read = Net::import_onnx(&model).unwrap();
    let (small, _) = prune_channels(&read, &ChannelPruning::default()).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("net.safetensors");
    small.save(&path).unwrap();
    let nets = [
        read,
        Net::load(&path).unwrap(),
        small.renewed(3).unwrap(),
        small.with_head(2, 1).unwrap().0,
    ];
    for net in nets {
        assert_eq!(
            (net.input_name(), net.output_name()),
            ("input of mine", "logits of mine")
        );
        let bytes = noroshi_onnx::encode(&net.export_onnx().unwrap()).unwrap();
        let engine = open(
            EngineKind::OnnxRuntime,
            ModelSource::Bytes(&bytes),
            &options(),
        );
        let mut engine = engine.unwrap();
        assert_eq!(engine.inputs()[0].name, "input of mine");
        assert_eq!(engine.outputs()[0].name, "logits of mine");
        let inputs = samples(net.input(), 1);
        let tensor = Tensor::f32(vec![1, 1, 4, 4], inputs.clone()).unwrap();
        let answers = engine.run(&[tensor]).unwrap()[0].to_f32().into_owned();
        let own = net.logits(&inputs).unwrap();
        assert!(own.iter().zip(&answers).all(|(l, r)| (l - r).abs() < 1e-4));
    }
}

#[test]
fn float_networks() {
    answers_alike(
        "vector",
        Net::builder(Shape::flat(6), 3)
            .dense_plain(5)
            .normalize()
            .relu()
            .dense(3),
    );
    let plain = image()
        .conv(4, 3, 1, 1)
        .relu()
        .max_pool(2)
        .conv_plain(6, 3, 2, 0)
        .normalize();
    answers_alike("convolutional", plain.dropout(0.2).dense(3));
    let deep = image()
        .conv_plain(4, 3, 1, 1)
        .normalize()
        .activation(Activation::Clip {
            low: 0.0,
            high: 6.0,
        });
    let deep = deep
        .depthwise(3, 2, 1)
        .normalize()
        .activation(Activation::HardSwish);
    answers_alike(
        "depthwise",
        deep.conv_plain(6, 1, 1, 0)
            .normalize()
            .global_average()
            .dense(3),
    );
    let series = Net::builder(Shape::series(3, 20), 3)
        .conv_series(4, 5, 2, 2)
        .normalize()
        .relu();
    answers_alike("series", series.average_pool(2).dense(3));
}

#[test]
fn joined_values() {
    let first = image().conv_plain(4, 3, 1, 1);
    let (one, first) = (first.here(), first.normalize().relu());
    let second = first.add(one);
    let two = second.here();
    let gate = second
        .global_average()
        .dense(4)
        .activation(Activation::HardSigmoid);
    let three = gate.here();
    let gated = gate.join(Layer::Multiply, vec![two, three]);
    let four = gated.here();
    answers_alike(
        "joined",
        gated
            .join(Layer::Concat, vec![four, one])
            .normalize()
            .dense(3),
    );
}

#[test]
fn networks_of_few_bits() {
    let binary = image()
        .weights(Weights::Sign)
        .conv_plain(4, 3, 1, 1)
        .normalize()
        .sign();
    answers_alike(
        "binary",
        binary
            .weights(Weights::ScaledSign)
            .dense_plain(3)
            .normalize(),
    );
    for bits in [2, 4, 8] {
        let step = |signed| Activation::LearnedStep { bits, signed };
        let few = image()
            .weights(Weights::LearnedStep { bits })
            .activation(step(true));
        let few = few
            .conv_plain(4, 3, 1, 1)
            .normalize()
            .activation(step(false))
            .dense(3);
        answers_alike(&format!("learned steps of {bits}"), few);
    }
    let levels = image().conv(4, 3, 1, 1).activation(Activation::Levels {
        bits: 2,
        limit: 2.0,
    });
    answers_alike("levels", levels.dense(3));
}

/// Any file teaches, through ONNX Runtime, samples without labels.
#[test]
fn a_file_teaches_without_labels() {
    let mut net = taught(image().conv(4, 3, 1, 1).relu().dense(3));
    let bytes = noroshi_onnx::encode(&net.export_onnx().unwrap()).unwrap();
    let engine = open(
        EngineKind::OnnxRuntime,
        ModelSource::Bytes(&bytes),
        &options(),
    )
    .unwrap();
    let mut teacher = EngineTeacher::new(engine, 3);
    let inputs = samples(net.input(), 16);
    let told = teacher.answer(&inputs, 16).unwrap();
    let own = net.answer(&inputs, 16).unwrap();
    assert!(told.iter().zip(&own).all(|(l, r)| (l - r).abs() < 1e-4));

    let data = Examples::new(net.input(), inputs.clone(), noroshi_train::Targets::Unknown).unwrap();
    let mut student = image().dense(3).build().unwrap();
    let recipe = Recipe {
        epochs: 200,
        rate: 0.02,
        loss: Loss::Distill {
            temperature: 2.0,
            alpha: 1.0,
        },
        ..Recipe::default()
    };
    Trainer::new(&recipe)
        .teacher(&mut teacher)
        .fit(&mut student, &data, &mut |_| ())
        .unwrap();
    assert_eq!(
        student.classify(&inputs).unwrap(),
        net.classify(&inputs).unwrap()
    );
}
