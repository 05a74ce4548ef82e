//! A key log that only tests can switch on: it exists only in builds with debug assertions, and
//! there only with a variable set. A released daemon has no way to give its session keys away.

use std::sync::Arc;

use rustls::KeyLog;

#[cfg(not(debug_assertions))]
pub(super) fn for_tests() -> Arc<dyn KeyLog> {
    Arc::new(rustls::NoKeyLog {})
}

#[cfg(debug_assertions)]
pub(super) fn for_tests() -> Arc<dyn KeyLog> {
    match std::env::var_os("NOROSHI_TEST_KEY_LOG") {
        Some(path) => Arc::new(appending::KeyLogFile::new(path.into())),
        None => Arc::new(rustls::NoKeyLog {}),
    }
}

#[cfg(debug_assertions)]
mod appending {
    use std::fs::OpenOptions;
    use std::io::Write;
    use std::path::PathBuf;

    use data_encoding::HEXLOWER;
    use rustls::KeyLog;

    /// Lines in the format that protocol analysers read, appended whole by many processes.
    #[derive(Debug)]
    pub(super) struct KeyLogFile {
        path: PathBuf,
    }

    impl KeyLogFile {
        pub(super) fn new(path: PathBuf) -> Self {
            tracing::warn!(path = %path.display(), "TLS session keys are written to a file");
            Self { path }
        }
    }

    impl KeyLog for KeyLogFile {
        fn log(&self, label: &str, client_random: &[u8], secret: &[u8]) {
            let random = HEXLOWER.encode(client_random);
            let line = format!("{label} {random} {}\n", HEXLOWER.encode(secret));
            let appended = OpenOptions::new()
                .create(true)
                .append(true)
                .open(&self.path)
                .and_then(|mut file| file.write_all(line.as_bytes()));
            if let Err(error) = appended {
                tracing::warn!(%error, "the key log cannot be written");
            }
        }
    }
}
