use noroshi_engine::Options;
use noroshi_model::{
    ColorOrder, ElementType, EngineKind, InputSpec, Label, Layout, Measured, Normalization,
    OutputSpec, Resize, Task,
};
use noroshi_train::{Net, PackedInput, Shape, Weights};

use crate::release::{Description, Source, check_manifest, prepare};
use crate::views::Photo;

/// A release of one packed network, whose manifest is then made to lie.
#[test]
fn a_packed_network_is_released_and_its_manifest_checked() {
    let net = Net::builder(Shape::image(1, 8, 8), 5)
        .weights(Weights::Sign)
        .conv(8, 3, 1, 0)
        .normalize()
        .sign()
        .dense(2)
        .build()
        .unwrap();
    let network = net.pack(&PackedInput::default()).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tiny.nbin");
    std::fs::write(&path, network.write().unwrap()).unwrap();
    let description = Description {
        model: "tiny".parse().unwrap(),
        version: 1,
        task: Task::Classification {
            labels: vec![Label::from_name("cat"), Label::from_name("dog")],
        },
        input: InputSpec {
            name: network.input.name.clone(),
            height: 8,
            width: 8,
            dtype: ElementType::F32,
            layout: Layout::Nchw,
            color: ColorOrder::Gray,
            resize: Resize::Stretch,
            features: None,
            normalization: Normalization {
                scale: 1.0 / 255.0,
                mean: [0.0; 3],
                deviation: [1.0; 3],
            },
        },
        output: OutputSpec {
            name: network.output.clone(),
            activation: noroshi_model::Activation::Logits,
        },
    };
    let source = Source {
        name: "binary".parse().unwrap(),
        path: path.clone(),
        measured: Measured::default(),
        recipe: "packed".into(),
        source: None,
        tolerance: None,
    };
    let pixels = (0..3 * 20 * 20)
        .map(|place| (place * 37 % 256) as u8)
        .collect();
    let photo = Photo::from_rgb(20, 20, pixels).unwrap();
    let prepared = prepare(description, &[source], &[photo], &Options::default()).unwrap();
    let mut manifest = prepared.manifest;
    let name = manifest.variants[0].name.clone();
    assert_eq!(manifest.variants[0].engine, EngineKind::Binary);
    check_manifest(&manifest, &name, &path).unwrap();
    manifest.variants[0].measured.macs += 1;
    let refused = check_manifest(&manifest, &name, &path).unwrap_err();
    assert!(refused.to_string().contains("MACs"), "{refused}");
}
