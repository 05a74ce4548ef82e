//! Reads what crossed a link: the recordings of a [`Proxy`](crate::proxy::Proxy), decrypted
//! with the key log that test runs switch on (TLS 1.3, RFC 8446 sections 5.2 and 7.3).

use std::collections::HashMap;
use std::path::Path;

use anyhow::{Context, Result, bail};
use aws_lc_rs::aead::{self, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::hkdf;

/// The plaintext of one connection.
#[derive(Debug, Default)]
pub struct Plaintext {
    /// From the client.
    pub up: Vec<u8>,
    /// To the client.
    pub down: Vec<u8>,
}

/// Secrets by (label, client random), from a file in the NSS key log format.
#[derive(Debug, Default)]
pub struct KeyLog(HashMap<(String, Vec<u8>), Vec<u8>>);

impl KeyLog {
    /// Reads the file.
    pub fn read(path: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(path)
            .with_context(|| format!("no key log at {}", path.display()))?;
        let mut secrets = HashMap::new();
        for line in text.lines() {
            let parts: Vec<&str> = line.split_whitespace().collect();
            if let [label, random, secret] = parts.as_slice() {
                let decode = |hex: &str| data_encoding::HEXLOWER_PERMISSIVE.decode(hex.as_bytes());
                secrets.insert(((*label).to_owned(), decode(random)?), decode(secret)?);
            }
        }
        Ok(Self(secrets))
    }

    fn secret(&self, label: &str, random: &[u8]) -> Result<&[u8]> {
        let secret = self.0.get(&(label.to_owned(), random.to_vec()));
        secret
            .map(Vec::as_slice)
            .with_context(|| format!("the key log lacks {label}"))
    }
}

/// Every connection recorded in `folder`. One that broke off before it was encrypted counts
/// as it is, in the clear.
pub fn read(folder: &Path, keys: &KeyLog) -> Result<Vec<Plaintext>> {
    let mut connections = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.extension().is_some_and(|ending| ending == "up") {
            let up = std::fs::read(&path)?;
            let down = std::fs::read(path.with_extension("down"))?;
            connections
                .push(decrypt(&up, &down, keys).with_context(|| format!("{}", path.display()))?);
        }
    }
    Ok(connections)
}

fn decrypt(up: &[u8], down: &[u8], keys: &KeyLog) -> Result<Plaintext> {
    let (Some(client_hello), Some(server_hello)) = (handshake(up), handshake(down)) else {
        return Ok(Plaintext {
            up: up.to_vec(),
            down: down.to_vec(),
        });
    };
    // Both hellos: type 1, length 3, version 2, random 32.
    let random = client_hello.get(6..38).context("a short ClientHello")?;
    let suite = Suite::of(server_hello)?;
    let direction = |name: &str, bytes: &[u8]| {
        let early = keys.secret(&format!("{name}_HANDSHAKE_TRAFFIC_SECRET"), random);
        let late = keys.secret(&format!("{name}_TRAFFIC_SECRET_0"), random);
        match (early, late) {
            (Ok(early), Ok(late)) => plaintext(bytes, &suite, early, late),
            // The handshake was cut before there were application keys.
            _ => Ok(Vec::new()),
        }
    };
    Ok(Plaintext {
        up: direction("CLIENT", up)?,
        down: direction("SERVER", down)?,
    })
}

struct Suite {
    aead: &'static aead::Algorithm,
    hkdf: hkdf::Algorithm,
}

impl Suite {
    fn of(server_hello: &[u8]) -> Result<Self> {
        let session = usize::from(*server_hello.get(38).context("a short ServerHello")?);
        let at = 39 + session;
        let id = server_hello
            .get(at..at + 2)
            .context("a short ServerHello")?;
        Ok(match id {
            [0x13, 0x01] => Self {
                aead: &aead::AES_128_GCM,
                hkdf: hkdf::HKDF_SHA256,
            },
            [0x13, 0x02] => Self {
                aead: &aead::AES_256_GCM,
                hkdf: hkdf::HKDF_SHA384,
            },
            [0x13, 0x03] => Self {
                aead: &aead::CHACHA20_POLY1305,
                hkdf: hkdf::HKDF_SHA256,
            },
            other => bail!("cipher suite {other:02x?} is not of TLS 1.3"),
        })
    }
}

struct Length(usize);

impl hkdf::KeyType for Length {
    fn len(&self) -> usize {
        self.0
    }
}

/// HKDF-Expand-Label with an empty context (RFC 8446, 7.1).
fn expand(suite: &Suite, secret: &[u8], label: &str, length: usize) -> Result<Vec<u8>> {
    let label = format!("tls13 {label}");
    let mut info = (length as u16).to_be_bytes().to_vec();
    info.push(label.len() as u8);
    info.extend(label.as_bytes());
    info.push(0);
    let mut out = vec![0; length];
    let prk = hkdf::Prk::new_less_safe(suite.hkdf, secret);
    let info = [info.as_slice()];
    let okm = prk.expand(&info, Length(length)).ok().context("HKDF")?;
    okm.fill(&mut out).ok().context("HKDF")?;
    Ok(out)
}

struct Opener {
    key: LessSafeKey,
    iv: Vec<u8>,
    sequence: u64,
}

impl Opener {
    fn new(suite: &Suite, secret: &[u8]) -> Result<Self> {
        let key = expand(suite, secret, "key", suite.aead.key_len())?;
        let key = LessSafeKey::new(UnboundKey::new(suite.aead, &key).ok().context("a key")?);
        Ok(Self {
            key,
            iv: expand(suite, secret, "iv", 12)?,
            sequence: 0,
        })
    }

    /// Content and its type, or `None` if the key does not fit.
    fn open(&mut self, header: &[u8], body: &[u8]) -> Option<(Vec<u8>, u8)> {
        let mut nonce = [0; 12];
        nonce.copy_from_slice(&self.iv);
        for (byte, mask) in nonce[4..].iter_mut().zip(self.sequence.to_be_bytes()) {
            *byte ^= mask;
        }
        let mut body = body.to_vec();
        let nonce = Nonce::assume_unique_for_key(nonce);
        let open = self
            .key
            .open_in_place(nonce, Aad::from(header), &mut body)
            .ok()?;
        let end = open.iter().rposition(|byte| *byte != 0)?;
        let content = (open[..end].to_vec(), open[end]);
        self.sequence += 1;
        Some(content)
    }
}

const HANDSHAKE: u8 = 22;
const APPLICATION: u8 = 23;

fn plaintext(bytes: &[u8], suite: &Suite, early: &[u8], late: &[u8]) -> Result<Vec<u8>> {
    let mut early = Opener::new(suite, early)?;
    let mut late = Opener::new(suite, late)?;
    let mut out = Vec::new();
    for (header, body) in records(bytes) {
        if header[0] != APPLICATION {
            continue;
        }
        // The handshake's keys never fit again once the application's are in use.
        if let Some((content, kind)) = late.open(header, body) {
            if kind == APPLICATION {
                out.extend(content);
            }
        } else if early.open(header, body).is_none() {
            bail!("a record that no key in the log opens");
        }
    }
    Ok(out)
}

/// TLS records: 5 bytes of header and the body; a torn last one is left out.
fn records(mut bytes: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    std::iter::from_fn(move || {
        let header = bytes.get(..5)?;
        let length = usize::from(u16::from_be_bytes([header[3], header[4]]));
        let body = bytes.get(5..5 + length)?;
        bytes = &bytes[5 + length..];
        Some((header, body))
    })
}

fn handshake(bytes: &[u8]) -> Option<&[u8]> {
    let (header, body) = records(bytes).next()?;
    (header[0] == HANDSHAKE).then_some(body)
}
