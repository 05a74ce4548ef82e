//! Somebody's data: arrays, folders of pictures and tables become samples with targets.
//!
//! Every file is foreign: sizes are checked before memory is taken, and what can't be used is an
//! error that says what to do.

mod array;
pub mod csv;
mod error;
pub mod images;
pub mod npy;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};

use noroshi_model::{InputSpec, Normalization};

pub use array::{Array, Numbers};
pub use error::{DataError, Result};
pub use images::{Picture, PictureFiles};

/// Most bytes of samples or of targets in memory.
pub const MAX_BYTES: u64 = 4 << 30;

/// Samples: in memory, or pictures that are read one by one.
#[derive(Debug, Clone)]
pub enum Samples {
    /// In memory.
    Array(Array),
    /// Files.
    Pictures(PictureFiles),
}

/// What belongs to the samples.
#[derive(Debug, Clone, PartialEq)]
pub enum Targets {
    /// Nothing.
    None,
    /// One class each.
    Classes(Classes),
    /// Any number of classes each.
    Several(Labels),
    /// Figures to come close to: `[samples, figures]`.
    Figures(Array),
}

/// One class for each sample.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Classes {
    /// The class of each sample.
    pub of: Vec<u32>,
    /// The classes' names.
    pub names: Vec<String>,
}

impl Classes {
    /// Classes that are called by their numbers.
    pub fn numbered(of: Vec<u32>) -> Self {
        let count = of.iter().max().map_or(0, |&most| most as usize + 1);
        let names = (0..count).map(|class| class.to_string()).collect();
        Self { of, names }
    }
}

/// Truth values, `width` for each sample: which classes it belongs to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Labels {
    /// Sample by sample.
    pub values: Vec<bool>,
    /// Number of classes.
    pub width: usize,
}

/// Samples and what belongs to them.
#[derive(Debug, Clone)]
pub struct Dataset {
    samples: Samples,
    targets: Targets,
    normalization: Option<Normalization>,
}

/// Where data are, and how they become numbers.
#[derive(Debug, Clone, Default)]
pub struct Location {
    /// A `.npy` file, a `.csv` file, a folder of pictures, or a folder with `x.npy` and `y.npy`.
    pub samples: PathBuf,
    /// The targets of a `.npy` file, themselves a `.npy` file.
    pub targets: Option<PathBuf>,
    /// How pictures become inputs; needed for pictures only.
    pub spec: Option<InputSpec>,
    /// The order of the classes' names; else that of the folders.
    pub names: Option<Vec<String>>,
    /// How tables are read.
    pub table: csv::Table,
    /// Applied to numbers of arrays and tables.
    pub normalization: Option<Normalization>,
}

impl Dataset {
    /// Samples and targets of the same number.
    pub fn new(samples: Samples, targets: Targets) -> Result<Self> {
        let count = match &samples {
            Samples::Array(array) => array.samples(),
            Samples::Pictures(pictures) => pictures.files().len(),
        };
        let given = match &targets {
            Targets::None => count,
            Targets::Classes(classes) => classes.of.len(),
            Targets::Several(labels) => labels.values.len() / labels.width.max(1),
            Targets::Figures(array) => array.samples(),
        };
        if given != count {
            return Err(DataError::Mismatch(format!(
                "there are {count} samples and {given} targets"
            )));
        }
        if let Targets::Classes(Classes { of, names }) = &targets
            && of.iter().any(|&class| class as usize >= names.len())
        {
            return Err(DataError::Mismatch("a class has no name".into()));
        }
        Ok(Self {
            samples,
            targets,
            normalization: None,
        })
    }

    /// Finds out what is at a location, and reads it; pictures are only listed.
    pub fn open(location: &Location) -> Result<Self> {
        let path = &location.samples;
        let ending = path.extension().and_then(|ending| ending.to_str());
        let arrays = [path.join("x.npy"), path.join("y.npy")];
        let mut data = match ending.unwrap_or_default().to_ascii_lowercase().as_str() {
            "npy" => from_arrays(path, location.targets.as_deref())?,
            "csv" | "tsv" => csv::read(path, &location.table)?,
            _ if path.is_dir() && arrays[0].exists() => {
                let targets = location.targets.clone().or_else(|| {
                    let [_, targets] = &arrays;
                    targets.exists().then(|| targets.clone())
                });
                from_arrays(&arrays[0], targets.as_deref())?
            }
            _ if path.is_dir() => {
                let spec = location.spec.clone().ok_or_else(|| {
                    DataError::unusable(path, "say how pictures become inputs (a preset)")
                })?;
                return images::read(path, spec, location.names.as_deref());
            }
            _ => {
                return Err(DataError::unusable(
                    path,
                    "give a .npy or .csv file, a folder of pictures, or a folder with x.npy and y.npy",
                ));
            }
        };
        data.normalization = location.normalization;
        Ok(data)
    }

    /// The number of samples.
    pub fn len(&self) -> usize {
        match &self.samples {
            Samples::Array(array) => array.samples(),
            Samples::Pictures(pictures) => pictures.files().len(),
        }
    }

    /// Whether there are no samples.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether samples are an array of bytes.
    pub fn is_bytes(&self) -> bool {
        matches!(&self.samples, Samples::Array(array) if matches!(array.numbers(), Numbers::U8(_)))
    }

    /// The samples.
    pub fn samples(&self) -> &Samples {
        &self.samples
    }

    /// What belongs to them.
    pub fn targets(&self) -> &Targets {
        &self.targets
    }

    /// The samples at these places, in this order, with what belongs to them.
    ///
    /// # Panics
    /// If there is no such sample.
    #[must_use]
    pub fn select(&self, places: &[usize]) -> Self {
        let samples = match &self.samples {
            Samples::Array(array) => Samples::Array(array.select(places)),
            Samples::Pictures(pictures) => Samples::Pictures(pictures.select(places)),
        };
        let targets = match &self.targets {
            Targets::None => Targets::None,
            Targets::Classes(classes) => Targets::Classes(Classes {
                of: places.iter().map(|&place| classes.of[place]).collect(),
                names: classes.names.clone(),
            }),
            Targets::Several(labels) => {
                let row = |&place: &usize| &labels.values[place * labels.width..][..labels.width];
                Targets::Several(Labels {
                    values: places.iter().flat_map(row).copied().collect(),
                    width: labels.width,
                })
            }
            Targets::Figures(figures) => Targets::Figures(figures.select(places)),
        };
        Self {
            samples,
            targets,
            normalization: self.normalization,
        }
    }

    /// The shape of one sample, without a batch axis.
    pub fn sample_shape(&self) -> Vec<usize> {
        match &self.samples {
            Samples::Array(array) => array.sample_shape().to_vec(),
            Samples::Pictures(pictures) => pictures.sample_shape(),
        }
    }

    /// Appends the numbers of sample `place` as a network takes them: pictures resized and
    /// normalized, bytes of arrays divided by 255, unless the location said otherwise.
    ///
    /// # Panics
    /// If there is no such sample.
    pub fn append(&self, place: usize, to: &mut Vec<f32>) -> Result<()> {
        let array = match &self.samples {
            Samples::Pictures(pictures) => return pictures.append(place, to),
            Samples::Array(array) => array,
        };
        let start = to.len();
        array.append(place, to);
        let bytes = matches!(array.numbers(), Numbers::U8(_));
        match self.normalization {
            Some(how) => normalize(&mut to[start..], array.sample_shape(), how),
            None if bytes => to[start..].iter_mut().for_each(|value| *value /= 255.0),
            None => {}
        }
        Ok(())
    }

    /// All samples as a network takes them, one behind the other.
    pub fn to_f32(&self) -> Result<Vec<f32>> {
        let each: usize = self.sample_shape().iter().product();
        let bytes = (self.len() as u64).saturating_mul(4 * each as u64);
        if bytes > MAX_BYTES {
            let path = match &self.samples {
                Samples::Pictures(pictures) => pictures.files()[0].clone(),
                Samples::Array(_) => PathBuf::new(),
            };
            return Err(DataError::TooLarge {
                path,
                what: "the samples",
                actual: bytes,
                limit: MAX_BYTES,
            });
        }
        let mut values = Vec::with_capacity(self.len() * each);
        (0..self.len()).try_for_each(|place| self.append(place, &mut values))?;
        Ok(values)
    }
}

/// An array of samples, with an array of targets: whole numbers in one column are classes, several
/// columns of zeros and ones are labels, all other numbers are figures.
fn from_arrays(samples: &Path, targets: Option<&Path>) -> Result<Dataset> {
    let array = npy::read(samples)?;
    let targets = match targets {
        None => Targets::None,
        Some(path) => array_targets(path, npy::read(path)?)?,
    };
    Dataset::new(Samples::Array(array), targets)
}

fn array_targets(path: &Path, array: Array) -> Result<Targets> {
    let width = array.sample_len();
    let class = |value: i64| u32::try_from(value).ok().filter(|&class| class < 65_536);
    let whole: Option<Vec<i64>> = match array.numbers() {
        Numbers::F32(_) => None,
        Numbers::U8(values) => Some(values.iter().map(|&value| i64::from(value)).collect()),
        Numbers::I64(values) => Some(values.clone()),
    };
    Ok(match whole {
        Some(values) if width == 1 => {
            let of: Option<Vec<u32>> = values.into_iter().map(class).collect();
            let of = of
                .ok_or_else(|| DataError::unusable(path, "classes must be numbered 0 to 65,535"))?;
            Targets::Classes(Classes::numbered(of))
        }
        Some(values) if values.iter().all(|&value| value == 0 || value == 1) => {
            Targets::Several(Labels {
                values: values.into_iter().map(|value| value == 1).collect(),
                width,
            })
        }
        _ => {
            let shape = vec![array.samples(), width];
            Targets::Figures(Array::new(shape, Numbers::F32(array.to_f32()))?)
        }
    })
}

/// Scales numbers; channels are the first axis if it has three sides, else the last if that has.
fn normalize(values: &mut [f32], shape: &[usize], how: Normalization) {
    let per_channel = match shape {
        [3, rest @ ..] => rest.iter().product(),
        _ => 1,
    };
    let colored = shape.first() == Some(&3) || shape.last() == Some(&3);
    for (place, value) in values.iter_mut().enumerate() {
        let channel = if colored { place / per_channel % 3 } else { 0 };
        *value = (*value * how.scale - how.mean[channel]) / how.deviation[channel];
    }
}
