//! What is refused, by name, with what to do.

use noroshi_codegen::net::{Options, Sharing, Target, emit, import};
use noroshi_onnx::{ModelProto, NodeProto, TensorProto};

use crate::common::{image_network, quantized, signal_network};

fn refusal(model: &ModelProto) -> String {
    import(model).unwrap_err().to_string()
}

#[test]
fn a_float_network_is_refused() {
    let text = refusal(&image_network());
    assert!(
        text.contains("Conv") && text.contains("noroshi model quantize"),
        "{text}"
    );
}

#[test]
fn an_operator_without_kernel_is_refused_by_name() {
    let mut model = quantized(&signal_network());
    let graph = model.graph_mut().unwrap();
    let last = graph.output[0].name.clone();
    graph
        .node
        .push(NodeProto::new("Softmax", [last.as_str()], "p", vec![]));
    graph.output[0].name = "p".into();
    let text = refusal(&model);
    assert!(
        text.contains("Softmax \"p\"") && text.contains("highest logit"),
        "{text}"
    );
}

#[test]
fn odd_quantization_is_refused() {
    let quantized = quantized(&signal_network());
    let change = |name: &str, tensor: TensorProto| {
        let mut model = quantized.clone();
        let initializers = &mut model.graph_mut().unwrap().initializer;
        let place = initializers
            .iter()
            .position(|t| t.name.ends_with(name))
            .unwrap();
        let name = initializers[place].name.clone();
        initializers[place] = TensorProto { name, ..tensor };
        refusal(&model)
    };
    let text = change(".scale", TensorProto::new("", &[], &[f32::NAN]));
    assert!(text.contains("scale NaN"), "{text}");
    let text = change(".scale", TensorProto::new("", &[], &[0.0f32]));
    assert!(text.contains("calibrate"), "{text}");
    let text = change(".zero", TensorProto::new("", &[], &[0i32]));
    assert!(text.contains("8 bits"), "{text}");
    let biases = TensorProto::new("", &[12], &[i32::MAX; 12]);
    let text = change("stem.bias.levels", biases);
    assert!(text.contains("32 bits"), "{text}");
}

#[test]
fn names_and_vectors_are_checked() {
    let network = import(&quantized(&signal_network())).unwrap();
    let options = |name: &str, vectors| Options {
        name: name.into(),
        target: Target::C,
        sharing: Sharing::InPlace,
        vectors,
    };
    for name in ["", "1st", "Upper", "a-b", &"a".repeat(41)] {
        let error = emit(&network, &options(name, vec![])).unwrap_err();
        assert!(error.to_string().contains("small letters"), "{error}");
    }
    let error = emit(&network, &options("net", vec![vec![0; 3]])).unwrap_err();
    assert!(error.to_string().contains("240"), "{error}");
    let plain = emit(&network, &options("net", vec![])).unwrap();
    assert!(
        plain
            .iter()
            .all(|file| !file.text.contains("__ARM_FEATURE_DSP"))
    );
}
