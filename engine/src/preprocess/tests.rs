use noroshi_model::{ColorOrder, ElementType, InputSpec, Layout, Normalization, Resize};
use proptest::prelude::*;

use super::*;
use crate::tensor::TensorData;

// Made by tests/pillow.py from `picture`.
const SHRUNK: &str = "617c7a7e838b8b816b6d777f898f7781816d767888977f6b73826c7a828c6b64847f6e74727d8d66608184697d6d6b9079597b80727e837c89826b706e728b80828779677476778a876e76726c817e7c798e749d95849683888d92729f94969877808d8b799b8d9b8d75807a7c7d747d889e9a8a647e778087999c80866178799693a37a738766";
const GROWN: &str = "00356a0d427722578c386da24d82b76297cc6fa4d924598e366b7b51865c6e6f7182588d6373a85085ba5b90c573a88198cd15be7328d1194e653e7321568b92c76278ad5b5085507577799d699e9340758c275cb6eb207cb142205578457aaf7b9ed3b14277d3083d";

fn picture(width: u32, height: u32) -> Vec<u8> {
    (0..height)
        .flat_map(|y| (0..width).map(move |x| (x, y)))
        .flat_map(|(x, y)| (0..3).map(move |c| x * 37 + y * 91 + c * 53 + (x * y) % 7 * 29))
        .map(|level| (level % 256) as u8)
        .collect()
}

fn spec(width: u32, height: u32, resize: Resize) -> InputSpec {
    InputSpec {
        name: "input".into(),
        height,
        width,
        dtype: ElementType::U8,
        layout: Layout::Nhwc,
        color: ColorOrder::Rgb,
        resize,
        features: None,
        normalization: Normalization::NONE,
    }
}

fn levels(spec: &InputSpec, frame: &Frame<'_>) -> Vec<u8> {
    let mut preprocessor = Preprocessor::new(spec).unwrap();
    match preprocessor.run(frame).unwrap().data() {
        TensorData::U8(levels) => levels.clone(),
        other => panic!("{other:?}"),
    }
}

fn numbers(spec: &InputSpec, frame: &Frame<'_>) -> Vec<f32> {
    let mut preprocessor = Preprocessor::new(spec).unwrap();
    let tensor = preprocessor.run(frame).unwrap();
    assert_eq!(tensor.shape(), spec.shape());
    tensor.as_f32().unwrap().to_vec()
}

fn assert_like_pillow(ours: &[u8], hex: &str) {
    let theirs: Vec<u8> = (0..hex.len() / 2)
        .map(|i| u8::from_str_radix(&hex[2 * i..2 * i + 2], 16).unwrap())
        .collect();
    assert_eq!(ours.len(), theirs.len());
    let far = ours
        .iter()
        .zip(&theirs)
        .filter(|(a, b)| a.abs_diff(**b) > 1);
    assert_eq!(far.count(), 0, "{ours:?} is not {theirs:?}");
    let same = ours.iter().zip(&theirs).filter(|(a, b)| a == b).count();
    // Pillow rounds to 8 bits between the two passes, we do not.
    assert!(
        same * 10 >= ours.len() * 8,
        "only {same} of {} agree",
        ours.len()
    );
}

#[test]
fn shrinks_like_pillow() {
    let picture = picture(23, 17);
    let frame = Frame::rgb(23, 17, &picture).unwrap();
    assert_like_pillow(&levels(&spec(9, 5, Resize::Stretch), &frame), SHRUNK);
}

#[test]
fn grows_like_pillow() {
    let picture = picture(4, 3);
    let frame = Frame::rgb(4, 3, &picture).unwrap();
    assert_like_pillow(&levels(&spec(7, 5, Resize::Stretch), &frame), GROWN);
}

#[test]
fn the_same_size_is_untouched() {
    let picture = picture(6, 5);
    let frame = Frame::rgb(6, 5, &picture).unwrap();
    assert_eq!(levels(&spec(6, 5, Resize::Stretch), &frame), picture);
    let crop = Resize::CenterCrop { short_side: 5 };
    let kept = levels(&spec(4, 5, crop), &frame);
    let expected: Vec<u8> = picture
        .chunks_exact(18)
        .flat_map(|row| row[3..15].to_vec())
        .collect();
    assert_eq!(kept, expected);
}

#[test]
fn halving_averages_exactly() {
    // One row, four pixels, gray: weights 3/7 3/7 1/7 at the edges.
    let frame = Frame::gray(4, 1, &[0, 70, 140, 210]).unwrap();
    let mut spec = spec(2, 1, Resize::Stretch);
    spec.color = ColorOrder::Gray;
    assert_eq!(levels(&spec, &frame), vec![50, 160]);
}

#[test]
fn channels_and_layout_land_where_they_belong() {
    let pixels = [10, 20, 30, 40, 50, 60];
    let frame = Frame::rgb(2, 1, &pixels).unwrap();
    let mut spec = spec(2, 1, Resize::Stretch);
    spec.layout = Layout::Nchw;
    assert_eq!(levels(&spec, &frame), vec![10, 40, 20, 50, 30, 60]);
    spec.color = ColorOrder::Bgr;
    assert_eq!(levels(&spec, &frame), vec![30, 60, 20, 50, 10, 40]);
    spec.layout = Layout::Nhwc;
    assert_eq!(levels(&spec, &frame), vec![30, 20, 10, 60, 50, 40]);
    let gray = Frame::gray(2, 1, &[7, 9]).unwrap();
    assert_eq!(levels(&spec, &gray), vec![7, 7, 7, 9, 9, 9]);
    spec.color = ColorOrder::Gray;
    let white = Frame::rgb(2, 1, &[255, 255, 255, 255, 0, 0]).unwrap();
    assert_eq!(levels(&spec, &white), vec![255, 76]);
}

#[test]
fn normalization_follows_the_colour_not_the_place() {
    let frame = Frame::rgb(1, 1, &[255, 0, 51]).unwrap();
    let mut spec = spec(1, 1, Resize::Stretch);
    spec.dtype = ElementType::F32;
    spec.normalization = Normalization::IMAGENET;
    let expected = [
        (1.0 - 0.485) / 0.229,
        -0.456 / 0.224,
        (0.2 - 0.406) / 0.225_f32,
    ];
    for (ours, expected) in numbers(&spec, &frame).iter().zip(expected) {
        assert!((ours - expected).abs() < 1e-5, "{ours} {expected}");
    }
    spec.color = ColorOrder::Bgr;
    let mut turned = numbers(&spec, &frame);
    turned.reverse();
    assert!((turned[0] - expected[0]).abs() < 1e-5);
    spec.normalization = Normalization::EFFICIENTNET_LITE;
    assert!((numbers(&spec, &frame)[2] - 1.0).abs() < f32::EPSILON);
}

#[test]
fn a_letterbox_has_its_border_and_keeps_it() {
    let mut spec = spec(4, 4, Resize::Letterbox { fill: 9 });
    spec.color = ColorOrder::Gray;
    let mut preprocessor = Preprocessor::new(&spec).unwrap();
    let wide = Frame::gray(4, 2, &[1; 8]).unwrap();
    let tall = Frame::gray(2, 4, &[2; 8]).unwrap();
    preprocessor.run(&wide).unwrap();
    let tensor = preprocessor.run(&tall).unwrap();
    let expected = [9, 2, 2, 9].repeat(4);
    assert_eq!(*tensor.data(), TensorData::U8(expected));
}

#[test]
fn strides_are_honoured() {
    let padded = [1, 2, 3, 99, 4, 5, 6, 99];
    let frame = Frame::new(1, 2, 4, PixelFormat::Rgb8, &padded).unwrap();
    assert_eq!(
        levels(&spec(1, 2, Resize::Stretch), &frame),
        vec![1, 2, 3, 4, 5, 6]
    );
}

#[test]
fn an_unsound_description_is_refused() {
    assert!(Preprocessor::new(&spec(0, 4, Resize::Stretch)).is_err());
    let crop = Resize::CenterCrop { short_side: 3 };
    assert!(Preprocessor::new(&spec(4, 4, crop)).is_err());
}

proptest! {
    #[test]
    fn every_size_works_and_a_flat_picture_stays_flat(
        width in 1_u32..90, height in 1_u32..90, side in 1_u32..40, level: u8, fit in 0..3
    ) {
        let resize = match fit {
            0 => Resize::Stretch,
            1 => Resize::CenterCrop { short_side: side + 3 },
            _ => Resize::Letterbox { fill: level },
        };
        let bytes = vec![level; (width * height * 3) as usize];
        let frame = Frame::rgb(width, height, &bytes).unwrap();
        let made = levels(&spec(side, side, resize), &frame);
        prop_assert!(made.iter().all(|&made| made == level));
    }
}

#[test]
fn a_row_of_numbers_goes_in_as_it_is_or_not_at_all() {
    let bytes = |numbers: &[f32]| -> Vec<u8> {
        numbers
            .iter()
            .flat_map(|number| number.to_le_bytes())
            .collect()
    };
    let mut row = InputSpec {
        color: ColorOrder::Gray,
        dtype: ElementType::F32,
        ..spec(3, 1, Resize::Stretch)
    };
    let run = |spec: &InputSpec, numbers: &[f32]| {
        let bytes = bytes(numbers);
        let frame = Frame::numbers(&bytes).unwrap();
        let tensor = Preprocessor::new(spec).unwrap().run(&frame).cloned();
        tensor.map(|tensor| tensor.to_f32().into_owned())
    };
    assert_eq!(run(&row, &[1.5, -2.0, 3e9]).unwrap(), [1.5, -2.0, 3e9]);
    assert!(
        run(&row, &[1.5, -2.0])
            .unwrap_err()
            .to_string()
            .contains("takes rows of 3")
    );
    assert!(run(&row, &[1.0, f32::NAN, 0.0]).is_err());
    row.dtype = ElementType::U8;
    assert_eq!(run(&row, &[1.0, 255.0, 0.0]).unwrap(), [1.0, 255.0, 0.0]);
    let refused = run(&row, &[1.0, 255.5, 0.0]).unwrap_err().to_string();
    assert!(refused.contains("column 1 is 255.5"), "{refused}");
    row.normalization = Normalization::IMAGENET;
    assert!(
        run(&row, &[1.0, 2.0, 3.0])
            .unwrap_err()
            .to_string()
            .contains("takes pictures")
    );
}
