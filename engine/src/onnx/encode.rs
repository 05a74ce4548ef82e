//! Just enough of protocol buffers' encoding to write ONNX files of a few nodes.

/// Field `tag` with a number.
pub(super) fn number(tag: u64, value: u64) -> Vec<u8> {
    let mut field = varint(tag << 3);
    field.extend(varint(value));
    field
}

/// Field `tag` with bytes: an embedded message.
pub(super) fn message(tag: u64, bytes: &[u8]) -> Vec<u8> {
    let mut field = varint(tag << 3 | 2);
    field.extend(varint(bytes.len() as u64));
    field.extend_from_slice(bytes);
    field
}

/// Field `tag` with a text.
pub(super) fn text(tag: u64, text: &str) -> Vec<u8> {
    message(tag, text.as_bytes())
}

fn varint(mut value: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    while value >= 0x80 {
        bytes.push(value as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
    bytes
}

/// `NodeProto`.
pub(super) fn node(operator: &str, inputs: &[&str], outputs: &[&str]) -> Vec<u8> {
    let mut node = Vec::new();
    node.extend(inputs.iter().flat_map(|name| text(1, name)));
    node.extend(outputs.iter().flat_map(|name| text(2, name)));
    node.extend(text(4, operator));
    node
}

/// `ValueInfoProto` of 32-bit floating point numbers.
pub(super) fn value(name: &str, shape: &[u64]) -> Vec<u8> {
    let sides: Vec<u8> = shape
        .iter()
        .flat_map(|&side| message(1, &number(1, side)))
        .collect();
    let tensor = [number(1, 1), message(2, &sides)].concat();
    [text(1, name), message(2, &message(1, &tensor))].concat()
}

/// `ModelProto` with one input and one output.
pub(super) fn model(
    (opset, ir): (u32, u32),
    nodes: &[Vec<u8>],
    input: &[u8],
    output: &[u8],
) -> Vec<u8> {
    let mut graph = text(2, "graph");
    graph.extend(nodes.iter().flat_map(|node| message(1, node)));
    graph.extend(message(11, input));
    graph.extend(message(12, output));
    let operators = [text(1, ""), number(2, opset.into())].concat();
    [
        number(1, ir.into()),
        message(7, &graph),
        message(8, &operators),
    ]
    .concat()
}
