//! Smaller networks that keep what the large one knows.

use noroshi_train::{
    Criterion, Examples, Loss, Net, Pruning, Random, Recipe, Shape, Targets, Trainer, fit, hint,
    kept, prune_and_retrain, read_sparse, score, shift_class, write_sparse,
};

/// Points of three spirals: a network needs its middle to tell them apart.
fn spirals(count: usize, seed: u64) -> Examples {
    let mut random = Random::new(seed);
    let mut inputs = Vec::new();
    let mut labels = Vec::new();
    for place in 0..count {
        let (class, radius) = (place % 3, random.unit());
        let angle = 4.0 * radius + class as f32 * std::f32::consts::TAU / 3.0;
        let angle = angle + 0.1 * random.normal();
        inputs.extend([radius * angle.cos(), radius * angle.sin()]);
        labels.push(class as u32);
    }
    Examples::classes(Shape::flat(2), inputs, labels, 3).unwrap()
}

fn recipe(epochs: usize) -> Recipe {
    Recipe {
        epochs,
        batch: 32,
        rate: 0.01,
        ..Recipe::default()
    }
}

fn perceptron(width: usize, seed: u64) -> Net {
    let net = Net::builder(Shape::flat(2), seed)
        .dense(width)
        .relu()
        .dense(width)
        .relu();
    net.dense(3).build().unwrap()
}

fn accuracy(net: &Net) -> f32 {
    score(net, &spirals(300, 8)).unwrap().accuracy
}

#[test]
fn magnitude_prunes_better_than_chance() {
    let data = spirals(300, 1);
    let mut dense = perceptron(32, 1);
    fit(&mut dense, &data, &recipe(40), &mut |_| ()).unwrap();
    assert!(accuracy(&dense) > 0.95);
    let pruned = |by| {
        let mut net = dense.clone();
        let pruning = Pruning {
            keep: vec![0.3, 0.08, 0.3],
            steps: 4,
            by,
        };
        let mut steps = Vec::new();
        let left = prune_and_retrain(&mut net, &data, &recipe(10), &pruning, &mut |step, _| {
            steps.push(step);
        });
        assert_eq!(left.unwrap(), kept(&net));
        assert_eq!((steps.len(), steps.last()), (40, Some(&4)));
        // What is scored is what the file says.
        let file = write_sparse(&net).unwrap();
        let read = read_sparse(&file).unwrap();
        assert_eq!(kept(&read).kept, 19 + 82 + 29);
        accuracy(&read)
    };
    let (best, any) = (
        pruned(Criterion::Magnitude),
        pruned(Criterion::Random { seed: 5 }),
    );
    assert!(best > 0.9 && best > any + 0.04, "{best} {any}");
}

#[test]
fn a_teacher_gives_more_than_labels() {
    let data = spirals(300, 1);
    let mut teacher = perceptron(32, 1);
    fit(&mut teacher, &data, &recipe(60), &mut |_| ()).unwrap();
    let unknown = Examples::new(Shape::flat(2), data.inputs().to_vec(), Targets::Unknown).unwrap();
    let mut student = perceptron(12, 2);
    let told = hint(
        &mut student,
        1,
        &teacher,
        1,
        &unknown,
        &recipe(20),
        &mut |_| (),
    )
    .unwrap();
    assert_eq!(told.epochs, 20);
    let mut before = student.clone();
    let distill = Recipe {
        loss: Loss::Distill {
            temperature: 2.0,
            alpha: 1.0,
        },
        ..recipe(60)
    };
    Trainer::new(&distill)
        .teacher(&mut teacher)
        .fit(&mut student, &unknown, &mut |_| ())
        .unwrap();
    assert!(accuracy(&student) > 0.93, "{}", accuracy(&student));
    shift_class(&mut before, 2, 100.0).unwrap();
    assert!(
        before
            .classify(data.inputs())
            .unwrap()
            .iter()
            .all(|&class| class == 2)
    );
}
