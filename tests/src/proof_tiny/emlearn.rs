//! The same scikit-learn forest through emlearn and through ours, on an emulated ATmega328P.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result};
use noroshi_codegen::tiny::avr::{self, Measured, Program};
use noroshi_codegen::tiny::{File, Layout};
use noroshi_tiny::forest::Votes;
use noroshi_tiny::import::import;
use noroshi_tiny::{Intake, Table};
use serde_json::Value;

use super::learned::{accuracy, table};
use crate::claims::Claim;
use crate::datasets;
use crate::peers::{self, Packages};
use crate::rows::Context;

/// Its nodes lie in memory where emlearn's `loadable` has them: more would not fit there.
pub(super) const SETTINGS: &str = "satellite, 10 trees of 16 leaves, seed 1";
const FOREST: [&str; 3] = ["1", "10", "16"];

pub(super) fn run(context: &Context) -> Result<Vec<Claim>> {
    let set = datasets::load("satellite")?;
    let test = table(&set.test, set.classes, |label| label)?;
    let folder = context.folder()?;
    let mut arguments = vec![folder.clone().into_os_string()];
    arguments.extend(FOREST.map(Into::into));
    let told = peers::run(Packages::Peers, "emlearn_forest", &arguments)?;
    fs::create_dir_all(folder.join("ours"))?;
    let dump = fs::read(folder.join("forest.dump"))?;
    let model = import(&dump, &Intake::Bytes, Votes::Hard)?;
    let mut claims = vec![
        Claim::new(
            "the forest: accuracy of scikit-learn's mean of shares",
            told["accuracy"].clone(),
            "told",
            told["accuracy"].is_number(),
        )
        .with("votes of the same trees", accuracy(&model, &test)?)
        .with("emlearn", told["version"].clone()),
    ];
    for (method, feature, layout) in [
        ("inline", ("uint8_t", 1), Layout::Branches),
        ("loadable", ("int16_t", 2), Layout::Tables),
    ] {
        let peer = peer(method, feature, &told, &test, &folder)?;
        let ours = avr::measure_as(&model, layout, test.values(), &folder.join("ours"))?;
        claims.extend(beside(method, layout, &ours, &peer));
    }
    Ok(claims)
}

fn beside(method: &str, layout: Layout, ours: &Measured, peer: &Measured) -> Vec<Claim> {
    let what = |figure: &str| format!("{layout:?} beside emlearn's {method}: {figure}");
    let answers = ours.labels.iter().zip(&peer.labels);
    let different = answers.filter(|(ours, peer)| ours != peer).count();
    let same_rows = ours.rows == peer.rows && ours.different == 0;
    vec![
        Claim::at_most(&what("flash"), ours.text as f64 / peer.text as f64, 1.0)
            .with("bytes", ours.text)
            .with("emlearn", peer.text),
        Claim::at_most(&what("cycles"), ours.cycles / peer.cycles, 0.9)
            .with("cycles", ours.cycles)
            .with("emlearn", peer.cycles),
        Claim::new(
            &what("rows answered otherwise"),
            different,
            "none",
            different == 0 && same_rows,
        )
        .with("rows", ours.rows)
        .with("memory", ours.variables + ours.stack)
        .with("memory of emlearn", peer.variables + peer.stack),
    ]
}

/// Measures emlearn's source as ours is; only the warnings that it brings are let through.
fn peer(
    method: &str,
    feature: (&str, usize),
    told: &Value,
    test: &Table,
    folder: &Path,
) -> Result<Measured> {
    let include = told["include"].as_str().context("emlearn's headers")?;
    let include = format!("-I{include}");
    let source = fs::read_to_string(folder.join(format!("{method}.h")))?;
    let columns = test.columns();
    let call = format!(
        "\nstatic inline uint16_t peer_answer(const {} *row, int32_t *scores)\n{{\n    \
         (void)scores;\n    return (uint16_t)peer_predict(row, {columns});\n}}\n",
        feature.0
    );
    let program = Program {
        files: vec![File {
            name: "peer.h".to_owned(),
            text: source + &call,
        }],
        header: "peer.h",
        function: "peer_answer",
        columns: columns as u16,
        feature,
        classes: test.classes() as u16,
        score: "int32_t",
        options: &["-std=gnu99", &include],
    };
    let wide = |byte: &u8| u16::from(*byte).to_le_bytes()[..feature.1].to_vec();
    let rows: Vec<u8> = test.values().iter().flat_map(wide).collect();
    let folder = folder.join(method);
    fs::create_dir_all(&folder)?;
    Ok(avr::replay(&program, &rows, &folder)?.0)
}
