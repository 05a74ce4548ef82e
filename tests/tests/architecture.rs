//! The house keeps its shape: arrows between crates, purity, files' sizes, names in the page.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use cargo_metadata::{DependencyKind, MetadataCommand};
use noroshi_tests::assets::workspace;

/// Which of our crates each may depend on. `unify` names third parties only.
const ARROWS: &[(&str, &[&str])] = &[
    ("model", &[]),
    ("protocol", &["model"]),
    ("fleet", &["protocol", "model"]),
    ("service", &["protocol", "model"]),
    ("onnx", &["model"]),
    ("tiny", &["model"]),
    ("engine", &["tiny", "model"]),
    ("train", &["engine", "onnx", "tiny", "model"]),
    ("compress", &["train", "engine", "onnx", "model"]),
    ("codegen", &["onnx", "tiny", "model"]),
    (
        "agent",
        &["protocol", "fleet", "service", "engine", "model"],
    ),
    ("gateway", &["protocol", "fleet", "service", "model"]),
    (
        "cloud",
        &["protocol", "fleet", "service", "gateway", "model"],
    ),
    (
        "cli",
        &[
            "protocol", "fleet", "service", "engine", "compress", "train", "tiny", "codegen",
            "onnx", "model",
        ],
    ),
    ("unify", &[]),
];

/// Third parties that the pure crates may use: nothing that does I/O, waits or tells time.
const PURE: &[&str] = &[
    "serde",
    "serde_json",
    "serde_cbor_2",
    "serde_bytes",
    "thiserror",
    "aws-lc-rs",
    "data-encoding",
];

fn dependencies() -> BTreeMap<String, BTreeSet<String>> {
    let metadata = MetadataCommand::new()
        .manifest_path(workspace().join("Cargo.toml"))
        .no_deps()
        .exec()
        .unwrap();
    let normal = |package: &cargo_metadata::Package| {
        let kept = package
            .dependencies
            .iter()
            .filter(|d| d.kind == DependencyKind::Normal);
        kept.map(|dependency| dependency.name.clone()).collect()
    };
    metadata
        .packages
        .iter()
        .map(|package| (package.name.to_string(), normal(package)))
        .collect()
}

#[test]
fn arrows_point_one_way() {
    let dependencies = dependencies();
    for (name, allowed) in ARROWS {
        let ours = dependencies[&format!("noroshi-{name}")].iter();
        for other in ours.filter_map(|dependency| dependency.strip_prefix("noroshi-")) {
            assert!(
                allowed.contains(&other),
                "{name} → {other} is not in the plan of arrows"
            );
        }
    }
    let known: BTreeSet<_> = ARROWS
        .iter()
        .map(|(name, _)| format!("noroshi-{name}"))
        .collect();
    for package in dependencies.keys().filter(|name| *name != "noroshi-tests") {
        assert!(
            known.contains(package),
            "{package} has no line in the table of arrows"
        );
    }
}

#[test]
fn pure_crates_stay_pure() {
    let dependencies = dependencies();
    for name in ["model", "protocol", "fleet"] {
        for dependency in &dependencies[&format!("noroshi-{name}")] {
            let pure = dependency.starts_with("noroshi-") || PURE.contains(&dependency.as_str());
            assert!(pure, "{name} must not depend on {dependency}");
        }
        for file in sources(name) {
            let text = fs::read_to_string(&file).unwrap();
            for word in [
                "std::fs",
                "std::net",
                "std::time::SystemTime",
                "Instant::now",
                "std::env::var",
            ] {
                assert!(!text.contains(word), "{} uses {word}", file.display());
            }
        }
    }
}

/// `unify` names every third party of the workspace, or a build of one crate compiles twice.
#[test]
fn unify_names_every_third_party() {
    let root = fs::read_to_string(workspace().join("Cargo.toml")).unwrap();
    let root: toml::Table = root.parse().unwrap();
    let shared = root["workspace"]["dependencies"].as_table().unwrap().keys();
    let unify = fs::read_to_string(workspace().join("unify/Cargo.toml")).unwrap();
    let unify: toml::Table = unify.parse().unwrap();
    let named = unify["dependencies"].as_table().unwrap();
    for name in shared.filter(|name| !name.starts_with("noroshi-")) {
        assert!(
            named.contains_key(name),
            "add {name}.workspace = true to unify/Cargo.toml"
        );
    }
}

#[test]
fn topics_are_spelled_in_one_file() {
    for name in ARROWS
        .iter()
        .map(|(name, _)| *name)
        .filter(|name| *name != "protocol")
    {
        let code = |file: &PathBuf| file.file_stem().is_some_and(|stem| stem != "tests");
        for file in sources(name).into_iter().filter(code) {
            let text = fs::read_to_string(&file).unwrap();
            let code = text.split("#[cfg(test)]").next().unwrap_or_default();
            assert!(
                !code.contains("\"noroshi/v1/"),
                "{} spells a topic",
                file.display()
            );
        }
    }
}

#[test]
fn files_stay_small() {
    for name in ARROWS.iter().map(|(name, _)| *name).chain(["tests"]) {
        for file in sources(name) {
            let lines = fs::read_to_string(&file).unwrap().lines().count();
            assert!(
                lines <= 600,
                "{} has {lines} lines: split it",
                file.display()
            );
        }
    }
}

/// Names in backticks in the walkthroughs, `crate::path::function`, exist.
#[test]
fn the_walkthroughs_name_real_functions() {
    let page = fs::read_to_string(workspace().join("ARCHITECTURE.md")).unwrap();
    let walkthroughs = page
        .split("## Walkthroughs")
        .nth(1)
        .expect("the chapter is there");
    let walkthroughs = walkthroughs.split("\n## ").next().unwrap();
    let (mut found, mut unknown) = (0, Vec::new());
    for name in walkthroughs
        .split('`')
        .skip(1)
        .step_by(2)
        .filter(|name| name.contains("::"))
    {
        let parts: Vec<&str> = name.split("::").collect();
        let (folder, item) = (parts[0], *parts.last().unwrap());
        assert!(
            ARROWS.iter().any(|(name, _)| *name == folder),
            "{name}: no crate {folder}"
        );
        let item = item.trim_end_matches("()");
        let module = parts[1..parts.len() - 1]
            .iter()
            .find(|part| part.starts_with(char::is_lowercase));
        let declares = |text: &str| {
            ["fn", "struct", "enum", "trait", "const", "mod"]
                .iter()
                .any(|word| {
                    [" ", "(", "<", ":", ";"]
                        .iter()
                        .any(|end| text.contains(&format!("{word} {item}{end}")))
                })
        };
        let known = sources(folder).iter().any(|file| {
            let in_module = module.is_none_or(|module| {
                file.components().any(|part| {
                    Path::new(part.as_os_str())
                        .file_stem()
                        .is_some_and(|stem| stem == *module)
                })
            });
            in_module && declares(&fs::read_to_string(file).unwrap())
        });
        found += 1;
        if !known {
            unknown.push(name);
        }
    }
    assert!(
        unknown.is_empty(),
        "ARCHITECTURE.md names what is not there: {unknown:#?}"
    );
    assert!(found >= 25, "the walkthroughs name only {found} functions");
}

fn sources(name: &str) -> Vec<PathBuf> {
    let mut files = Vec::new();
    let mut folders = vec![workspace().join(name).join("src")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|ending| ending == "rs") {
                files.push(path);
            }
        }
    }
    files
}
