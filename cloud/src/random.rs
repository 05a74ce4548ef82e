//! Random bytes and the ids made of them.

use std::str::FromStr;

/// `N` random bytes from the system.
pub(crate) fn bytes<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    aws_lc_rs::rand::fill(&mut bytes).expect("the system gives random numbers");
    bytes
}

/// The text of a new id: 16 of `[a-z2-7]`, 80 random bits.
pub(crate) fn short_id() -> String {
    data_encoding::BASE32_NOPAD
        .encode(&bytes::<10>())
        .to_ascii_lowercase()
}

/// A new id: 16 of `[a-z2-7]`, 80 random bits.
pub(crate) fn id<T: FromStr>() -> T {
    T::from_str(&short_id()).unwrap_or_else(|_| unreachable!("16 base32 characters are an id"))
}

/// A secret that a person can copy: 32 of `[a-z2-7]`, 160 random bits.
pub(crate) fn secret() -> String {
    data_encoding::BASE32_NOPAD
        .encode(&bytes::<20>())
        .to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_ids_and_differ() {
        let one: noroshi_protocol::DeviceId = id();
        let other: noroshi_protocol::DeviceId = id();
        assert_ne!(one, other);
        assert_eq!(secret().len(), 32);
    }
}
