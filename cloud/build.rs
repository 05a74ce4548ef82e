//! Embeds the console, if it has been built, as a table of files.

use std::fmt::Write as _;
use std::hash::{DefaultHasher, Hasher as _};
use std::path::{Path, PathBuf};
use std::{env, fs, io};

fn main() -> io::Result<()> {
    let here = PathBuf::from(env::var("CARGO_MANIFEST_DIR").map_err(io::Error::other)?);
    let built = here.join("../console/dist");
    println!("cargo::rerun-if-changed=migrations");
    println!("cargo::rerun-if-changed=../console/dist");
    let mut files = Vec::new();
    if built.is_dir() {
        let built = built.canonicalize()?;
        collect(&built, &built, &mut files)?;
    }
    files.sort();
    let mut table = String::from("static ASSETS: &[Asset] = &[\n");
    for (name, path) in &files {
        let mut hasher = DefaultHasher::new();
        hasher.write(&fs::read(path)?);
        let (kind, etag) = (kind(name), format!("\"{:016x}\"", hasher.finish()));
        writeln!(
            table,
            "    Asset {{ path: {name:?}, kind: {kind:?}, etag: {etag:?}, \
             bytes: include_bytes!({path:?}) }},"
        )
        .map_err(io::Error::other)?;
    }
    table.push_str("];\n");
    let out = PathBuf::from(env::var("OUT_DIR").map_err(io::Error::other)?);
    fs::write(out.join("console_assets.rs"), table)
}

fn collect(root: &Path, folder: &Path, files: &mut Vec<(String, PathBuf)>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            collect(root, &path, files)?;
        } else if let Ok(name) = path.strip_prefix(root) {
            files.push((format!("/{}", name.to_string_lossy()), path));
        }
    }
    Ok(())
}

fn kind(name: &str) -> &'static str {
    match name.rsplit('.').next().unwrap_or_default() {
        "html" => "text/html; charset=utf-8",
        "js" => "text/javascript; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "json" | "map" => "application/json",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "ico" => "image/x-icon",
        "woff2" => "font/woff2",
        "txt" => "text/plain; charset=utf-8",
        "webmanifest" => "application/manifest+json",
        _ => "application/octet-stream",
    }
}
