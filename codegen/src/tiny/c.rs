//! C99.

use noroshi_tiny::bonsai::{Bonsai, BonsaiFloat, TANH};
use noroshi_tiny::linear::Linear;
use noroshi_tiny::protonn::{EXPONENTIALS, ProtoNn, ProtoNnFloat};
use noroshi_tiny::{Family, Intake, Model, Scale};

use super::write::{filled, float, numbers};
use super::{File, Layout, SourceError, c_trees, intake_text, is_float, windows};

const HEAD: &str = include_str!("templates/head.h");
const STORAGE_AVR: &str = include_str!("templates/storage_avr.c");
const STORAGE_C: &str = include_str!("templates/storage_c.c");
pub(super) const BEST: &str = include_str!("templates/best.c");

/// What fills a template.
pub(super) type Values = Vec<(&'static str, String)>;

pub(super) fn files(
    model: &Model,
    name: &str,
    avr: bool,
    layout: Layout,
) -> Result<Vec<File>, SourceError> {
    let (body, what, more) = match &model.family {
        Family::Forest(_) | Family::Boosted(_) => c_trees::body(model, layout)?,
        _ if layout == Layout::Branches => return Err(SourceError::Branches),
        Family::ProtoNn(one) => protonn(one),
        Family::ProtoNnFloat(one) => protonn_float(one),
        Family::Bonsai(one) => bonsai(one),
        Family::BonsaiFloat(one) => bonsai_float(one),
        Family::Linear(one) => linear(one, model.columns),
        Family::Fastfood(_) | Family::Svm(_) => return Err(SourceError::Host),
    };
    let scaled = match &model.intake {
        Intake::Bytes => None,
        Intake::Scaled(scales) => Some(intake(scales)),
        Intake::Windows(windowed) => Some(windows::c(windowed)),
    };
    let real = |yes: &'static str, no: &'static str| if is_float(model) { yes } else { no };
    let mut values: Values = vec![
        ("name", name.to_owned()),
        ("NAME", name.to_ascii_uppercase()),
        ("columns", model.columns.to_string()),
        ("classes", model.classes.to_string()),
        ("what", what),
        ("intake", intake_text(&model.intake).to_owned()),
        ("score", real("float", "int32_t").to_owned()),
    ];
    let declared = scaled
        .as_ref()
        .map_or_else(String::new, |one| one.0.clone());
    values.insert(0, ("more", declared));
    // What a family fills in may hold names that are the same for all: it comes first.
    values.splice(0..0, more);
    let source = [
        "/* Written by noroshi; do not edit. */\n#include \"@name@.h\"\n",
        real("#include <math.h>\n", ""),
        "\n",
        if avr { STORAGE_AVR } else { STORAGE_C },
        "\n",
        &body,
        scaled.as_ref().map_or("", |one| &one.1),
    ];
    Ok(vec![
        File {
            name: format!("{name}.h"),
            text: filled(HEAD, &values),
        },
        File {
            name: format!("{name}.c"),
            text: filled(&source.concat(), &values),
        },
    ])
}

pub(super) fn array<T: std::fmt::Display>(
    kind: &str,
    name: &str,
    values: impl IntoIterator<Item = T>,
) -> String {
    let values: Vec<T> = values.into_iter().collect();
    let length = values.len().max(1);
    // C has no empty arrays.
    let text = if values.is_empty() {
        "\n    0,".to_owned()
    } else {
        numbers(values)
    };
    format!("static const {kind} {name}[{length}] FLASH = {{{text}\n}};\n")
}

fn reals(name: &str, values: &[f32]) -> String {
    array("float", name, values.iter().map(|&value| float(value)))
}

/// Whole numbers of 32 bits, the least of which C can't write as such.
pub(super) fn longs(name: &str, values: &[i32]) -> String {
    let one = |&value: &i32| {
        if value == i32::MIN {
            "-2147483647L - 1".to_owned()
        } else {
            format!("{value}L")
        }
    };
    array("int32_t", name, values.iter().map(one))
}

fn protonn(model: &ProtoNn) -> (String, String, Values) {
    let each = model.entries_each();
    let all = each == model.classes();
    let mut arrays = vec![
        array("int8_t", "projection", model.projection().iter()),
        longs("bias", model.bias()),
        array("uint16_t", "multipliers", model.multipliers().iter()),
        array("int8_t", "prototypes", model.prototypes().iter()),
    ];
    if !all {
        let classes = model.entries().iter().map(|entry| entry.class);
        arrays.push(array("uint8_t", "classes_of_values", classes));
    }
    arrays.extend([
        array(
            "int8_t",
            "values",
            model.entries().iter().map(|entry| entry.value),
        ),
        array("uint8_t", "exponentials", EXPONENTIALS),
        BEST.to_owned(),
        include_str!("templates/protonn.c").to_owned(),
    ]);
    let class = if all {
        "entry"
    } else {
        "BYTE(&classes_of_values[at + entry])"
    };
    let entries = format!(
        "        const uint16_t at = (uint16_t)(prototype * {each}U);\n        \
         for (uint16_t entry = 0; entry < {each}; entry++) {{\n            \
         scores[{class}] += (int16_t)((int16_t)close * (int16_t)SIGNED(&values[at + entry]));\n        }}"
    );
    let values = vec![
        ("dimensions", model.dimensions().to_string()),
        ("prototypes", model.prototype_count().to_string()),
        ("shift", model.shift().to_string()),
        ("cutoff", model.cutoff().to_string()),
        ("factor", model.factor().to_string()),
        ("factor_shift", model.factor_shift().to_string()),
        ("entries", entries),
    ];
    let what = format!("ProtoNN with {} prototypes, int8", model.prototype_count());
    (arrays.concat(), what, values)
}

fn protonn_float(model: &ProtoNnFloat) -> (String, String, Values) {
    let arrays = [
        reals("projection", model.projection()),
        reals("bias", model.bias()),
        reals("prototypes", model.prototypes()),
        reals("values", model.scores_of_prototypes()),
        BEST.to_owned(),
        include_str!("templates/protonn_float.c").to_owned(),
    ];
    let values = vec![
        ("dimensions", model.dimensions().to_string()),
        ("prototypes", model.prototype_count().to_string()),
        ("sharpness", float(model.sharpness())),
    ];
    let what = format!("ProtoNN with {} prototypes, float", model.prototype_count());
    (arrays.concat(), what, values)
}

fn bonsai(model: &Bonsai) -> (String, String, Values) {
    // A counter of a byte stays in a register of an AVR: a sixth fewer cycles.
    let (count, read) = if model.counts().iter().all(|&count| count < 256) {
        ("uint8_t", "BYTE")
    } else {
        ("uint16_t", "WORD")
    };
    let arrays = [
        array(count, "counts", model.counts().iter()),
        array("uint8_t", "packed", model.packed()),
        longs("bias", model.bias()),
        array("uint16_t", "multipliers", model.multipliers().iter()),
        array("int8_t", "weights", model.weights().iter()),
        array("int8_t", "gates", model.gates().iter()),
        branch_array(model.depth(), || {
            array("int8_t", "branches", model.branches().iter())
        }),
        array("uint8_t", "tangents", TANH.map(i8::unsigned_abs)),
        BEST.to_owned(),
        include_str!("templates/bonsai.c").to_owned(),
    ];
    let mut values = tree_values(model.depth(), model.outputs(), model.bias().len(), "0");
    values.extend([
        ("count", count.to_owned()),
        ("COUNT", read.to_owned()),
        ("shift", model.shift().to_string()),
        ("gate", model.gate().to_string()),
        ("gate_shift", model.gate_shift().to_string()),
    ]);
    (
        arrays.concat(),
        format!("a Bonsai tree of depth {}, int8", model.depth()),
        values,
    )
}

fn bonsai_float(model: &BonsaiFloat) -> (String, String, Values) {
    let (columns, values): (Vec<u16>, Vec<f32>) = model.entries().iter().copied().unzip();
    let arrays = [
        array("uint16_t", "counts", model.counts().iter()),
        array("uint16_t", "columns", columns),
        reals("values", &values),
        reals("bias", model.bias()),
        reals("weights", model.weights()),
        reals("gates", model.gates()),
        branch_array(model.depth(), || reals("branches", model.branches())),
        BEST.to_owned(),
        include_str!("templates/bonsai_float.c").to_owned(),
    ];
    let values = tree_values(model.depth(), model.outputs(), model.bias().len(), "0.0f");
    (
        arrays.concat(),
        format!("a Bonsai tree of depth {}, float", model.depth()),
        values,
    )
}

fn linear(model: &Linear, columns: u16) -> (String, String, Values) {
    let counting = model.columns();
    let all = counting.len() == usize::from(columns);
    // A counter of a byte stays in a register of an AVR.
    let count = if counting.len() < 256 {
        "uint8_t"
    } else {
        "uint16_t"
    };
    let (kind, read) = if columns > 256 {
        ("uint16_t", "WORD")
    } else {
        ("uint8_t", "BYTE")
    };
    let mut arrays = vec![
        longs("bias", model.bias()),
        array("int8_t", "weights", model.weights().iter()),
    ];
    if !all {
        arrays.push(array(kind, "counting", counting.iter()));
    }
    arrays.extend([
        BEST.to_owned(),
        include_str!("templates/linear.c").to_owned(),
    ]);
    let column = if all {
        "at".to_owned()
    } else {
        format!("{read}(&counting[at])")
    };
    let values = vec![
        ("outputs", model.bias().len().to_string()),
        ("counting", counting.len().to_string()),
        ("count", count.to_owned()),
        ("column", column),
        ("finish", opposite(model.bias().len()).to_owned()),
    ];
    let what = format!("a linear model of {} columns, int8", counting.len());
    (arrays.concat(), what, values)
}

/// Where one output tells two classes apart: both scores of it.
fn opposite(outputs: usize) -> &'static str {
    if outputs == 1 {
        "    scores[1] = scores[0];\n    scores[0] = -scores[1];"
    } else {
        ""
    }
}

fn branch_array(depth: usize, array: impl FnOnce() -> String) -> String {
    if depth == 0 { String::new() } else { array() }
}

fn tree_values(depth: usize, outputs: usize, dimensions: usize, nothing: &str) -> Values {
    let branch = if depth == 0 {
        String::new()
    } else {
        format!(
            "        const uint8_t right = \
             product(&branches[node * @dimensions@U], projected) > {nothing};\n        \
             node = (uint16_t)(2 * node + 1 + right);\n"
        )
    };
    vec![
        ("branch", branch),
        ("finish", opposite(outputs).to_owned()),
        ("dimensions", dimensions.to_string()),
        ("outputs", outputs.to_string()),
        ("depth", depth.to_string()),
    ]
}

/// The declaration and the definition of the intake, the only place with floating point.
fn intake(scales: &[Scale]) -> (String, String) {
    let head = "\n/* The bytes of a row of numbers as the sensor gives them. */\n\
                void @name@_intake(const float numbers[@NAME@_COLUMNS], \
                uint8_t row[@NAME@_COLUMNS]);\n";
    let lows: Vec<f32> = scales.iter().map(|scale| scale.low()).collect();
    let steps: Vec<f32> = scales.iter().map(|scale| scale.step()).collect();
    let arrays = [
        "\n".to_owned(),
        reals("lows", &lows),
        reals("steps", &steps),
    ]
    .concat();
    (head.to_owned(), arrays + include_str!("templates/intake.c"))
}
