//! Pictures: one folder for each class, or one folder of pictures without classes.

use std::collections::BTreeMap;
use std::io::Cursor;
use std::path::{Path, PathBuf};

use image::{ImageReader, Limits};
use noroshi_engine::{Frame, MAX_FRAME_SIDE, Preprocessor};
use noroshi_model::InputSpec;

use super::error::{DataError, Result};
use super::{Classes, Dataset, Samples, Targets};

/// Largest picture file, in bytes, and most memory that decoding one may take.
const FILE_BYTES: u64 = 64 << 20;
const DECODED_BYTES: u64 = 512 << 20;

/// Most pictures, and most classes.
const PICTURE_LIMIT: usize = 2_000_000;
const CLASS_LIMIT: usize = 65_536;

/// A decoded picture: red, green, blue bytes, row by row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Picture {
    /// Pixels of a row.
    pub width: u32,
    /// Rows.
    pub height: u32,
    /// `width * height * 3` bytes.
    pub rgb: Vec<u8>,
}

impl Picture {
    /// Reads a PNG or JPEG file.
    pub fn open(path: &Path) -> Result<Self> {
        let unreadable = |error: &dyn std::fmt::Display| {
            DataError::unusable(path, format!("this is no readable PNG or JPEG ({error})"))
        };
        let bytes = noroshi_onnx::read_bounded(path, FILE_BYTES).map_err(|error| match error {
            noroshi_onnx::Error::File { path, source } => DataError::File { path, source },
            other => unreadable(&other),
        })?;
        let mut reader = ImageReader::new(Cursor::new(bytes));
        let mut limits = Limits::default();
        limits.max_alloc = Some(DECODED_BYTES);
        limits.max_image_width = Some(MAX_FRAME_SIDE);
        limits.max_image_height = Some(MAX_FRAME_SIDE);
        reader.limits(limits);
        let reader = reader
            .with_guessed_format()
            .map_err(DataError::file(path))?;
        let rgb = reader
            .decode()
            .map_err(|error| unreadable(&error))?
            .into_rgb8();
        let (width, height) = rgb.dimensions();
        Ok(Self {
            width,
            height,
            rgb: rgb.into_raw(),
        })
    }
}

/// Picture files that are read when they are asked for.
#[derive(Debug, Clone)]
pub struct PictureFiles {
    files: Vec<PathBuf>,
    spec: InputSpec,
}

impl PictureFiles {
    /// Pictures that become inputs as `spec` says.
    pub fn new(files: Vec<PathBuf>, spec: InputSpec) -> Self {
        Self { files, spec }
    }

    /// The files, sample by sample.
    pub fn files(&self) -> &[PathBuf] {
        &self.files
    }

    /// The pictures at these places, in this order.
    ///
    /// # Panics
    /// If there is no such picture.
    #[must_use]
    pub fn select(&self, places: &[usize]) -> Self {
        Self {
            files: places
                .iter()
                .map(|&place| self.files[place].clone())
                .collect(),
            spec: self.spec.clone(),
        }
    }

    /// The shape of one sample, without a batch axis.
    pub fn sample_shape(&self) -> Vec<usize> {
        self.spec.shape()[1..].to_vec()
    }

    /// Appends the numbers of the picture at `place`, resized and normalized.
    ///
    /// # Panics
    /// If there is no such picture.
    pub fn append(&self, place: usize, to: &mut Vec<f32>) -> Result<()> {
        let path = &self.files[place];
        let picture = Picture::open(path)?;
        let unusable =
            |error: noroshi_engine::EngineError| DataError::unusable(path, error.to_string());
        let frame = Frame::rgb(picture.width, picture.height, &picture.rgb).map_err(unusable)?;
        let mut preprocessor = Preprocessor::new(&self.spec).map_err(unusable)?;
        to.extend_from_slice(&preprocessor.run(&frame).map_err(unusable)?.to_f32());
        Ok(())
    }
}

/// Reads the names in `folder`: folders inside are classes, in the order of their names, or with
/// their own numbers if all names are whole numbers; pictures directly inside have no class.
///
/// With `names`, a folder's class is its place among them, and unknown folders are an error.
pub fn read(folder: &Path, spec: InputSpec, names: Option<&[String]>) -> Result<Dataset> {
    let inside = entries(folder)?;
    let folders: Vec<&PathBuf> = inside.iter().filter(|path| path.is_dir()).collect();
    if folders.is_empty() {
        let files: Vec<PathBuf> = inside.into_iter().filter(|path| is_picture(path)).collect();
        if files.is_empty() {
            return Err(DataError::unusable(
                folder,
                "there is no PNG or JPEG here, nor folders of them, one for each class",
            ));
        }
        let samples = Samples::Pictures(PictureFiles::new(files, spec));
        return Dataset::new(samples, Targets::None);
    }
    let (numbers, names) = numbering(folder, &folders, names)?;
    let (mut files, mut of) = (Vec::new(), Vec::new());
    for (class, path) in numbers.into_iter().zip(&folders) {
        let pictures = entries(path)?.into_iter().filter(|path| is_picture(path));
        files.extend(pictures);
        of.resize(files.len(), class);
        if files.len() > PICTURE_LIMIT {
            return Err(DataError::unusable(folder, "there are too many pictures"));
        }
    }
    if files.is_empty() {
        return Err(DataError::unusable(
            folder,
            "its folders hold no PNG or JPEG",
        ));
    }
    let samples = Samples::Pictures(PictureFiles::new(files, spec));
    Dataset::new(samples, Targets::Classes(Classes { of, names }))
}

/// The class of each folder, and the classes' names.
fn numbering(
    folder: &Path,
    folders: &[&PathBuf],
    names: Option<&[String]>,
) -> Result<(Vec<u32>, Vec<String>)> {
    let own: Vec<String> = folders.iter().map(|path| file_name(path)).collect();
    if own.len() > CLASS_LIMIT {
        return Err(DataError::unusable(folder, "there are too many classes"));
    }
    if let Some(names) = names {
        let places: BTreeMap<&str, u32> = names.iter().map(String::as_str).zip(0..).collect();
        let of = own.iter().map(|name| {
            places.get(name.as_str()).copied().ok_or_else(|| {
                DataError::unusable(folder, format!("the folder {name:?} is none of the labels"))
            })
        });
        return Ok((of.collect::<Result<_>>()?, names.to_vec()));
    }
    let numbers: Option<Vec<u32>> = own.iter().map(|name| name.parse().ok()).collect();
    match numbers.filter(|numbers| numbers.iter().all(|&n| (n as usize) < CLASS_LIMIT)) {
        Some(numbers) => {
            let names = Classes::numbered(numbers.clone()).names;
            Ok((numbers, names))
        }
        None => Ok(((0..own.len() as u32).collect(), own)),
    }
}

/// The pictures under `paths`: files as they are, folders as the pictures directly inside.
pub fn pictures(paths: &[PathBuf]) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for path in paths {
        if path.is_dir() {
            let before = files.len();
            files.extend(entries(path)?.into_iter().filter(|path| is_picture(path)));
            if files.len() == before {
                return Err(DataError::unusable(path, "there is no PNG or JPEG in it"));
            }
        } else {
            files.push(path.clone());
        }
    }
    Ok(files)
}

/// What is in a folder, in the order of the names, hidden entries left out.
fn entries(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut paths = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(DataError::file(folder))? {
        let path = entry.map_err(DataError::file(folder))?.path();
        if !file_name(&path).starts_with('.') {
            paths.push(path);
        }
        if paths.len() > PICTURE_LIMIT {
            return Err(DataError::unusable(folder, "there are too many files"));
        }
    }
    paths.sort();
    Ok(paths)
}

fn file_name(path: &Path) -> String {
    let name = path.file_name().unwrap_or_default();
    name.to_string_lossy().into_owned()
}

fn is_picture(path: &Path) -> bool {
    let ending = path.extension().and_then(|ending| ending.to_str());
    let ending = ending.unwrap_or_default().to_ascii_lowercase();
    matches!(ending.as_str(), "png" | "jpg" | "jpeg")
}
