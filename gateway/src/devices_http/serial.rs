//! Which certificate was shown.

use noroshi_protocol::CertificateSerial;
use x509_parser::certificate::X509Certificate;
use x509_parser::prelude::FromDer as _;

/// The serial number of a certificate (DER); none if it is none, or has one that no certificate
/// of ours has.
pub fn certificate_serial(certificate: &[u8]) -> Option<CertificateSerial> {
    let (_, certificate) = X509Certificate::from_der(certificate).ok()?;
    CertificateSerial::from_bytes(certificate.raw_serial()).ok()
}
