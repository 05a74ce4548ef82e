//! A tiny ONNX file, written by hand: protocol buffers without a library.

/// `[1, 3, 2, 2]` to the mean of each channel.
pub fn means() -> Vec<u8> {
    let pool = node("GlobalAveragePool", "input", "mean");
    let flatten = node("Flatten", "mean", "output");
    let graph = [
        field(1, &pool),
        field(1, &flatten),
        field(2, b"g"),
        field(11, &value("input", &[1, 3, 2, 2])),
        field(12, &value("output", &[1, 3])),
    ]
    .concat();
    let opset = [field(1, b""), number(2, 13)].concat();
    [number(1, 8), field(8, &opset), field(7, &graph)].concat()
}

fn node(kind: &str, input: &str, output: &str) -> Vec<u8> {
    [
        field(1, input.as_bytes()),
        field(2, output.as_bytes()),
        field(4, kind.as_bytes()),
    ]
    .concat()
}

fn value(name: &str, shape: &[u64]) -> Vec<u8> {
    let sides: Vec<u8> = shape
        .iter()
        .flat_map(|side| field(1, &number(1, *side)))
        .collect();
    // Element type 1 is f32.
    let tensor = [number(1, 1), field(2, &sides)].concat();
    [field(1, name.as_bytes()), field(2, &field(1, &tensor))].concat()
}

fn varint(mut value: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    while value >= 0x80 {
        bytes.push((value as u8) | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
    bytes
}

fn number(field: u64, value: u64) -> Vec<u8> {
    [varint(field << 3), varint(value)].concat()
}

fn field(field: u64, bytes: &[u8]) -> Vec<u8> {
    [
        varint(field << 3 | 2),
        varint(bytes.len() as u64),
        bytes.to_vec(),
    ]
    .concat()
}
