//! Passwords: argon2id, hashed on a blocking thread.

use argon2::Argon2;
use argon2::password_hash::{PasswordHash, PasswordHasher, PasswordVerifier, SaltString};

use crate::error::{Error, Result};
use crate::random;

/// The fewest characters of a password.
const SHORTEST: usize = 10;
/// The most bytes of a password.
const LONGEST: usize = 256;

/// Whether a user may be called so.
pub(crate) fn check_name(name: &str) -> Result<()> {
    let sound = (1..=64).contains(&name.len())
        && name
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"-_.@".contains(&b));
    if sound {
        return Ok(());
    }
    Err(Error::invalid(
        "a user's name has 1 to 64 letters, digits, '-', '_', '.' or '@'",
    ))
}

/// The hash of a new password, in PHC form.
pub(crate) async fn hash(password: String) -> Result<String> {
    if password.chars().count() < SHORTEST || password.len() > LONGEST {
        return Err(Error::invalid(format!(
            "a password has {SHORTEST} characters or more, and {LONGEST} bytes at most"
        )));
    }
    blocking(move || {
        let salt = SaltString::encode_b64(&random::bytes::<16>())
            .map_err(|error| Error::Internal(error.to_string()))?;
        let hash = Argon2::default()
            .hash_password(password.as_bytes(), &salt)
            .map_err(|error| Error::Internal(error.to_string()))?;
        Ok(hash.to_string())
    })
    .await
}

/// Whether `password` is the one behind `hash`. Without a hash (there is no such user) it takes
/// as long, and is wrong.
pub(crate) async fn verify(password: String, hash: Option<String>) -> Result<bool> {
    // A hash of nothing that anybody knows.
    const NOBODY: &str = "$argon2id$v=19$m=19456,t=2,p=1$bm9ib2R5bm9ib2R5bm9ib2R5$\
                          AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
    if password.len() > LONGEST {
        return Ok(false);
    }
    blocking(move || {
        let known = hash.is_some();
        let hash = hash.unwrap_or_else(|| NOBODY.to_owned());
        let parsed =
            PasswordHash::new(&hash).map_err(|error| Error::corrupt("password hash", error))?;
        Ok(Argon2::default()
            .verify_password(password.as_bytes(), &parsed)
            .is_ok()
            && known)
    })
    .await
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|error| Error::Internal(format!("hashing a password failed: {error}")))?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn only_the_password_fits_its_hash() {
        let hash = hash("correct horse".into()).await.unwrap();
        assert!(hash.starts_with("$argon2id$"));
        assert!(
            verify("correct horse".into(), Some(hash.clone()))
                .await
                .unwrap()
        );
        assert!(!verify("wrong horse".into(), Some(hash)).await.unwrap());
        assert!(!verify("correct horse".into(), None).await.unwrap());
        assert!(super::hash("short".into()).await.is_err());
    }
}
