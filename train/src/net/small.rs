//! Small networks to begin with, for samples of any shape.

use super::{Net, NetBuilder};
use crate::shape::Shape;
use crate::{Error, Result};

/// Rows and columns that three halvings need.
const LEAST_SIDE: usize = 8;
/// Widest factor on channels that is believed.
const MAX_WIDTH: f32 = 64.0;

/// A small network to begin with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Family {
    /// Two hidden layers of 256.
    Mlp,
    /// Three stages of 3x3 convolutions, 16, 32 and 64 channels, each halving the picture.
    Cnn,
    /// A 3x3 convolution, then three depthwise separable blocks (Howard et al. 2017, MobileNets,
    /// 3.1) of 32, 64 and 64 channels.
    Depthwise,
    /// Three convolutions along a series, 16, 32 and 32 channels, each halving its length.
    Series,
}

impl Net {
    /// A fresh network of the family: `width` is a factor on its channels, `outputs` the numbers
    /// that leave. An error says what samples the family needs.
    pub fn small(
        family: Family,
        input: Shape,
        outputs: usize,
        width: f32,
        seed: u64,
    ) -> Result<Self> {
        if !(width > 0.0 && width <= MAX_WIDTH) {
            let text = format!("width = {width} must be more than 0, up to {MAX_WIDTH}");
            return Err(Error::Recipe(text));
        }
        let wide = |channels: f32| ((channels * width).round() as usize).max(1);
        let net = Self::builder(input, seed);
        check(family, input)?;
        match family {
            Family::Mlp => (0..2).fold(net, |net, _| {
                net.dense_plain(wide(256.0)).normalize().relu()
            }),
            Family::Cnn => [16.0, 32.0, 64.0].into_iter().fold(net, |net, channels| {
                let net = net.conv_plain(wide(channels), 3, 1, 1).normalize();
                net.relu().max_pool(2)
            }),
            Family::Depthwise => {
                let net = net.conv_plain(wide(16.0), 3, 2, 1).normalize().relu();
                let net = separable(net, 1, wide(32.0));
                separable(separable(net, 2, wide(64.0)), 1, wide(64.0)).global_average()
            }
            Family::Series => [16.0, 32.0, 32.0].into_iter().fold(net, |net, channels| {
                let net = net.conv_series(wide(channels), 5, 1, 2).normalize();
                net.relu().max_pool(2)
            }),
        }
        .dense(outputs)
        .build()
    }
}

fn check(family: Family, input: Shape) -> Result<()> {
    let refuse = |needs: &str| {
        Err(Error::Data(format!(
            "samples are {input}; this network needs {needs}"
        )))
    };
    let small = input.height.min(input.width) < LEAST_SIDE;
    match family {
        Family::Cnn | Family::Depthwise if small => {
            refuse("pictures of at least 8x8: take mlp, or series for numbers along time")
        }
        Family::Series if input.height != 1 || input.width < LEAST_SIDE => {
            refuse("series of at least 8 steps: take mlp or cnn")
        }
        _ => Ok(()),
    }
}

fn separable(net: NetBuilder, stride: usize, channels: usize) -> NetBuilder {
    let net = net.depthwise(3, stride, 1).normalize().relu();
    net.conv_plain(channels, 1, 1, 0).normalize().relu()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_family_takes_its_samples_and_no_others() {
        let picture = Shape::image(3, 28, 28);
        for family in [Family::Mlp, Family::Cnn, Family::Depthwise] {
            let net = Net::small(family, picture, 7, 0.5, 1).unwrap();
            assert_eq!((net.input(), net.outputs()), (picture, 7), "{family:?}");
        }
        let series = Shape::series(6, 100);
        let net = Net::small(Family::Series, series, 5, 1.0, 1).unwrap();
        assert_eq!((net.input(), net.outputs()), (series, 5));
        for (family, shape) in [
            (Family::Cnn, Shape::image(1, 7, 28)),
            (Family::Depthwise, series),
            (Family::Series, picture),
            (Family::Series, Shape::flat(40)),
        ] {
            let error = Net::small(family, shape, 2, 1.0, 1).unwrap_err();
            assert!(error.to_string().contains("needs"), "{error}");
        }
        for width in [0.0, -1.0, f32::NAN, 65.0] {
            assert!(Net::small(Family::Mlp, picture, 2, width, 1).is_err());
        }
    }

    #[test]
    fn the_width_is_a_factor_on_channels() {
        let shape = Shape::image(1, 8, 8);
        let parameters = |width| {
            let net = Net::small(Family::Cnn, shape, 2, width, 1).unwrap();
            net.parameters()
        };
        assert!(parameters(0.5) < parameters(1.0) / 2);
        assert!(parameters(0.01) > 0);
    }
}
