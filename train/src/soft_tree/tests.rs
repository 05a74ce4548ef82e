use super::*;
use crate::examples::Examples;
use crate::random::Random;
use crate::teacher::Teacher;

/// Four fields of a square: what no single line can part.
fn fields(count: usize, seed: u64) -> Examples {
    let mut random = Random::new(seed);
    let (mut inputs, mut labels) = (Vec::new(), Vec::new());
    for _ in 0..count {
        let (x, y) = (random.unit(), random.unit());
        inputs.extend([x, y, 0.5]);
        labels.push(2 * u32::from(x > 0.4) + u32::from(y > 0.6));
    }
    Examples::classes(Shape::flat(3), inputs, labels, 4).unwrap()
}

fn recipe() -> SoftTreeRecipe {
    SoftTreeRecipe {
        depth: 3,
        epochs: 30,
        batch: 20,
        rate: 0.05,
        weight_decay: 0.0,
        ..SoftTreeRecipe::default()
    }
}

fn taught() -> SoftTree {
    SoftTree::teach(&fields(600, 1), None, &recipe(), &mut |_| ()).unwrap()
}

fn accuracy(tree: &SoftTree, data: &Examples) -> f64 {
    let answers = tree.classify(data.inputs()).unwrap();
    let pairs = answers.iter().zip(data.labels());
    let right = pairs.filter(|(a, b)| **a == **b as usize).count();
    right as f64 / data.len() as f64
}

#[test]
fn what_one_line_cannot_part_is_learned_again_and_again() {
    let (tree, test) = (taught(), fields(400, 2));
    assert!(accuracy(&tree, &test) > 0.93);
    assert_eq!(tree, taught());
    let soft = tree.classify_softly(test.inputs()).unwrap();
    let hard = tree.classify(test.inputs()).unwrap();
    let same = soft.iter().zip(&hard).filter(|(a, b)| a == b).count();
    assert!(same > 370, "{same}");
}

#[test]
fn the_way_through_the_tree_says_why() {
    let (tree, test) = (taught(), fields(50, 2));
    for place in 0..test.len() {
        let sample = test.sample(place);
        let way = tree.explain(sample).unwrap();
        let answered = tree.classify(sample).unwrap()[0];
        assert_eq!((way.steps.len(), highest(&way.shares)), (3, answered));
        for step in &way.steps {
            let sum: f32 = tree.terms(step.node, sample).iter().sum();
            assert!((sum + tree.bias(step.node) - step.sum).abs() < 1e-4);
            let taken = if step.sum > 0.0 {
                &step.right
            } else {
                &step.left
            };
            assert!(taken.contains(&answered));
        }
    }
    assert!(tree.explain(&[0.0; 2]).is_err());
}

/// One who knows the fields, and no labels beside.
struct Knows;

impl Teacher for Knows {
    fn width(&self) -> usize {
        4
    }

    fn answer(&mut self, samples: &[f32], _: usize) -> Result<Vec<f32>> {
        let rows = samples.chunks_exact(3);
        Ok(rows
            .flat_map(|row| {
                let field = 2 * usize::from(row[0] > 0.4) + usize::from(row[1] > 0.6);
                (0..4).map(move |class| if class == field { 4.0 } else { 0.0 })
            })
            .collect())
    }
}

#[test]
fn a_teacher_is_enough() {
    let data = fields(600, 1);
    // Labels that are wrong everywhere: the teacher alone counts with alpha 1.
    let wrong = data.labels().iter().map(|label| 3 - label).collect();
    let wrong = Examples::classes(data.shape(), data.inputs().to_vec(), wrong, 4).unwrap();
    let tree = SoftTree::teach(&wrong, Some(&mut Knows), &recipe(), &mut |_| ()).unwrap();
    assert!(accuracy(&tree, &fields(400, 2)) > 0.93);
}

#[test]
fn a_file_comes_back_and_a_damaged_one_does_not() {
    let tree = taught();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tree.nst");
    tree.save(&path).unwrap();
    assert_eq!(SoftTree::load(&path).unwrap(), tree);
    let bytes = tree.to_bytes();
    for place in 0..bytes.len() {
        let mut damaged = bytes.clone();
        damaged[place] ^= 1;
        assert!(SoftTree::from_bytes(&damaged).is_err(), "{place}");
        assert!(SoftTree::from_bytes(&bytes[..place]).is_err(), "{place}");
    }
}

#[test]
fn settings_out_of_range_are_refused() {
    let data = fields(20, 1);
    for wrong in [
        SoftTreeRecipe {
            depth: 13,
            ..recipe()
        },
        SoftTreeRecipe {
            batch: 0,
            ..recipe()
        },
        SoftTreeRecipe {
            rate: f32::NAN,
            ..recipe()
        },
    ] {
        assert!(SoftTree::teach(&data, None, &wrong, &mut |_| ()).is_err());
    }
}
