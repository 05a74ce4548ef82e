//! A recipe from a file to a front, stopped and gone on with.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use noroshi_compress::evaluate::{Groups, Options, evaluate};
use noroshi_compress::recipe::{Event, Outcome, Plan, Samples, Size, Verdict, file, forget, run};
use noroshi_compress::report::assess::headline;
use noroshi_train::data::{Array, Classes, Dataset, Numbers, Samples as Inputs, Targets};
use noroshi_train::{Examples, Net, Random, Recipe, Shape, fit};

use crate::common::engine_options;

const SIDE: usize = 8;

/// Bars in noise: lying, standing, or none.
fn bars(count: usize, seed: u64, sample: &[usize]) -> Dataset {
    let mut random = Random::new(seed);
    let mut pixels = Vec::new();
    for place in 0..count {
        let at = random.below(SIDE);
        for pixel in 0..SIDE * SIDE {
            let (row, column) = (pixel / SIDE, pixel % SIDE);
            let bar = place % 3 == 0 && row == at || place % 3 == 1 && column == at;
            pixels.push(f32::from(u8::from(bar)) + 0.3 * random.normal());
        }
    }
    let array = Array::new([&[count], sample].concat(), Numbers::F32(pixels)).unwrap();
    let classes = Classes::numbered((0..count as u32).map(|place| place % 3).collect());
    Dataset::new(Inputs::Array(array), Targets::Classes(classes)).unwrap()
}

fn samples(folder: &Path) -> Samples {
    let learned = bars(240, 1, &[1, SIDE, SIDE]);
    let net = Net::builder(Shape::image(1, SIDE, SIDE), 1).conv_plain(16, 3, 1, 1);
    let net = net
        .normalize()
        .relu()
        .max_pool(2)
        .conv_plain(24, 3, 1, 1)
        .normalize()
        .relu();
    let mut net = net.flatten().dense(32).relu().dense(3).build().unwrap();
    let recipe = Recipe {
        epochs: 6,
        batch: 16,
        rate: 0.005,
        ..Recipe::default()
    };
    fit(
        &mut net,
        &Examples::read(&learned).unwrap(),
        &recipe,
        &mut |_| (),
    )
    .unwrap();
    let model = folder.join("original.onnx");
    noroshi_onnx::write(&model, &net.export_onnx_unfolded().unwrap()).unwrap();
    // Rows of numbers serve as well.
    let held = bars(150, 2, &[SIDE * SIDE]);
    let groups = Groups::each(held.len());
    Samples {
        model,
        learned,
        held,
        groups,
    }
}

fn plan(bytes: &str) -> Plan {
    let text = r#"
        model = "original.onnx"
        [data]
        samples = "bars"
        [limits]
        loss = 6.0
        bytes = BYTES
        [teach]
        epochs = 4
        batch = 16
        rate = 0.005
        [prune]
        keep = [0.5]
        steps = 2
        [distil]
        widths = [0.25]
        optional = false
        [quantize]
        bits = [8]
        samples = 64
        [compile]
        [search]
        rounds = 3
        slack = 90
    "#;
    Plan::parse(&text.replace("BYTES", bytes)).unwrap()
}

fn options() -> Options {
    Options {
        engine: engine_options(),
        ..Options::default()
    }
}

fn carried_out(
    plan: &Plan,
    samples: &Samples,
    folder: &Path,
    tell: &mut dyn FnMut(Event<'_>),
) -> Outcome {
    run(plan, samples, folder, &options(), tell).unwrap()
}

#[test]
fn a_recipe_that_was_stopped_comes_to_the_same_files() {
    let folder = tempfile::tempdir().unwrap();
    let samples = samples(folder.path());
    let plan = plan("\"1/7\"");
    let whole = carried_out(&plan, &samples, &folder.path().join("whole"), &mut |_| ());
    assert_eq!(whole.tried.len(), 11, "{whole}");
    let chosen = whole.chosen().unwrap_or_else(|| panic!("{whole}"));
    assert!(whole.front.contains(&chosen.name) && *whole.shown()[0] == *chosen);
    assert!(whole.broken().is_none());
    // What is told of a file is what it does.
    for one in &whole.tried {
        let path = file(&folder.path().join("whole"), &one.chain);
        let blob = noroshi_compress::release::blob_of(&path).unwrap();
        assert_eq!(blob.length, one.figures.bytes);
        assert_eq!(blob.sha256.to_string(), one.figures.digest);
        let (held, groups) = (&samples.held, &samples.groups);
        let seen = evaluate(&path, held, groups, &options(), &mut |_| ()).unwrap();
        let (_, quality, _) = headline(&seen.quality).unwrap();
        assert!((quality - one.figures.quality).abs() < 1e-9, "{}", one.name);
    }

    // Stopped in the middle of a training, then between two chains.
    let other = folder.path().join("other");
    let mut epochs = 0;
    for stop in [3, 7] {
        let stopped = catch_unwind(AssertUnwindSafe(|| {
            carried_out(&plan, &samples, &other, &mut |event| {
                if matches!(event, Event::Taught { .. }) {
                    epochs += 1;
                    assert!(epochs != stop, "the end");
                }
            })
        }));
        assert!(stopped.is_err());
    }
    let again = carried_out(&plan, &samples, &other, &mut |event| {
        if matches!(event, Event::Taught { .. }) {
            epochs += 1;
        }
    });
    assert_eq!((&again.digest, &again.tried.len()), (&whole.digest, &11));
    for (one, other) in again.tried.iter().zip(&whole.tried) {
        let same = one.figures.digest == other.figures.digest;
        assert!(same || one.chain.level.is_some(), "{}", one.name);
        assert!((one.figures.quality - other.figures.quality).abs() < 1e-9);
    }
    // Two steps of pruning and a student; the epoch that was broken off is taught again.
    assert_eq!(epochs, 4 * 3, "no other epoch is taught twice");

    // Other limits and choices find the files there; another training does not.
    let mut harsher = plan.clone();
    harsher.limits.bytes = Some(Size::Bytes(10));
    let text = carried_out(&harsher, &samples, &other, &mut |event| {
        assert!(!matches!(event, Event::Taught { .. }), "it is there");
    })
    .broken()
    .unwrap();
    assert!(text.contains("no file meets the limit bytes"), "{text}");
    let mut foreign = plan.clone();
    foreign.teach.seed = 9;
    let refused = run(&foreign, &samples, &other, &options(), &mut |_| ());
    assert!(refused.unwrap_err().to_string().contains("another folder"));
    forget(&other).unwrap();
    assert!(!other.exists());
}

#[test]
fn what_is_out_of_reach_ends_with_the_nearest() {
    let folder = tempfile::tempdir().unwrap();
    let samples = samples(folder.path());
    let mut plan = plan("100");
    (plan.prune, plan.distil, plan.compile) = (None, None, None);
    let outcome = carried_out(&plan, &samples, &folder.path().join("steps"), &mut |_| ());
    let Verdict::Unreachable { nearest, never } = &outcome.verdict else {
        panic!("{outcome}")
    };
    assert_eq!((nearest.len(), never.as_slice()), (1, &["bytes"][..]));
    let text = outcome.to_string();
    assert!(
        text.contains("int8: it has") && text.contains("the limit bytes"),
        "{text}"
    );
}
