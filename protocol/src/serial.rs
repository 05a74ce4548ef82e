//! Serial numbers of certificates: how one certificate is told from another of the same holder.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Bytes of a serial number, at most (RFC 5280, section 4.1.2.2).
const MOST_BYTES: usize = 20;

/// The serial number of a certificate: 1 to 20 bytes, big-endian, without leading zeros. Text is
/// hexadecimal.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CertificateSerial(Vec<u8>);

/// What is no serial number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a certificate's serial number has 1 to {MOST_BYTES} bytes")]
pub struct SerialError;

impl CertificateSerial {
    /// From its bytes; zeros in front don't count.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, SerialError> {
        let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
        let bytes = &bytes[zeros..];
        if (1..=MOST_BYTES).contains(&bytes.len()) {
            Ok(Self(bytes.to_vec()))
        } else {
            Err(SerialError)
        }
    }

    /// Its bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl FromStr for CertificateSerial {
    type Err = SerialError;

    /// Reads hexadecimal digits; the first zero of an odd number of them may be left out.
    fn from_str(text: &str) -> Result<Self, SerialError> {
        if text.len() > 2 * MOST_BYTES + 2 {
            return Err(SerialError);
        }
        let mut digits = text.to_ascii_lowercase();
        if digits.len() % 2 == 1 {
            digits.insert(0, '0');
        }
        let bytes = data_encoding::HEXLOWER.decode(digits.as_bytes());
        Self::from_bytes(&bytes.map_err(|_| SerialError)?)
    }
}

impl fmt::Display for CertificateSerial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&data_encoding::HEXLOWER.encode(&self.0))
    }
}

impl fmt::Debug for CertificateSerial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CertificateSerial({self})")
    }
}

impl Serialize for CertificateSerial {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(&self.0)
    }
}

impl<'de> Deserialize<'de> for CertificateSerial {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let bytes = serde_bytes::ByteBuf::deserialize(deserializer)?;
        Self::from_bytes(&bytes).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_and_bytes_of_one_number_are_the_same_serial() {
        let serial = CertificateSerial::from_bytes(&[0, 0x4a, 1]).unwrap();
        assert_eq!(serial.as_bytes(), [0x4a, 1]);
        assert_eq!(serial.to_string(), "4a01");
        for text in ["4a01", "4A01", "004a01", "04a01"] {
            assert_eq!(text.parse(), Ok(serial.clone()), "{text}");
        }
        for odd in ["", "0", "4a 1", "xy", &"1".repeat(41), &"1".repeat(1000)] {
            assert_eq!(odd.parse::<CertificateSerial>(), Err(SerialError), "{odd}");
        }
        assert!(CertificateSerial::from_bytes(&[1; 21]).is_err());
    }
}
