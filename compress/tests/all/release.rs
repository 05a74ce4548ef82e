//! A release from files, and manifests that lie about them.

use crate::common::{Numbers, asset, engine_options, trained};
use noroshi_compress::release::{Content, Description, Prepared, Source, check_manifest, prepare};
use noroshi_compress::views::Photo;
use noroshi_compress::{Error, Network, Settings, Weights, build};
use noroshi_engine::{Classifier, GoldenSet, ModelSource};
use noroshi_model::{Digest, ElementType, Label, Manifest, Measured, Task};

const CLASSES: usize = 7;

fn description(network: Network, settings: &Settings) -> Description {
    let labels = (0..settings.classes).map(|class| Label::from_name(&format!("class {class}")));
    Description {
        model: "test-model".parse().unwrap(),
        version: 1,
        task: Task::Classification {
            labels: labels.collect(),
        },
        input: network.input_spec(settings),
        output: network.output_spec(),
    }
}

fn source(path: &std::path::Path) -> Source {
    Source {
        name: "fp32".parse().unwrap(),
        path: path.to_path_buf(),
        measured: Measured::default(),
        recipe: "exported for a test".into(),
        source: None,
        tolerance: None,
    }
}

pub(crate) fn photo() -> Photo {
    let mut numbers = Numbers(4);
    Photo::from_rgb(
        64,
        48,
        (0..64 * 48 * 3).map(|_| numbers.bits() as u8).collect(),
    )
    .unwrap()
}

#[test]
fn a_manifest_says_what_the_file_is() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.onnx");
    let settings = Settings {
        width: 0.1,
        resolution: 32,
        classes: CLASSES,
    };
    let network = Network::MobileNetV2;
    noroshi_onnx::write(
        &path,
        &build(network, &settings, Weights::Random(9)).unwrap(),
    )
    .unwrap();
    let made = prepare(
        description(network, &settings),
        &[source(&path)],
        &[photo()],
        &engine_options(),
    );
    let Prepared { manifest, blobs } = made.unwrap();
    let back = Manifest::from_json(&manifest.to_json().unwrap()).unwrap();
    assert_eq!(back, manifest);
    let variant = &manifest.variants[0];
    check_manifest(&manifest, &variant.name, &path).unwrap();
    assert_eq!(blobs.len(), 2);
    assert_eq!(blobs[0].1, Content::File(path.clone()));
    let Content::Bytes(golden) = &blobs[1].1 else {
        panic!("the golden set is made in memory")
    };
    assert_eq!(Digest::of(golden), variant.golden.blob.sha256);
    let set = GoldenSet::from_cbor(golden).unwrap();
    let mut classifier = Classifier::open(
        &manifest,
        variant,
        ModelSource::Path(&path),
        &engine_options(),
    )
    .unwrap();
    assert!(
        set.check(&mut classifier, variant.golden.tolerance)
            .unwrap()
            .passed
    );
    lies_are_found(&manifest, &path);
}

fn lies_are_found(manifest: &Manifest, path: &std::path::Path) {
    let lies: [(&str, fn(&mut Manifest)); 9] = [
        ("opset", |m| m.variants[0].requirements.opset = 13),
        ("set of operators", |m| {
            drop(m.variants[0].requirements.operators.pop_first());
        }),
        ("element types", |m| {
            m.variants[0].requirements.dtypes.insert(ElementType::I8);
        }),
        ("peak memory", |m| {
            m.variants[0].requirements.peak_memory = 10;
        }),
        ("parameters", |m| m.variants[0].measured.parameters += 1),
        ("input's name", |m| m.input.name = "picture".into()),
        ("input's shape", |m| m.input.height = 64),
        ("number of labels", |m| {
            m.task = Task::Classification {
                labels: vec![Label::from_name("x")],
            }
        }),
        ("bytes", |m| m.variants[0].blob.length += 1),
    ];
    for (what, lie) in lies {
        let mut lying = manifest.clone();
        lie(&mut lying);
        let error = check_manifest(&lying, &lying.variants[0].name, path).unwrap_err();
        assert!(matches!(error, Error::Disagreement(_)), "{what}: {error}");
        assert!(error.to_string().contains(what), "{what}: {error}");
    }
    let mut modest = manifest.clone();
    modest.variants[0].requirements.peak_memory += 1 << 20;
    check_manifest(&modest, &modest.variants[0].name, path).unwrap();
}

#[test]
fn a_real_photo_makes_a_small_golden_set() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.onnx");
    noroshi_onnx::write(&path, &trained(Network::MobileNetV2)).unwrap();
    let photo = Photo::open(&asset("photos/cat.png")).unwrap();
    let description = description(Network::MobileNetV2, &Settings::default());
    let made = prepare(description, &[source(&path)], &[photo], &engine_options()).unwrap();
    let golden = made.manifest.variants[0].golden.clone();
    assert!(golden.blob.length < 300_000, "{}", golden.blob.length);
    assert!(
        golden.tolerance > 0.0 && golden.tolerance < 0.1,
        "{}",
        golden.tolerance
    );
}
