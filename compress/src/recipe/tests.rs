use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

const PLAN: &str = r#"
    model = "original.onnx"
    [data]
    samples = "pictures"
    [limits]
    loss = 1.0
    bytes = "1/16"
    time = 0.6
    [teach]
    epochs = 3
    [prune]
    keep = [0.25, 0.75, 0.5]
    [distil]
    temperature = 2.0
    widths = [0.5]
    [quantize]
    bits = [4, 8]
"#;

fn plan() -> Plan {
    Plan::parse(PLAN).unwrap()
}

fn figures(quality: f64, bytes: u64, time: f64) -> Figures {
    Figures {
        quality,
        loss: 100.0 * (0.9 - quality),
        bytes,
        milliseconds: time,
        time,
        digest: String::new(),
    }
}

fn any_figures() -> impl Strategy<Value = Figures> {
    (0u32..100, 1u64..20, 1u32..20).prop_map(|(quality, bytes, time)| {
        figures(f64::from(quality) / 100.0, bytes, f64::from(time) / 10.0)
    })
}

fn any_found() -> impl Strategy<Value = BTreeMap<String, Figures>> {
    proptest::collection::btree_map("[a-h]", any_figures(), 1..8)
}

#[test]
fn a_plan_says_what_is_wrong_with_it() {
    let read = plan();
    assert_eq!(read.limits.bytes, Some(Size::Share(1.0 / 16.0)));
    assert_eq!(read.distil.unwrap().alpha, Distil::default().alpha);
    for (from, to, word) in [
        ("loss = 1.0", "loss = 1.0\nlos = 2.0", "los"),
        ("\"1/16\"", "\"1/0\"", "1/16"),
        ("keep = [0.25,", "keep = [1.25,", "prune.keep"),
        ("bits = [4, 8]", "bits = [1]", "quantize.bits"),
        ("epochs = 3", "epochs = 0", "epochs"),
        ("time = 0.6", "time = 0.0", "limits.time"),
        ("time = 0.6", "milliseconds = -1", "limits.milliseconds"),
        ("\"1/16\"", "\"12 apples\"", "500 KB"),
        ("\"1/16\"", "-5", "limits.bytes"),
        ("temperature = 2.0", "temperature = 0", "distil.temperature"),
        ("epochs = 3", "rate = -1", "[teach]: "),
        ("[teach]", "[compile]\nlevels = ['most']\n[teach]", "most"),
        (
            "keep = [0.25, 0.75, 0.5]",
            "keep = [0.5]\nmultiple = 0",
            "prune.multiple",
        ),
    ] {
        let wrong = Plan::parse(&PLAN.replace(from, to))
            .unwrap_err()
            .to_string();
        assert!(wrong.contains(word), "{wrong}");
    }
    for (text, size) in [
        ("500000", Size::Bytes(500_000)),
        ("\"500 KB\"", Size::Bytes(500_000)),
        ("\"1.5MiB\"", Size::Bytes(1_572_864)),
        ("\"12 B\"", Size::Bytes(12)),
        ("0.25", Size::Share(0.25)),
    ] {
        let read = Plan::parse(&PLAN.replace("\"1/16\"", text)).unwrap();
        assert_eq!(read.limits.bytes, Some(size), "{text}");
    }
    let idle = "model = 'x.onnx'\n[data]\nsamples = 'y'\n[limits]\nloss = 1";
    assert!(
        Plan::parse(idle)
            .unwrap_err()
            .to_string()
            .contains("nothing to do")
    );
}

#[test]
fn chains_go_from_gentle_to_harsh_and_are_named_apart() {
    let all = chains(&plan());
    assert_eq!(all.len(), 2 + 2 * 3 * 3 + 3);
    for (place, chain) in all.iter().enumerate() {
        assert!(all[..place].iter().all(|before| !chain.is_gentler(before)));
        assert!(
            all[..place]
                .iter()
                .all(|before| before.to_string() != chain.to_string())
        );
    }
    let mut twice = plan();
    twice.prune.as_mut().unwrap().keep = vec![0.5, 0.501];
    assert_eq!(chains(&twice).len(), 2 + 2 * 2 * 3 + 3);
    twice.prune.as_mut().unwrap().keep = vec![0.5, 0.5];
    twice.distil.as_mut().unwrap().optional = false;
    let names: Vec<String> = chains(&twice).iter().map(ToString::to_string).collect();
    assert_eq!(names.len(), 2 + 3 + 3);
    assert!(names.contains(&"prune-0.5-distil-int4".into()), "{names:?}");
    let compiled = PLAN.to_owned() + "[compile]\nlevels = ['all', 'basic']";
    let compiled = chains(&Plan::parse(&compiled).unwrap());
    assert_eq!(compiled.len(), 8 * 3 * 3 - 1);
    let last = compiled.last().unwrap();
    assert_eq!(last.to_string(), "student-0.5-int4-compiled-basic");
    assert_eq!(last.ending(), "nrc");
}

#[test]
fn a_limit_that_nothing_meets_is_named() {
    let found = BTreeMap::from([
        ("a".to_owned(), figures(0.89, 100, 0.5)),
        ("b".to_owned(), figures(0.70, 60, 0.4)),
    ]);
    let Verdict::Unreachable { nearest, never } = decide(&found, &plan().limits, 800) else {
        panic!("50 bytes are out of reach")
    };
    assert_eq!(never, ["bytes"]);
    assert_eq!(nearest[0].0, "a");
    assert_eq!(
        nearest[0].1.iter().map(|one| one.limit).collect::<Vec<_>>(),
        ["loss", "bytes"][1..]
    );
    assert_eq!(nearest[1].1.len(), 2);
    let decided = decide(&found, &plan().limits, 1600);
    assert_eq!(decided, Verdict::Reached { chosen: "a".into() });
}

proptest! {
    /// Whatever a chain loses, the search ends, and leaves out only what a gentler one makes
    /// hopeless; what was found before it was interrupted does not matter.
    #[test]
    fn a_search_ends_and_repeats(
        losses in proptest::collection::vec(0.0f64..8.0, 23),
        known in proptest::collection::vec(any::<bool>(), 23),
    ) {
        let (plan, all) = (plan(), chains(&plan()));
        let loss = |chain: &Chain| {
            let place = all.iter().position(|one| one == chain).unwrap();
            figures(0.9 - losses[place] / 100.0, 1, 1.0)
        };
        let search = |start: BTreeMap<String, Figures>| {
            let mut found = start;
            while let Some(chain) = next(&plan, &all, &found) {
                let before = found.insert(chain.to_string(), loss(chain));
                assert!(before.is_none());
            }
            found
        };
        let found = search(BTreeMap::new());
        for chain in &all {
            let most = plan.limits.loss + plan.search.slack;
            let hopeless = all.iter().any(|gentler| {
                gentler.is_gentler(chain) && found.get(&gentler.to_string()).is_some_and(|f| f.loss > most)
            });
            prop_assert_eq!(found.contains_key(&chain.to_string()), !hopeless);
        }
        let part = all.iter().zip(known).take_while(|(_, known)| *known);
        let part = part
            .filter_map(|(chain, _)| Some((chain.to_string(), found.get(&chain.to_string())?.clone())));
        prop_assert_eq!(search(part.collect()), found);
    }

    #[test]
    fn nothing_beats_the_front(found in any_found()) {
        let front = front(&found);
        let beats = |one: &Figures, other: &Figures, cost: fn(&Figures) -> f64| {
            one.quality >= other.quality && cost(one) <= cost(other)
        };
        let costs: [fn(&Figures) -> f64; 2] = [|one| one.bytes as f64, |one| one.time];
        for (name, figures) in &found {
            let worthy = costs.iter().any(|&cost| {
                found.values().all(|other| {
                    !beats(other, figures, cost) || beats(figures, other, cost)
                })
            });
            if front.contains(name) {
                prop_assert!(worthy);
            } else {
                for cost in costs {
                    prop_assert!(front.iter().any(|name| beats(&found[name], figures, cost)));
                }
            }
        }
    }

    #[test]
    fn the_best_within_the_limits_is_chosen(found in any_found(), loss in 0.0f64..40.0, bytes in 1u64..20) {
        let limits = Limits { loss, bytes: Some(Size::Bytes(bytes)), time: Some(1.2), milliseconds: Some(1.6) };
        let within = |figures: &Figures| limits.broken(figures, 100).is_empty();
        match decide(&found, &limits, 100) {
            Verdict::Reached { chosen } => {
                let best = &found[&chosen];
                prop_assert!(within(best));
                let none = found.values().all(|other| !within(other) || other.quality <= best.quality);
                prop_assert!(none);
            }
            Verdict::Unreachable { nearest, never } => {
                prop_assert!(!found.values().any(within));
                prop_assert!(nearest.iter().all(|(_, broken)| !broken.is_empty()));
                let front = front(&found);
                prop_assert!(nearest.iter().all(|(name, _)| front.contains(name)));
                for limit in never {
                    let breaks = |f: &Figures| limits.broken(f, 100).iter().any(|one| one.limit == limit);
                    prop_assert!(found.values().all(breaks));
                }
            }
        }
    }
}

#[test]
fn the_example_is_a_recipe() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let plan = Plan::read(&folder.join("../deploy/recipe.toml")).unwrap();
    // Two shares, taught by labels or by the original or not pruned, each in 8, 4 or all bits.
    assert_eq!(chain::chains(&plan).len(), (2 * 2 + 1) * 3 - 1);
}
