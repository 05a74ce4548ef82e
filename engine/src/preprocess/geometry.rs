//! Where a frame's pixels land in the input: scaled size, cut and border.

use noroshi_model::{InputSpec, Resize};

/// One axis of the fit, in pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Span {
    /// Length of the whole frame after scaling.
    pub(super) scaled: u64,
    /// First scaled pixel that is kept.
    pub(super) skip: u64,
    /// Number of scaled pixels that are kept.
    pub(super) kept: usize,
    /// Where the first kept pixel lands in the input.
    pub(super) at: usize,
}

impl Span {
    const fn whole(length: u32) -> Self {
        Self {
            scaled: length as u64,
            skip: 0,
            kept: length as usize,
            at: 0,
        }
    }
}

/// How a frame of `width` x `height` is fitted: the horizontal and the vertical span.
pub(super) fn fit(spec: &InputSpec, width: u32, height: u32) -> (Span, Span) {
    match spec.resize {
        Resize::Stretch => (Span::whole(spec.width), Span::whole(spec.height)),
        Resize::CenterCrop { short_side } => {
            let short = u64::from(width.min(height));
            // torchvision truncates the longer side and rounds half of the margin to even.
            let scaled = |side: u32| u64::from(short_side) * u64::from(side) / short;
            let cut = |scaled: u64, kept: u32| Span {
                scaled,
                skip: half_to_even(scaled.saturating_sub(u64::from(kept))),
                kept: kept as usize,
                at: 0,
            };
            (
                cut(scaled(width), spec.width),
                cut(scaled(height), spec.height),
            )
        }
        Resize::Letterbox { .. } => {
            let ratio = (f64::from(spec.width) / f64::from(width))
                .min(f64::from(spec.height) / f64::from(height));
            let inside = |side: u32, input: u32| {
                let scaled = (f64::from(side) * ratio).round() as u32;
                let scaled = scaled.clamp(1, input);
                Span {
                    at: ((input - scaled) / 2) as usize,
                    ..Span::whole(scaled)
                }
            };
            (inside(width, spec.width), inside(height, spec.height))
        }
    }
}

const fn half_to_even(margin: u64) -> u64 {
    let half = margin / 2;
    if margin % 2 == 1 && half % 2 == 1 {
        half + 1
    } else {
        half
    }
}

#[cfg(test)]
mod tests {
    use noroshi_model::{ColorOrder, ElementType, Layout, Normalization};

    use super::*;

    fn spec(width: u32, height: u32, resize: Resize) -> InputSpec {
        InputSpec {
            name: "input".into(),
            height,
            width,
            dtype: ElementType::F32,
            layout: Layout::Nchw,
            color: ColorOrder::Rgb,
            resize,
            features: None,
            normalization: Normalization::NONE,
        }
    }

    #[test]
    fn the_centre_is_cut_as_torchvision_does() {
        let spec = spec(224, 224, Resize::CenterCrop { short_side: 256 });
        let (x, y) = fit(&spec, 451, 300);
        assert_eq!((x.scaled, x.skip, x.kept), (384, 80, 224));
        assert_eq!((y.scaled, y.skip, y.kept), (256, 16, 224));
        // 256 * 453 / 300 = 386.56 → 386; (387 − 224) / 2 = 81.5 → 82, 80.5 → 80.
        assert_eq!(fit(&spec, 453, 300).0.skip, 81);
        assert_eq!(half_to_even(163), 82);
        assert_eq!(half_to_even(161), 80);
    }

    #[test]
    fn a_letterbox_keeps_the_shape() {
        let (x, y) = fit(&spec(100, 100, Resize::Letterbox { fill: 0 }), 200, 50);
        assert_eq!((x.scaled, x.at), (100, 0));
        assert_eq!((y.scaled, y.kept, y.at), (25, 25, 37));
        let (_, y) = fit(&spec(8, 8, Resize::Letterbox { fill: 0 }), 16_384, 1);
        assert_eq!(y.kept, 1);
    }

    #[test]
    fn an_extreme_frame_still_yields_the_input() {
        let spec = spec(224, 224, Resize::CenterCrop { short_side: 256 });
        let (x, y) = fit(&spec, 16_384, 1);
        assert_eq!((x.kept, y.kept), (224, 224));
        assert!(x.skip + 224 <= x.scaled && y.skip + 224 <= y.scaled);
    }
}
