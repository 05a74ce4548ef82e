//! Data that were read teach.

use noroshi_train::data::{Array, Classes, Dataset, Numbers, Samples, Targets};
use noroshi_train::{Examples, Net, Recipe, Shape, fit, score};

#[test]
fn arrays_become_examples() {
    let pixels = (0..40u8).flat_map(|place| [place % 2 * 200; 12]).collect();
    let array = Array::new(vec![40, 3, 4], Numbers::U8(pixels)).unwrap();
    let classes = Classes::numbered((0..40).map(|place| place % 2).collect());
    let data = Dataset::new(Samples::Array(array), Targets::Classes(classes)).unwrap();
    let examples = Examples::read(&data).unwrap();
    assert_eq!(examples.shape(), Shape::image(1, 3, 4));
    let mut net = Net::builder(examples.shape(), 1).dense(2).build().unwrap();
    let recipe = Recipe {
        rate: 0.1,
        ..Recipe::default()
    };
    fit(&mut net, &examples, &recipe, &mut |_| ()).unwrap();
    assert!(score(&net, &examples).unwrap().accuracy > 0.999);
}
