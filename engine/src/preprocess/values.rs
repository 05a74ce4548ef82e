//! The last step of preprocessing: 8-bit pixels become the input's numbers, by table.

use noroshi_model::{ColorOrder, ElementType, InputSpec, Layout};

use crate::frame::PixelFormat;
use crate::tensor::TensorData;

/// For each channel of the tensor, the number that each 8-bit level becomes.
#[derive(Debug)]
pub(super) struct Values {
    layout: Layout,
    color: ColorOrder,
    width: usize,
    height: usize,
    tables: Tables,
}

#[derive(Debug)]
enum Tables {
    F32(Vec<[f32; 256]>),
    U8(Vec<[u8; 256]>),
}

impl Values {
    pub(super) fn new(spec: &InputSpec) -> Self {
        // The manifest gives mean and deviation for red, green, blue, wherever they end up.
        let colors: &[usize] = match spec.color {
            ColorOrder::Rgb => &[0, 1, 2],
            ColorOrder::Bgr => &[2, 1, 0],
            ColorOrder::Gray => &[0],
        };
        let normalize = |color: usize, level: usize| {
            let n = &spec.normalization;
            let scaled = level as f64 * f64::from(n.scale);
            ((scaled - f64::from(n.mean[color])) / f64::from(n.deviation[color])) as f32
        };
        let tables = if spec.dtype == ElementType::U8 {
            let level = |color, level| (normalize(color, level) + 0.5) as u8;
            Tables::U8(
                colors
                    .iter()
                    .map(|&color| std::array::from_fn(|l| level(color, l)))
                    .collect(),
            )
        } else {
            Tables::F32(
                colors
                    .iter()
                    .map(|&color| std::array::from_fn(|l| normalize(color, l)))
                    .collect(),
            )
        };
        Self {
            layout: spec.layout,
            color: spec.color,
            width: spec.width as usize,
            height: spec.height as usize,
            tables,
        }
    }

    /// Sets every pixel of the tensor to the level `fill`.
    pub(super) fn fill(&self, tensor: &mut TensorData, fill: u8) {
        let row = vec![fill; self.width * self.color.channels() as usize];
        for y in 0..self.height {
            self.place(tensor, &row, 0, y);
        }
    }

    /// Writes `row`, in the tensor's own order of channels, to row `y` from column `x` on.
    pub(super) fn place(&self, tensor: &mut TensorData, row: &[u8], x: usize, y: usize) {
        match (tensor, &self.tables) {
            (TensorData::F32(out), Tables::F32(tables)) => self.look_up(out, tables, row, x, y),
            (TensorData::U8(out), Tables::U8(tables)) => self.look_up(out, tables, row, x, y),
            _ => {}
        }
    }

    fn look_up<T: Copy>(&self, out: &mut [T], tables: &[[T; 256]], row: &[u8], x: usize, y: usize) {
        let channels = tables.len();
        let pixels = row.len() / channels;
        match self.layout {
            Layout::Nchw => {
                for (channel, table) in tables.iter().enumerate() {
                    let start = (channel * self.height + y) * self.width + x;
                    let line = &mut out[start..start + pixels];
                    for (value, pixel) in line.iter_mut().zip(row.chunks_exact(channels)) {
                        *value = table[usize::from(pixel[channel])];
                    }
                }
            }
            Layout::Nhwc => {
                let start = (y * self.width + x) * channels;
                let line = &mut out[start..start + row.len()];
                for (values, pixel) in line
                    .chunks_exact_mut(channels)
                    .zip(row.chunks_exact(channels))
                {
                    for ((value, table), level) in values.iter_mut().zip(tables).zip(pixel) {
                        *value = table[usize::from(*level)];
                    }
                }
            }
        }
    }

    /// The row of a frame with its channels in the tensor's order.
    pub(super) fn recolor<'a>(
        &self,
        row: &'a [u8],
        format: PixelFormat,
        scratch: &'a mut Vec<u8>,
    ) -> &'a [u8] {
        scratch.clear();
        match (format, self.color) {
            // Rows of numbers never come here: they have no colours.
            (PixelFormat::F32, _)
            | (PixelFormat::Rgb8, ColorOrder::Rgb)
            | (PixelFormat::Gray8, ColorOrder::Gray) => return row,
            (PixelFormat::Rgb8, ColorOrder::Bgr) => {
                scratch.extend(row.chunks_exact(3).flat_map(|p| [p[2], p[1], p[0]]));
            }
            (PixelFormat::Rgb8, ColorOrder::Gray) => {
                scratch.extend(row.chunks_exact(3).map(luma));
            }
            (PixelFormat::Gray8, ColorOrder::Rgb | ColorOrder::Bgr) => {
                scratch.extend(row.iter().flat_map(|&level| [level; 3]));
            }
        }
        scratch
    }
}

/// ITU-R BT.601 luma in 16-bit fixed point; the factors sum to 65,536.
fn luma(pixel: &[u8]) -> u8 {
    let [red, green, blue] = [pixel[0], pixel[1], pixel[2]].map(u32::from);
    ((red * 19_595 + green * 38_470 + blue * 7_471 + 0x8000) >> 16) as u8
}
