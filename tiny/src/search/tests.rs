use super::*;
use crate::model::Scale;
use crate::testing;

fn settings() -> SearchSettings {
    SearchSettings {
        rows_at_first: 150,
        kept: 1,
        ..SearchSettings::new(1)
    }
}

fn found(table: &Table, budget: &str) -> Result<Found> {
    let budget = budget.parse()?;
    search(table, &Intake::Bytes, &budget, &settings(), &mut |_, _| ())
}

#[test]
fn what_is_found_is_within_the_budget_and_better_than_nothing() {
    let table = testing::blobs(300, 4, 6, 1);
    for text in ["1 KB on the agent", "256 B RAM, 3 KB flash, 1 ms at 16 MHz"] {
        let budget: Budget = text.parse().unwrap();
        let found = found(&table, text).unwrap();
        assert!(found.best.len() > 1 && found.tried > 10, "{text}");
        for one in &found.best {
            assert!(budget.allows(&one.cost), "{one:?}");
            assert_eq!(one.cost.file, one.model.to_bytes().len() as u64);
        }
        let order: Vec<f64> = found.best.iter().map(|one| one.accuracy).collect();
        assert!(order.is_sorted_by(|a, b| a >= b), "{order:?}");
        assert!(found.best[0].accuracy > found.majority + 0.3, "{order:?}");
        assert!(testing::accuracy(&found.best[0].model, &testing::blobs(300, 4, 6, 2)) > 0.6);
    }
}

#[test]
fn the_same_seed_finds_the_same_with_any_number_of_threads() {
    let table = testing::blobs(120, 3, 4, 3);
    let search = || found(&table, "400 B on the agent").unwrap();
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(1)
        .build()
        .unwrap();
    assert_eq!(pool.install(search), search());
}

#[test]
fn a_budget_that_nothing_is_within_says_what_the_smallest_takes() {
    let table = testing::blobs(60, 3, 4, 3);
    let refused = found(&table, "100 B flash").unwrap_err().to_string();
    assert!(
        refused.contains("a tree of two leaves would take"),
        "{refused}"
    );
}

#[test]
fn constant_columns_alone_are_refused() {
    let table = Table::new(2, 2, vec![7; 40], [0, 1].repeat(10)).unwrap();
    let refused = found(&table, "1 KB on the agent").unwrap_err().to_string();
    assert!(refused.contains("every column is constant"), "{refused}");
}

/// What is known of the file before training is what the file has, but for the depth of trees.
#[test]
fn a_planned_file_is_the_file() {
    let table = testing::blobs(300, 3, 6, 1);
    let intake = Intake::Scaled(vec![Scale::over([0.0, 1.0]); 6]);
    let budget: Budget = "600 B on the agent".parse().unwrap();
    let all = plan::candidates(&table, &intake, &budget, 1);
    let train = |candidate: &Candidate| candidate.train(&table, &intake, Effort::Glance);
    for candidate in all.iter().step_by(3) {
        let Ok(model) = train(candidate) else {
            continue;
        };
        let file = model.cost().file;
        assert!(file <= 600, "{candidate:?}: {file}");
    }
}

#[test]
fn models_chosen_on_groups_are_taught_all_of_them() {
    let table = testing::blobs(120, 3, 4, 3);
    let groups: Vec<u16> = (0..120).map(|row| row / 12).collect();
    let budget: Budget = "400 B on the agent".parse().unwrap();
    let found = search_groups(
        &table,
        &groups,
        &Intake::Bytes,
        &budget,
        &settings(),
        &mut |_, _| (),
    );
    let found = found.unwrap();
    assert_eq!(found.rows, (96, 24));
    assert!(found.best.iter().all(|one| budget.allows(&one.cost)));
    assert!(testing::accuracy(&found.best[0].model, &table) > 0.6);
    let few = search_groups(
        &table,
        &[1; 3],
        &Intake::Bytes,
        &budget,
        &settings(),
        &mut |_, _| (),
    );
    assert!(
        few.unwrap_err()
            .to_string()
            .contains("3 groups for 120 rows")
    );
}
