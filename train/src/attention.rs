//! Attention transfer: where a network looks is taught beside what it answers (Zagoruyko and
//! Komodakis 2017, "Paying more attention to attention", 3.1).

use std::collections::BTreeMap;

use crate::layer::Layer;
use crate::net::{Net, Value};
use crate::pass::{Mode, Pass};
use crate::{Error, Result};

/// Lets a student's layers look where its teacher's do.
///
/// The map of a layer is the sum over channels of its squared numbers, at every place of the
/// picture, scaled to length 1. The cost is β/2 times the sum over pairs of layers of the squared
/// distance between both maps, the mean over samples. It is the square, and not the distance
/// itself as in equation 2, because that has no gradient where both maps agree.
#[derive(Debug, Clone, PartialEq)]
pub struct Attention {
    /// Whom to look like.
    pub teacher: Net,
    /// Places of a layer of the student and of one of the teacher, whose maps have the same
    /// height and width.
    pub pairs: Vec<(usize, usize)>,
    /// β: how much it counts beside the answers' cost.
    pub weight: f32,
}

/// Attention as a training goes on: the teacher's part that is asked, and its buffers.
pub(crate) struct Watch<'a> {
    attention: &'a Attention,
    part: Net,
    pass: Pass,
    theirs: Vec<f32>,
    ours: Vec<f32>,
}

impl Attention {
    /// Compares the last activations of each height and width that teacher and student both have.
    pub fn matching(teacher: Net, student: &Net, weight: f32) -> Result<Self> {
        let (ours, theirs) = (activations(student), activations(&teacher));
        let pairs: Vec<(usize, usize)> = ours
            .iter()
            .filter_map(|(size, &place)| Some((place, *theirs.get(size)?)))
            .collect();
        if pairs.is_empty() {
            return Err(Error::Recipe(
                "the teacher has no activation of a height and width that the network has too: \
                 attention needs pictures or series, and layers of one size in both"
                    .into(),
            ));
        }
        Ok(Self {
            teacher,
            pairs,
            weight,
        })
    }

    /// Refuses pairs that can't be compared in a training of `student`.
    pub(crate) fn begin(&self, student: &Net) -> Result<Watch<'_>> {
        let refuse = |text: String| Err(Error::Recipe(text));
        if student.input() != self.teacher.input() {
            let (wanted, given) = (self.teacher.input(), student.input());
            return refuse(format!("the teacher sees {wanted}, the student {given}"));
        }
        if !(self.weight.is_finite() && self.weight > 0.0) {
            return refuse(format!("attention counts {}: more than 0", self.weight));
        }
        let mut last = None;
        for &(ours, theirs) in &self.pairs {
            for (net, place) in [(student, ours), (&self.teacher, theirs)] {
                if place >= net.layers().len() {
                    let count = net.layers().len();
                    return refuse(format!("there is no layer {place}: there are {count}"));
                }
            }
            let shapes = [(student, ours), (&self.teacher, theirs)]
                .map(|(net, place)| net.shape_of(Value::of(place)));
            let [our, their] = shapes;
            if (our.height, our.width) != (their.height, their.width) || our.plane() < 2 {
                return refuse(format!(
                    "layer {ours} gives {our} and the teacher's layer {theirs} gives {their}: maps \
                     of one height and width are compared, of two places at least"
                ));
            }
            last = last.max(Some(theirs));
        }
        let last = last.ok_or_else(|| Error::Recipe("no pair of layers is compared".into()))?;
        Ok(Watch {
            attention: self,
            part: self.teacher.prefix(last),
            pass: Pass::default(),
            theirs: Vec::new(),
            ours: Vec::new(),
        })
    }
}

impl Watch<'_> {
    /// Adds the gradients of the maps to a pass that went forward over `batch` samples; the cost.
    pub(crate) fn guide(&mut self, student: &Net, pass: &mut Pass, batch: usize) -> f32 {
        self.pass.set_input(pass.input());
        self.pass.forward(&self.part, batch, Mode::Answer);
        let share = self.attention.weight / batch.max(1) as f32;
        let mut cost = 0.0;
        for &(ours, theirs) in &self.attention.pairs {
            let plane = student.shape_of(Value::of(ours)).plane();
            map(self.pass.given(theirs), batch, plane, &mut self.theirs);
            for row in self.theirs.chunks_exact_mut(plane) {
                scale_to_one(row);
            }
            let (given, gradient) = pass.given_and_gradient(ours);
            map(given, batch, plane, &mut self.ours);
            let samples = given.len() / batch.max(1);
            let maps = self.ours.chunks_exact_mut(plane);
            let maps = maps.zip(self.theirs.chunks_exact(plane));
            let numbers = given.chunks_exact(samples);
            let numbers = numbers.zip(gradient.chunks_exact_mut(samples));
            for ((mine, wanted), (given, gradient)) in maps.zip(numbers) {
                cost += 0.5 * share * slope(mine, wanted);
                for (given, gradient) in given
                    .chunks_exact(plane)
                    .zip(gradient.chunks_exact_mut(plane))
                {
                    let slopes = mine.iter().zip(given);
                    for (g, (slope, value)) in gradient.iter_mut().zip(slopes) {
                        *g += share * 2.0 * slope * value;
                    }
                }
            }
        }
        cost
    }
}

/// The last activation of each height and width of two places or more.
fn activations(net: &Net) -> BTreeMap<(usize, usize), usize> {
    let layers = net.layers().iter().enumerate();
    let rectified = layers.filter(|(_, node)| matches!(node.layer, Layer::Activation(_)));
    let maps = rectified.filter(|(_, node)| node.output.plane() > 1);
    maps.map(|(place, node)| ((node.output.height, node.output.width), place))
        .collect()
}

/// The sum over channels of squared numbers `[batch, channels, plane]`, `[batch, plane]`.
fn map(values: &[f32], batch: usize, plane: usize, map: &mut Vec<f32>) {
    map.clear();
    map.resize(batch * plane, 0.0);
    let samples = values.chunks_exact((values.len() / batch.max(1)).max(1));
    for (map, sample) in map.chunks_exact_mut(plane).zip(samples) {
        for channel in sample.chunks_exact(plane) {
            map.iter_mut().zip(channel).for_each(|(m, v)| *m += v * v);
        }
    }
}

/// Makes a map's length 1, and tells what it was; a map of zeros stays.
fn scale_to_one(map: &mut [f32]) -> f32 {
    let length = map.iter().map(|m| m * m).sum::<f32>().sqrt();
    if length > 0.0 {
        map.iter_mut().for_each(|m| *m /= length);
    }
    length
}

/// The squared distance of a map, once its length is 1, from the wanted one; the map becomes the
/// gradient of half of it by the map as it was.
fn slope(map: &mut [f32], wanted: &[f32]) -> f32 {
    let length = scale_to_one(map);
    let apart = map.iter().zip(wanted).map(|(m, w)| (m - w) * (m - w));
    let distance = apart.sum();
    // What points along the map itself is lost in the scaling.
    let along: f32 = map.iter().zip(wanted).map(|(m, w)| (m - w) * m).sum();
    for (m, w) in map.iter_mut().zip(wanted) {
        *m = if length > 0.0 {
            (*m - w - along * *m) / length
        } else {
            0.0
        };
    }
    distance
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Random;
    use crate::shape::Shape;

    fn nets() -> [Net; 2] {
        let net = |channels, seed| {
            let net = Net::builder(Shape::image(2, 6, 5), seed).conv(channels, 3, 1, 1);
            let net = net.relu().max_pool(2).conv(channels + 1, 3, 1, 1).relu();
            net.dense(3).build().unwrap()
        };
        [net(2, 1), net(4, 2)]
    }

    fn guided(student: &Net, attention: &Attention, pass: &mut Pass) -> f32 {
        let mut random = Random::new(4);
        let input = pass.input_mut(3 * student.input().len());
        input.iter_mut().for_each(|x| *x = random.normal());
        pass.forward(student, 3, Mode::teach(1));
        let mut watch = attention.begin(student).unwrap();
        watch.guide(student, pass, 3)
    }

    #[test]
    fn gradients_agree_with_differences() {
        let [mut student, teacher] = nets();
        let attention = Attention {
            teacher,
            pairs: vec![(1, 1), (4, 4)],
            weight: 3.0,
        };
        let mut pass = Pass::default();
        assert!(guided(&student, &attention, &mut pass) > 0.01);
        pass.backward(&student);
        for (layer, parameter) in [(0, 0), (0, 1), (3, 0), (3, 1)] {
            let count = student.layers()[layer].parameters[parameter].values.len();
            for number in (0..count).step_by(3) {
                let gradient = pass.gradients(layer)[parameter][number];
                let mut moved = |by: f32| {
                    student.layers_mut()[layer].parameters[parameter].values[number] += by;
                    let cost = guided(&student, &attention, &mut Pass::default());
                    student.layers_mut()[layer].parameters[parameter].values[number] -= by;
                    cost
                };
                let slope = (moved(1e-2) - moved(-1e-2)) / 2e-2;
                assert!(
                    (slope - gradient).abs() < 0.01 + 0.05 * slope.abs(),
                    "layer {layer}, {parameter}, {number}: {gradient}, not {slope}"
                );
            }
        }
    }

    #[test]
    fn maps_that_can_not_be_compared_are_refused() {
        let [student, teacher] = nets();
        let with = |pairs: &[(usize, usize)]| Attention {
            teacher: teacher.clone(),
            pairs: pairs.to_vec(),
            weight: 1.0,
        };
        for pairs in [&[][..], &[(1, 4)], &[(1, 1), (99, 1)], &[(5, 5)]] {
            assert!(with(pairs).begin(&student).is_err(), "{pairs:?}");
        }
        assert!(with(&[(0, 1)]).begin(&student).is_ok());
        let found = Attention::matching(teacher.clone(), &student, 1.0).unwrap();
        assert_eq!(found.pairs, [(4, 4), (1, 1)]);
        let flat = Net::builder(student.input(), 1).dense(4).relu().dense(3);
        let error = Attention::matching(teacher.clone(), &flat.build().unwrap(), 1.0);
        assert!(error.unwrap_err().to_string().contains("height and width"));
    }
}
