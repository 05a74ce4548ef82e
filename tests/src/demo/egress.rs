//! What leaves the site: bytes at the socket, and whether a picture is among them.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::assets::{Role, photos};
use crate::fleet::Fleet;
use crate::tap::{self, KeyLog};

/// Links to the cloud: the gateway's and the direct device's.
pub(super) const WAN_LINKS: usize = 2;
/// Size of the pieces of a frame that are looked for.
const PIECE: usize = 64;

/// Raw bytes of frames among what left.
pub(super) struct Raw {
    /// Bytes of pieces of frames or picture files found in the fleet's traffic.
    pub found: u64,
    /// The same in a control message that carries a frame on purpose: must not be 0.
    pub control: u64,
}

fn key_log(folder: &Path) -> PathBuf {
    folder.join("keys.log")
}

/// Lets every program of the fleet log its session keys: only builds for tests can.
pub(super) fn environment(folder: &Path) -> Vec<(String, String)> {
    vec![(
        "NOROSHI_TEST_KEY_LOG".to_owned(),
        key_log(folder).display().to_string(),
    )]
}

/// Bytes that left for the cloud so far, TLS and TCP payload and all.
pub(super) fn wan_bytes(fleet: &Fleet) -> u64 {
    wan(fleet)
        .map(|member| member.https.bytes_up() + member.mqtts.bytes_up())
        .sum()
}

fn wan(fleet: &Fleet) -> impl Iterator<Item = &crate::fleet::Member> {
    fleet
        .members()
        .filter(|member| member.id == "gateway" || member.site == "direct")
}

/// Looks for frames in everything that left, and in a control message that has one.
pub(super) async fn search(fleet: &Fleet) -> Result<Raw> {
    let keys_path = key_log(fleet.path());
    let pieces = pieces()?;
    let folders: Vec<PathBuf> = wan(fleet)
        .flat_map(|member| {
            ["https", "mqtts"].map(|link| member.folder().join("recorded").join(link))
        })
        .collect();
    let keys = KeyLog::read(&keys_path)?;
    let mut found = 0;
    for folder in folders.iter().filter(|folder| folder.is_dir()) {
        for plaintext in tap::read(folder, &keys)? {
            found += raw_bytes(&plaintext.up, &pieces);
        }
    }
    Ok(Raw {
        found,
        control: control(fleet, &keys_path, &pieces).await?,
    })
}

/// Sends one frame on purpose through a link of the same kind, and looks for it likewise.
async fn control(fleet: &Fleet, keys: &Path, pieces: &HashSet<[u8; PIECE]>) -> Result<u64> {
    let direct = wan(fleet)
        .find(|member| member.site == "direct")
        .context("a direct device")?;
    let recorded = fleet.path().join("control");
    let target = direct.https.target();
    let proxy = crate::proxy::Proxy::start(target, Some(recorded.clone())).await?;
    let photo = photos(Role::Measured)?
        .into_iter()
        .next()
        .context("a photo")?;
    let frame = image::open(photo.file()?)?.to_rgb8().into_raw();
    let piece = frame.into_iter().take(16 << 10).collect::<Vec<u8>>();
    let sent = noroshi_service::tls::unverified_http_client()?
        .post(format!("https://{}/device/v1/time", proxy.address()))
        .body(piece)
        .send()
        .await;
    // Whatever the cloud answers to a frame where a question belongs: the bytes have left.
    drop(sent);
    let keys = KeyLog::read(keys)?;
    let connections = tap::read(&recorded, &keys)?;
    Ok(connections
        .iter()
        .map(|plaintext| raw_bytes(&plaintext.up, pieces))
        .sum())
}

/// Every aligned piece of every frame as pixels, and of every picture as a file.
fn pieces() -> Result<HashSet<[u8; PIECE]>> {
    let mut pieces = HashSet::new();
    for photo in photos(Role::Measured)? {
        let file = std::fs::read(photo.file()?)?;
        let pixels = image::load_from_memory(&file)?.to_rgb8().into_raw();
        let mut jpeg = Vec::new();
        let encoder = image::codecs::jpeg::JpegEncoder::new(&mut jpeg);
        image::load_from_memory(&file)?
            .to_rgb8()
            .write_with_encoder(encoder)?;
        for bytes in [&file, &pixels, &jpeg] {
            let whole = bytes
                .chunks_exact(PIECE)
                .filter_map(|piece| piece.try_into().ok());
            // A run of one value says nothing: it stands in any padding.
            pieces.extend(
                whole.filter(|piece: &[u8; PIECE]| piece.iter().collect::<HashSet<_>>().len() > 4),
            );
        }
    }
    Ok(pieces)
}

fn raw_bytes(plaintext: &[u8], pieces: &HashSet<[u8; PIECE]>) -> u64 {
    let known = |window: &&[u8]| {
        let window: &[u8; PIECE] = (*window).try_into().expect("windows have the piece's size");
        pieces.contains(window)
    };
    plaintext.windows(PIECE).filter(known).count() as u64 * PIECE as u64
}
