//! Picture files and JPEG streams to pixels, bounded before anything is believed.

use std::collections::HashMap;
use std::io::{Cursor, Read};
use std::path::{Path, PathBuf};
use std::rc::Rc;

use image::{ImageReader, Limits};

use super::Picture;
use crate::ring::PixelFormat;

/// Largest picture file, in bytes.
pub(super) const MAX_FILE_BYTES: u64 = 64 << 20;
const MAX_SIDE: u32 = 16_384;
/// Decoded pictures are kept up to this many bytes, so that a short loop costs no decoding.
const CACHE_BYTES: usize = 24 << 20;

/// Decodes pictures of at most `max_pixels`, remembering a few.
pub(super) struct Decoder {
    max_pixels: u32,
    cached: HashMap<PathBuf, (u64, Option<std::time::SystemTime>, Decoded)>,
    cached_bytes: usize,
}

#[derive(Clone)]
struct Decoded {
    width: u32,
    height: u32,
    pixels: Rc<Vec<u8>>,
}

impl Decoder {
    pub(super) fn new(max_pixels: u32) -> Self {
        Self {
            max_pixels,
            cached: HashMap::new(),
            cached_bytes: 0,
        }
    }

    /// Reads a picture file; the error text is for people.
    pub(super) fn file(&mut self, path: &Path) -> Result<Picture, String> {
        let name = path.file_name().map_or_else(
            || path.display().to_string(),
            |n| n.to_string_lossy().into_owned(),
        );
        let file = std::fs::File::open(path).map_err(|e| e.to_string())?;
        let about = file.metadata().map_err(|e| e.to_string())?;
        let (length, changed) = (about.len(), about.modified().ok());
        if let Some((l, c, decoded)) = self.cached.get(path)
            && *l == length
            && *c == changed
        {
            return Ok(decoded.clone().named(name));
        }
        if length > MAX_FILE_BYTES {
            return Err(format!(
                "the file has {length} bytes; at most {MAX_FILE_BYTES} are read"
            ));
        }
        let mut bytes = Vec::with_capacity(length as usize);
        file.take(MAX_FILE_BYTES)
            .read_to_end(&mut bytes)
            .map_err(|e| e.to_string())?;
        let decoded = self.decode(&bytes)?;
        if self.cached_bytes + decoded.pixels.len() <= CACHE_BYTES {
            self.cached_bytes += decoded.pixels.len();
            let entry = (length, changed, decoded.clone());
            if let Some((_, _, old)) = self.cached.insert(path.to_owned(), entry) {
                self.cached_bytes -= old.pixels.len();
            }
        }
        Ok(decoded.named(name))
    }

    /// Decodes a picture that is already in memory.
    pub(super) fn bytes(&self, name: String, bytes: &[u8]) -> Result<Picture, String> {
        Ok(self.decode(bytes)?.named(name))
    }

    fn decode(&self, bytes: &[u8]) -> Result<Decoded, String> {
        let open = || {
            let mut reader = ImageReader::new(Cursor::new(bytes))
                .with_guessed_format()
                .map_err(|e| e.to_string())?;
            let mut limits = Limits::default();
            limits.max_image_width = Some(MAX_SIDE);
            limits.max_image_height = Some(MAX_SIDE);
            limits.max_alloc = Some(u64::from(self.max_pixels) * 16 + (1 << 20));
            reader.limits(limits);
            Ok::<_, String>(reader)
        };
        let (width, height) = open()?.into_dimensions().map_err(|e| e.to_string())?;
        if u64::from(width) * u64::from(height) > u64::from(self.max_pixels) {
            return Err(format!(
                "{width} x {height} is more than max_pixels = {}: raise it or scale the picture",
                self.max_pixels
            ));
        }
        let pixels = open()?.decode().map_err(|e| e.to_string())?.into_rgb8();
        Ok(Decoded {
            width,
            height,
            pixels: Rc::new(pixels.into_raw()),
        })
    }
}

impl Decoded {
    fn named(self, name: String) -> Picture {
        Picture {
            name,
            width: self.width,
            height: self.height,
            format: PixelFormat::Rgb8,
            pixels: self.pixels,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pictures_are_read_and_large_ones_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.png");
        image::RgbImage::from_pixel(6, 4, image::Rgb([9, 8, 7]))
            .save(&path)
            .unwrap();
        let mut decoder = Decoder::new(24);
        for _ in 0..2 {
            let picture = decoder.file(&path).unwrap();
            assert_eq!((picture.width, picture.height), (6, 4));
            assert_eq!(picture.pixels[..3], [9, 8, 7]);
            assert_eq!(picture.name, "a.png");
        }
        assert!(
            Decoder::new(23)
                .file(&path)
                .is_err_and(|e| e.contains("max_pixels"))
        );
        std::fs::write(&path, b"not a picture").unwrap();
        assert!(decoder.file(&path).is_err());
    }
}
