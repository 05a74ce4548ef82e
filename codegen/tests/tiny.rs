//! Generated source of every family: compiled without a warning, and answering as the host does,
//! bit for bit: C on an emulated ATmega328P, C on this machine, Rust without `std`.

#![expect(clippy::unwrap_used, reason = "a test fails where it stands")]

mod common;

use std::path::Path;
use std::process::Command;

use common::run;
use noroshi_codegen::tiny::{Layout, Target, avr, host, is_float, source, source_as};
use noroshi_tiny::bonsai::BonsaiSettings;
use noroshi_tiny::fastfood::CompactSettings;
use noroshi_tiny::forest::{ForestSettings, RefineSettings, Votes, refine};
use noroshi_tiny::import::import;
use noroshi_tiny::linear::LinearSettings;
use noroshi_tiny::protonn::ProtoNnSettings;
use noroshi_tiny::search::Controller;
use noroshi_tiny::{Family, Intake, Model, Scale, Table};

/// Clouds in `columns` dimensions, by a generator of a few lines.
fn table(rows: usize, columns: usize, classes: usize) -> Table {
    let mut state = 12_345u32;
    let mut next = move || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    };
    let mut values = Vec::new();
    let mut labels = Vec::new();
    for row in 0..rows {
        let class = row % classes;
        for column in 0..columns {
            let centre = ((class * 53 + column * 31 * (class + 1)) % 190) as u8;
            values.push(centre + next() / 4);
        }
        labels.push(class as u16);
    }
    Table::new(columns, classes, values, labels).unwrap()
}

fn model(table: &Table, family: Family) -> Model {
    Model {
        intake: Intake::Bytes,
        columns: table.columns() as u16,
        classes: table.classes() as u16,
        family,
    }
}

fn forests(table: &Table) -> Vec<Model> {
    let hard = ForestSettings {
        votes: Votes::Hard,
        ..ForestSettings::forest(3, 6, 1)
    };
    let grown = ForestSettings::forest(4, 6, 1).grow(table).unwrap();
    let refined = refine(&grown, table, &RefineSettings::new(0.02, 1)).unwrap();
    [hard.train(table).unwrap(), refined]
        .map(|one| model(table, Family::Forest(one)))
        .to_vec()
}

/// What the tests of the import take over: two classes with one output, three with three.
fn boosted() -> Vec<Model> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tiny/tests/dumps");
    ["lightgbm_two", "xgboost_three"]
        .map(|name| {
            let dump = std::fs::read(folder.join(format!("{name}.dump"))).unwrap();
            import(&dump, &Intake::Bytes, Votes::Hard).unwrap()
        })
        .to_vec()
}

fn protonn(table: &Table, entries: usize) -> [Model; 2] {
    let settings = ProtoNnSettings {
        epochs: 4,
        entries,
        ..ProtoNnSettings::new(4, 10, 1)
    };
    let trained = settings.train(table).unwrap();
    [
        Family::ProtoNn(trained.integer),
        Family::ProtoNnFloat(trained.float),
    ]
    .map(|family| model(table, family))
}

fn bonsai(table: &Table, depth: usize) -> [Model; 2] {
    let settings = BonsaiSettings {
        epochs: 4,
        ..BonsaiSettings::new(3, depth, 20, 1)
    };
    let trained = settings.train(table).unwrap();
    [
        Family::Bonsai(trained.integer),
        Family::BonsaiFloat(trained.float),
    ]
    .map(|family| model(table, family))
}

fn linear(table: &Table, columns: usize) -> Model {
    let settings = LinearSettings {
        columns,
        ..LinearSettings::new(1e-2)
    };
    model(table, Family::Linear(settings.train(table).unwrap()))
}

fn all() -> Vec<(Table, Vec<Model>)> {
    let (few, two) = (table(200, 7, 4), table(200, 600, 2));
    let mut models = forests(&few);
    models.extend(protonn(&few, 2));
    models.extend(protonn(&few, 0));
    models.extend(bonsai(&few, 1));
    models.extend([0, 4].map(|columns| linear(&few, columns)));
    let mut wide = [bonsai(&two, 0), bonsai(&two, 2)].concat();
    wide.extend([0, 90].map(|columns| linear(&two, columns)));
    vec![(few, models), (two, wide), (table(200, 4, 2), boosted())]
}

#[test]
fn an_atmega_answers_as_the_host_does() {
    for (table, models) in all() {
        for model in models {
            let folder = tempfile::tempdir().unwrap();
            let rows = &table.values()[..40 * table.columns()];
            let measured = avr::measure(&model, rows, folder.path()).unwrap();
            assert_eq!((measured.rows, measured.different), (40, 0), "{measured:?}");
            assert!(measured.variables as usize >= table.columns() && measured.stack > 0);
            if let Some(cost) = model.cost().controller {
                assert_near(&cost, &measured);
            }
        }
    }
}

/// An estimate is never below what was measured, and not far above it. The worst row need not be
/// among those measured: trees may take far fewer cycles.
fn assert_near(cost: &Controller, measured: &avr::Measured) {
    let near = |estimate: u64, taken: u64, slack: u64| {
        (taken..=slack + taken + taken / 2).contains(&estimate)
    };
    let ram = measured.variables + measured.stack;
    assert!(near(cost.ram, ram, 16), "{cost:?} {measured:?}");
    assert!(
        near(cost.flash, measured.text, 300),
        "{cost:?} {measured:?}"
    );
    let cycles = (measured.most_cycles..=4 * measured.most_cycles).contains(&cost.cycles);
    assert!(cycles, "{cost:?} {measured:?}");
}

/// Reads bytes, writes label and scores as text.
const MAIN_C: &str = r#"
#include <stdio.h>
#include "host_model.h"
int main(void)
{
    uint8_t row[HOST_MODEL_COLUMNS];
    SCORE scores[HOST_MODEL_CLASSES];
    while (fread(row, 1, sizeof row, stdin) == sizeof row) {
        printf("%u", host_model_answer(row, scores));
        for (int class = 0; class < HOST_MODEL_CLASSES; class++) {
            printf(",%ld", (long)scores[class]);
        }
        printf("\n");
    }
    return 0;
}
"#;

const MAIN_RS: &str = r#"
use std::io::Read;
fn main() {
    let mut row = [0u8; model::COLUMNS];
    let mut scores = [0i32; model::CLASSES];
    while std::io::stdin().read_exact(&mut row).is_ok() {
        print!("{}", model::answer(&row, &mut scores));
        scores.iter().for_each(|score| print!(",{score}"));
        println!();
    }
}
"#;

fn answers(folder: &Path, rows: &[u8]) -> String {
    std::fs::write(folder.join("rows.bin"), rows).unwrap();
    let input = std::fs::File::open(folder.join("rows.bin")).unwrap();
    let output = Command::new(folder.join("host"))
        .stdin(input)
        .output()
        .unwrap();
    String::from_utf8(output.stdout).unwrap()
}

/// The vectors' file without the rows: label and scores of each.
fn expected(vectors: &str, columns: usize) -> String {
    let line = |line: &str| line.split(',').skip(columns).collect::<Vec<_>>().join(",") + "\n";
    vectors.lines().map(line).collect()
}

fn compiled(model: &Model, target: Target, rows: &[u8]) -> (String, String) {
    let folder = tempfile::tempdir().unwrap();
    let files = source(model, "host_model", target, rows).unwrap();
    for file in &files {
        std::fs::write(folder.path().join(&file.name), &file.text).unwrap();
    }
    if target == Target::C {
        std::fs::write(folder.path().join("main.c"), MAIN_C).unwrap();
        let score = if is_float(model) {
            "-DSCORE=float"
        } else {
            "-DSCORE=int32_t"
        };
        let strict = [
            "-std=c99",
            "-O1",
            "-Wall",
            "-Wextra",
            "-Werror",
            "-pedantic",
            score,
        ];
        let names = ["main.c", "host_model.c", "-lm", "-o", "host"];
        run(folder.path(), "cc", &[&strict[..], &names[..]].concat());
    } else {
        std::fs::write(folder.path().join("main.rs"), MAIN_RS).unwrap();
        // Overflow is checked: intervals promised that there is none.
        let flags = ["--edition", "2024", "-Cdebug-assertions=on", "-Dwarnings"];
        let library = "#![no_std]\ninclude!(\"host_model.rs\");\n";
        std::fs::write(folder.path().join("model.rs"), library).unwrap();
        let library = ["--crate-type", "rlib", "model.rs"];
        run(folder.path(), "rustc", &[&flags[..], &library[..]].concat());
        let program = ["--extern", "model=libmodel.rlib", "main.rs", "-o", "host"];
        run(folder.path(), "rustc", &[&flags[..], &program[..]].concat());
    }
    let vectors = files.last().unwrap();
    assert_eq!(vectors.name, "host_model_vectors.csv");
    (
        answers(folder.path(), rows),
        expected(&vectors.text, usize::from(model.columns)),
    )
}

#[test]
fn c_answers_as_the_host_does() {
    for (table, models) in all() {
        for model in models {
            let (found, expected) = compiled(&model, Target::C, table.values());
            if is_float(&model) {
                // The C library's exp and tanh round their own way: the classes are compared.
                let label = |line: &str| line.split(',').next().unwrap().to_owned();
                let labels = |text: &str| text.lines().map(label).collect::<Vec<_>>();
                assert_eq!(labels(&found), labels(&expected));
            } else {
                assert_eq!(found, expected);
            }
        }
    }
}

#[test]
fn rust_without_std_answers_as_the_host_does() {
    for (table, models) in all() {
        for model in models {
            if is_float(&model) {
                assert!(source(&model, "host_model", Target::Rust, &[]).is_err());
            } else {
                let (found, expected) = compiled(&model, Target::Rust, table.values());
                assert_eq!(found, expected);
            }
        }
    }
}

#[test]
fn numbers_become_bytes_in_c_too() {
    let table = table(60, 7, 3);
    let scale = |column: u8| Scale::over([-1.5, f32::from(column)]);
    let mut model = forests(&table).remove(0);
    model.intake = Intake::Scaled((0..7).map(scale).collect());
    for target in [Target::C, Target::Avr, Target::Rust] {
        let files = source(&model, "host_model", target, &[]).unwrap();
        let all: String = files.iter().map(|file| file.text.as_str()).collect();
        assert!(all.contains("intake("), "{target:?}");
        assert!(
            !all.contains('@'),
            "{target:?}: something was not filled in"
        );
    }
    let (found, expected) = compiled(&model, Target::C, table.values());
    assert_eq!(found, expected);
}

#[test]
fn a_name_that_no_compiler_takes_is_refused() {
    let table = table(60, 7, 3);
    let model = forests(&table).remove(0);
    for name in ["", "1st", "a-b", "A", "../x"] {
        assert!(source(&model, name, Target::C, &[]).is_err(), "{name}");
    }
}

#[test]
fn trees_as_branches_answer_as_the_host_does() {
    let table = table(200, 7, 4);
    let mut models = forests(&table);
    // A tree that is a leaf.
    let single = ForestSettings::tree(1, 1).train(&table).unwrap();
    models.push(model(&table, Family::Forest(single)));
    let mut cases: Vec<(Vec<u8>, Model)> = Vec::new();
    cases.extend(models.into_iter().map(|one| (table.values().to_vec(), one)));
    let bytes = self::table(200, 4, 2).values().to_vec();
    cases.extend(boosted().into_iter().map(|one| (bytes.clone(), one)));
    for (rows, model) in cases {
        let folder = tempfile::tempdir().unwrap();
        let (folder, layout) = (folder.path(), Layout::Branches);
        assert_eq!(host::different(&model, layout, &rows, folder).unwrap(), 0);
        let rows = &rows[..40 * usize::from(model.columns)];
        let branches = avr::measure_as(&model, layout, rows, folder).unwrap();
        let tables = avr::measure(&model, rows, folder).unwrap();
        assert_eq!((branches.different, tables.different), (0, 0));
        assert_eq!(branches.labels, tables.labels);
    }
}

#[test]
fn kernel_machines_are_for_hosts() {
    let table = table(60, 7, 3);
    let settings = CompactSettings {
        pairs: 5,
        width: 0.5,
        lambda: 1e-3,
        rounds: 5,
        seed: 1,
    };
    let fastfood = model(&table, Family::Fastfood(settings.train(&table).unwrap()));
    assert_eq!(fastfood.cost().controller, None);
    for target in [Target::C, Target::Avr, Target::Rust] {
        let refused = source(&fastfood, "m", target, &[]).unwrap_err().to_string();
        assert!(refused.contains("for hosts"), "{refused}");
    }
}

#[test]
fn only_trees_in_c_are_branches() {
    let table = table(200, 7, 4);
    let [integer, _] = protonn(&table, 2);
    let tree = forests(&table).remove(0);
    for (model, target) in [(integer, Target::C), (tree, Target::Rust)] {
        assert!(source_as(&model, "m", target, Layout::Branches, &[]).is_err());
    }
}
