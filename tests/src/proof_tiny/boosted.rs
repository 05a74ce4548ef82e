//! Boosted trees of LightGBM, XGBoost and scikit-learn, imported with leaves of a byte: held
//! against what these programs answer on letter in the same run, and run on an ATmega328P.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result, bail, ensure};
use noroshi_codegen::tiny::{Layout, avr, host};
use noroshi_tiny::forest::Votes;
use noroshi_tiny::import::import;
use noroshi_tiny::{Family, Intake, Model, Table};
use serde_json::Value;

use super::learned::table;
use crate::claims::Claim;
use crate::datasets::{self, Dataset};
use crate::peers::{self, Packages};
use crate::rows::Context;

pub(super) const SETTINGS: &str = "letter and its classes 0 and 1, seed 1";
const PROGRAMS: [&str; 4] = ["lightgbm", "xgboost", "scikit-learn", "histogram"];
/// Of the rows, that an imported model may answer otherwise: leaves of a byte round scores.
const OTHERWISE: f64 = 0.005;
/// How much accuracy may be lost on the way.
const LOST: f64 = 0.002;
/// Rows for the emulator, which answers every one in both layouts.
const EMULATED: usize = 200;

pub(super) fn run(context: &Context) -> Result<Vec<Claim>> {
    let set = datasets::load("letter")?;
    let folder = context.folder()?;
    let arguments = [folder.as_os_str(), "1".as_ref()];
    let told = peers::run(Packages::Peers, "boosted", &arguments)?;
    let (all, pair) = (table(&set.test, set.classes, |label| label)?, pair(&set)?);
    let mut claims = Vec::new();
    for program in PROGRAMS {
        claims.extend(beside(program, &all, &folder, &told)?);
        let two = format!("two {program}");
        claims.extend(beside(&two, &pair, &folder, &told)?);
        let model = imported(&two, &folder)?;
        for layout in [Layout::Tables, Layout::Branches] {
            claims.push(emulated(&two, layout, &model, &pair, &folder)?);
        }
    }
    Ok(claims)
}

/// The rows of the first two classes.
fn pair(set: &Dataset) -> Result<Table> {
    let all = table(&set.test, set.classes, |label| label)?;
    let rows: Vec<usize> = (0..all.len())
        .filter(|&row| all.labels()[row] < 2)
        .collect();
    let values = rows.iter().flat_map(|&row| all.row(row)).copied().collect();
    let labels = rows.iter().map(|&row| all.labels()[row]).collect();
    Ok(Table::new(all.columns(), 2, values, labels)?)
}

fn imported(name: &str, folder: &Path) -> Result<Model> {
    let dump = fs::read(folder.join(format!("{name}.dump")))?;
    Ok(import(&dump, &Intake::Bytes, Votes::Hard)?)
}

fn beside(name: &str, test: &Table, folder: &Path, told: &Value) -> Result<Vec<Claim>> {
    let model = imported(name, folder)?;
    let file = model.to_bytes();
    let model = Model::from_bytes(&file)?;
    let labels = fs::read(folder.join(format!("{name}.labels")))?;
    let labels = labels.as_chunks::<2>().0.iter();
    let labels: Vec<u16> = labels.map(|bytes| u16::from_le_bytes(*bytes)).collect();
    let scores = fs::read(folder.join(format!("{name}.scores")))?;
    let scores = scores.as_chunks::<4>().0.iter();
    let scores: Vec<f32> = scores.map(|bytes| f32::from_le_bytes(*bytes)).collect();
    let outputs = told[name]["outputs"].as_u64().context("its outputs")? as usize;
    ensure!(labels.len() == test.len() && scores.len() == outputs * labels.len());
    let (mut different, mut right, mut apart) = (0u32, 0u32, 0f64);
    for row in 0..test.len() {
        let answer = model.answer(test.row(row))?;
        different += u32::from(answer.label != labels[row]);
        right += u32::from(answer.label == test.labels()[row]);
        let ours = &answer.scores[answer.scores.len() - outputs..];
        for (ours, theirs) in ours.iter().zip(&scores[row * outputs..]) {
            apart = apart.max((ours - f64::from(*theirs)).abs());
        }
    }
    let rows = test.len() as f64;
    let theirs = told[name]["accuracy"].as_f64().context("its accuracy")?;
    let ours = f64::from(right) / rows;
    let (trees, rounding) = match &model.family {
        Family::Boosted(boosted) => (boosted.inner().len(), boosted.rounding()),
        _ => bail!("{name} is no boosted model"),
    };
    Ok(vec![
        Claim::at_most(
            &format!("{name}, imported: share of rows answered otherwise"),
            f64::from(different) / rows,
            OTHERWISE,
        )
        .with("rows", different)
        .with("largest difference of a raw score", apart)
        .with("at most", rounding),
        Claim::at_most(
            &format!("{name}, imported: accuracy lost"),
            theirs - ours,
            LOST,
        )
        .with("accuracy", ours)
        .with("its program", theirs)
        .with("trees", trees)
        .with("bytes", file.len()),
    ])
}

/// On the emulator and as C of this machine.
fn emulated(
    name: &str,
    layout: Layout,
    model: &Model,
    test: &Table,
    folder: &Path,
) -> Result<Claim> {
    let rows = &test.values()[..EMULATED * test.columns()];
    let measured = avr::measure_as(model, layout, rows, folder)?;
    let host = host::different(model, layout, test.values(), folder)?;
    let name = format!("{name}, {layout:?}: rows answered otherwise than by the host");
    let different = measured.different + host;
    Ok(Claim::at_most(&name, different as f64, 0.0)
        .with("rows on an ATmega328P", measured.rows)
        .with("rows as C here", test.len())
        .with("text", measured.text)
        .with("memory", measured.variables + measured.stack)
        .with("cycles", measured.cycles))
}
