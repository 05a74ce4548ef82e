use super::*;
use crate::model::{Family, Intake, Model};
use crate::table::Table;
use crate::testing;

fn model(forest: Forest, table: &Table) -> Model {
    Model {
        intake: Intake::Bytes,
        columns: table.columns() as u16,
        classes: table.classes() as u16,
        family: Family::Forest(forest),
    }
}

fn accuracy(forest: Forest, table: &Table, test: &Table) -> f64 {
    testing::accuracy(&model(forest, table), test)
}

#[test]
fn a_tree_learns_what_one_tree_can() {
    let table = testing::quadrants(600, 1);
    let forest = ForestSettings::tree(4, 1).train(&table).unwrap();
    assert_eq!(forest.leaf_count(), 4);
    assert!(accuracy(forest, &table, &testing::quadrants(600, 2)) > 0.97);
}

#[test]
fn threads_do_not_change_a_forest() {
    let table = testing::blobs(400, 6, 5, 3);
    let train = || ForestSettings::forest(9, 16, 7).train(&table).unwrap();
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(1)
        .build()
        .unwrap();
    assert_eq!(pool.install(train), train());
}

#[test]
fn refining_is_better_than_shares_and_pruning_keeps_it() {
    let (table, test) = (
        testing::blobs(1500, 8, 10, 1),
        testing::blobs(1500, 8, 10, 2),
    );
    let grown = ForestSettings::forest(20, 12, 1).grow(&table).unwrap();
    let plain = accuracy(grown.scoring().unwrap(), &table, &test);
    let settings = RefineSettings::new(0.02, 1);
    let refined = accuracy(refine(&grown, &table, &settings).unwrap(), &table, &test);
    assert!(refined > plain, "{refined} {plain}");
    let prune = PruneSettings {
        refine: settings,
        leaves: 120,
        share: 0.2,
    };
    let (forest, pruned) = refine_and_prune(grown, &table, &prune).unwrap();
    assert_eq!((forest.leaf_count(), pruned.leaf_count()), (120, 120));
    let pruned = accuracy(forest, &table, &test);
    assert!(pruned > refined - 0.03, "{pruned} {refined}");
}

#[test]
fn explanations_sum_to_the_score() {
    let table = testing::blobs(300, 5, 4, 1);
    let grown = ForestSettings::forest(8, 12, 1).grow(&table).unwrap();
    for forest in [grown.voting().unwrap(), grown.scoring().unwrap()] {
        testing::assert_explained(&model(forest, &table), &table);
    }
}
