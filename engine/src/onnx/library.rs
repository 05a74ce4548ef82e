//! Finding, checking and loading the ONNX Runtime library: once a process.

use std::fs::File;
use std::io::Read;
use std::os::fd::AsRawFd;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use aws_lc_rs::digest::{Context, SHA256};
use noroshi_model::Digest;

use crate::engine::guarded;
use crate::error::{EngineError, Result};

/// Where the library is looked for if nothing says otherwise.
const INSTALLED: &str = "/usr/lib/noroshi";
/// The variable that names the library.
const VARIABLE: &str = "NOROSHI_ONNXRUNTIME";
const FILE_NAME: &str = "libonnxruntime.so";
/// A library has about 30 MB; a stray file of gigabytes isn't one.
const MAX_LIBRARY_BYTES: u64 = 1 << 30;

/// Which ONNX Runtime to load.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LibraryOptions {
    /// The library or the folder it lies in. If none: `NOROSHI_ONNXRUNTIME`, then
    /// `/usr/lib/noroshi`.
    pub path: Option<PathBuf>,
    /// What its bytes must be.
    pub sha256: Option<Digest>,
}

/// The library that this process has loaded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Library {
    /// The file it came from.
    pub path: PathBuf,
    /// ONNX Runtime's version, such as `1.32.0`.
    pub version: String,
    /// The file's digest, if one was asked for.
    pub sha256: Option<Digest>,
}

struct Loaded {
    library: Library,
    environment: ort::environment::Environment,
}

static LOADED: Mutex<Option<Loaded>> = Mutex::new(None);

/// Loads the library and starts its environment, unless that was done already. A worker calls
/// it before it locks itself in: afterwards a model opens from memory without any file.
pub fn warm(options: &LibraryOptions) -> Result<Library> {
    // The first look at a CPU clock asks the kernel for more than a sandbox may allow.
    let _ = crate::bench::process_cpu();
    Ok(loaded(options)?.0)
}

/// The environment that sessions are made in.
pub(super) fn environment(options: &LibraryOptions) -> Result<ort::environment::Environment> {
    Ok(loaded(options)?.1)
}

fn loaded(options: &LibraryOptions) -> Result<(Library, ort::environment::Environment)> {
    let mut loaded = LOADED.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(loaded) = &*loaded {
        check_same(&loaded.library, options)?;
        return Ok((loaded.library.clone(), loaded.environment.clone()));
    }
    let (library, environment) = load(options)?;
    *loaded = Some(Loaded {
        library: library.clone(),
        environment: environment.clone(),
    });
    Ok((library, environment))
}

/// A process can hold only one ONNX Runtime: asking for another is an error, not a surprise.
fn check_same(library: &Library, options: &LibraryOptions) -> Result<()> {
    let refused = |reason: &str| {
        Err(EngineError::LibraryRefused {
            path: library.path.clone(),
            reason: reason.to_owned(),
        })
    };
    if let Some(path) = &options.path
        && resolve(path).is_none_or(|wanted| wanted != library.path)
    {
        return refused("it is loaded already and another was asked for; restart the process");
    }
    if options.sha256.is_some() && options.sha256 != library.sha256 {
        return refused("it was loaded without this check; restart the process");
    }
    Ok(())
}

fn load(options: &LibraryOptions) -> Result<(Library, ort::environment::Environment)> {
    let path = find(options, std::env::var_os(VARIABLE).map(PathBuf::from))?;
    let refused = |reason: String| EngineError::LibraryRefused {
        path: path.clone(),
        reason,
    };
    let file = File::open(&path).map_err(|e| refused(format!("it can't be read: {e}")))?;
    if let Some(expected) = options.sha256 {
        let found = hash(&file).map_err(|e| refused(format!("it can't be read: {e}")))?;
        if found != expected {
            return Err(refused(format!(
                "its SHA-256 is {found}, not {expected}; install the library that was pinned or \
                 correct onnxruntime.sha256"
            )));
        }
    }
    // By descriptor, so that exactly the file that was checked is loaded even if the path is
    // replaced meanwhile.
    super::telemetry::forbid();
    let opened = PathBuf::from(format!("/proc/self/fd/{}", file.as_raw_fd()));
    let environment = guarded(|| start(&opened).map_err(|reason| refused(reason.clone())))?;
    let library = Library {
        version: version(&file).unwrap_or_else(|| "unknown".to_owned()),
        sha256: options.sha256,
        path,
    };
    Ok((library, environment))
}

fn start(path: &Path) -> Result<ort::environment::Environment, String> {
    let builder = ort::init_from(path).map_err(|e| {
        format!(
            "{e}; install an ONNX Runtime of version 1.{} or newer for this architecture",
            ort::MINOR_VERSION
        )
    })?;
    builder
        .with_name("noroshi")
        .with_telemetry(false)
        .build()
        .map_err(|e| e.to_string())
}

/// The version in the library's own symbol versions, which read `VERS_1.32.0`: the build
/// information does not say it, and `ort` does not hand it out. Their table lies early in the file.
fn version(file: &File) -> Option<String> {
    const MARK: &[u8] = b"VERS_";
    const MAX_TABLE_BYTES: usize = 4 << 20;
    let mut table = vec![0; MAX_TABLE_BYTES];
    let length = file.read_at(&mut table, 0).ok()?;
    let start = table[..length]
        .windows(MARK.len())
        .position(|window| window == MARK)?;
    let version: String = table[start + MARK.len()..length]
        .iter()
        .take(32)
        .map(|&byte| char::from(byte))
        .take_while(|c| c.is_ascii_digit() || *c == '.')
        .collect();
    (!version.is_empty()).then_some(version)
}

/// The library's file: what the options name, else the variable, else what is installed.
fn find(options: &LibraryOptions, variable: Option<PathBuf>) -> Result<PathBuf> {
    let named = options.path.clone().or(variable);
    let place = named.unwrap_or_else(|| PathBuf::from(INSTALLED));
    resolve(&place).ok_or_else(|| EngineError::LibraryMissing {
        looked: place.display().to_string(),
    })
}

/// `place` if it is a file; the newest `libonnxruntime.so*` in it if it is a folder.
fn resolve(place: &Path) -> Option<PathBuf> {
    if place.is_file() {
        return Some(place.to_owned());
    }
    let exact = place.join(FILE_NAME);
    if exact.is_file() {
        return Some(exact);
    }
    let entries = std::fs::read_dir(place).ok()?;
    entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.is_file())
        .filter_map(|path| {
            let name = path.file_name()?.to_str()?;
            let version = name.strip_prefix(FILE_NAME)?.strip_prefix('.')?;
            let numbers: Vec<u32> = version.split('.').map_while(|n| n.parse().ok()).collect();
            Some((numbers, path))
        })
        .max()
        .map(|(_, path)| path)
}

fn hash(mut file: &File) -> std::io::Result<Digest> {
    let mut context = Context::new(&SHA256);
    let mut buffer = vec![0; 64 << 10];
    let mut total = 0;
    loop {
        let count = file.read(&mut buffer)?;
        if count == 0 {
            break;
        }
        total += count as u64;
        if total > MAX_LIBRARY_BYTES {
            return Err(std::io::Error::other("it is far too large for a library"));
        }
        context.update(&buffer[..count]);
    }
    let mut digest = [0; 32];
    digest.copy_from_slice(context.finish().as_ref());
    Ok(Digest::from_bytes(digest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_library_names_the_cure() {
        let options = LibraryOptions {
            path: Some("/nowhere/libonnxruntime.so".into()),
            sha256: None,
        };
        let text = find(&options, None).unwrap_err().to_string();
        for word in [
            "/nowhere/libonnxruntime.so",
            "onnxruntime.library in agent.toml",
            "NOROSHI_ONNXRUNTIME",
            "/usr/lib/noroshi",
        ] {
            assert!(text.contains(word), "{text}");
        }
    }

    #[test]
    fn the_newest_in_a_folder_is_found() {
        let folder = tempfile::tempdir().unwrap();
        for name in [
            "libonnxruntime.so.1.9.0",
            "libonnxruntime.so.1.32.0",
            "other",
        ] {
            std::fs::write(folder.path().join(name), b"").unwrap();
        }
        let found = find(&LibraryOptions::default(), Some(folder.path().into())).unwrap();
        assert!(found.ends_with("libonnxruntime.so.1.32.0"), "{found:?}");
    }

    #[test]
    fn a_wrong_digest_is_refused_before_loading() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(FILE_NAME);
        std::fs::write(&path, b"not a library").unwrap();
        let options = LibraryOptions {
            path: Some(path),
            sha256: Some(Digest::of(b"another")),
        };
        let error = load(&options).unwrap_err().to_string();
        assert!(error.contains("SHA-256"), "{error}");
    }
}
