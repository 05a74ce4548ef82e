//! Smaller networks that keep what the large one knows.

use noroshi_train::{
    Attention, Criterion, Examples, Loss, Net, Pruning, Random, Recipe, Shape, SignChoice, Targets,
    Trainer, Weights, fit, hint, kept, prune_and_retrain, read_sparse, score, shift_class,
    write_sparse,
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

/// Bars across or along a picture of two channels, one of them noise.
fn bars(count: usize, seed: u64) -> Examples {
    let mut random = Random::new(seed);
    let (mut inputs, mut labels) = (Vec::new(), Vec::new());
    for number in 0..count {
        let (place, along) = (random.below(8), number % 2 == 0);
        for channel in 0..2 {
            for pixel in 0..64 {
                let line = if along { pixel / 8 } else { pixel % 8 };
                let lit = channel == 0 && line == place;
                inputs.push(f32::from(u8::from(lit)) + 0.3 * random.normal());
            }
        }
        labels.push(u32::from(along));
    }
    Examples::classes(Shape::image(2, 8, 8), inputs, labels, 2).unwrap()
}

fn eye(channels: usize, seed: u64) -> Net {
    let net = Net::builder(Shape::image(2, 8, 8), seed).conv(channels, 3, 1, 1);
    net.relu().max_pool(2).dense(2).build().unwrap()
}

#[test]
fn a_student_looks_where_its_teacher_does() {
    let data = bars(240, 1);
    let mut teacher = eye(8, 1);
    fit(&mut teacher, &data, &recipe(6), &mut |_| ()).unwrap();
    // The mean distance of both maps.
    let apart = |student: &Net| {
        let look = |net: &Net| {
            let part = net.prefix(1);
            let given = part.logits(data.inputs()).unwrap();
            let channels = part.layers()[1].output.channels;
            let map = |sample: &[f32]| -> Vec<f32> {
                let at = |place: usize| (0..channels).map(move |c| sample[c * 64 + place].powi(2));
                let map: Vec<f32> = (0..64).map(|place| at(place).sum()).collect();
                let length = map.iter().map(|m| m * m).sum::<f32>().sqrt().max(1e-9);
                map.iter().map(|m| m / length).collect()
            };
            given
                .chunks_exact(channels * 64)
                .flat_map(map)
                .collect::<Vec<f32>>()
        };
        let (ours, theirs) = (look(student), look(&teacher));
        let apart = ours.iter().zip(theirs).map(|(o, t)| (o - t).powi(2));
        apart.sum::<f32>() / data.len() as f32
    };
    let attention = Attention {
        teacher: teacher.clone(),
        pairs: vec![(1, 1)],
        weight: 2.0,
    };
    let student = |attention: Option<&Attention>| {
        let (mut net, recipe) = (eye(2, 5), recipe(6));
        let trainer = Trainer::new(&recipe);
        let trainer = match attention {
            Some(attention) => trainer.attention(attention),
            None => trainer,
        };
        let mut again = net.clone();
        trainer.fit(&mut net, &data, &mut |_| ()).unwrap();
        if let Some(attention) = attention {
            let trainer = Trainer::new(&recipe).attention(attention);
            trainer.fit(&mut again, &data, &mut |_| ()).unwrap();
            assert_eq!(again.digest(), net.digest());
        }
        net
    };
    let (plain, guided) = (apart(&student(None)), apart(&student(Some(&attention))));
    assert!(guided < 0.7 * plain, "{guided} {plain}");
    let refused = Attention {
        pairs: vec![(1, 2)],
        ..attention
    };
    let recipe = recipe(1);
    let trainer = Trainer::new(&recipe).attention(&refused);
    let error = trainer.fit(&mut eye(2, 5), &data, &mut |_| ()).unwrap_err();
    assert!(error.to_string().contains("height and width"), "{error}");
}

#[test]
fn drawn_signs_teach_and_plain_ones_are_shipped() {
    let data = spirals(300, 1);
    let net = Net::builder(Shape::flat(2), 3).weights(Weights::Sign);
    let net = net
        .dense(64)
        .normalize()
        .relu()
        .dense(64)
        .normalize()
        .relu();
    let net = net.dense(3).normalize().build().unwrap();
    let drawn = Recipe {
        signs: SignChoice::Stochastic,
        rate: 1e-2,
        measure_statistics: true,
        ..recipe(60)
    };
    let taught = |recipe: &Recipe| {
        let mut net = net.clone();
        fit(&mut net, &data, recipe, &mut |_| ()).unwrap();
        net
    };
    let (first, again) = (taught(&drawn), taught(&drawn));
    assert_eq!(first.digest(), again.digest());
    let plain = Recipe {
        signs: SignChoice::Deterministic,
        ..drawn
    };
    assert_ne!(taught(&plain).digest(), first.digest());
    let correct = accuracy(&first);
    assert!(correct > 0.8, "{correct}");
    // Answers are those of signs: a network of the signs alone gives the same.
    let signs = first.layers()[0].seen_weights().unwrap();
    assert!(signs.iter().all(|sign| sign.abs() == 1.0));
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
