//! The certificate that the node shows in DTLS, made once and kept, since its hash is part of the node's addresses: `/certhash/…`.
//!
//! The file is the certificate and its key, both as DER, and the SHA-256 of the two. A file that is damaged is an error and not a reason to
//! make another one: every address that others know would be wrong, and nobody would be told.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use libp2p::multiaddr::Protocol;
use libp2p::multihash::Multihash;
use qbtc_core::net::browser::CertHash;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::sign::CertifiedKey;
use sha2::{Digest as _, Sha256};
use str0m::config::DtlsCert;
use str0m::crypto::{CryptoProvider, from_feature_flags};

use crate::files::write_private;

/// SHA2-256 in the table of multihashes.
const SHA2_256: u64 = 0x12;
const CHECKSUM_BYTES: usize = 32;
/// Far above what a certificate of one elliptic key needs.
const FILE_BYTES_MAX: u64 = 16 * 1024;

/// A DTLS certificate with its key.
#[derive(Clone)]
pub struct Certificate {
    cert: DtlsCert,
    hash: [u8; 32],
}

/// Why there is no certificate.
#[derive(Debug, thiserror::Error)]
pub enum CertificateError {
    /// The file cannot be read or made.
    #[error("cannot use the WebRTC certificate {}: {error}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// The file is not what was written.
    #[error(
        "the WebRTC certificate {} is damaged ({reason}): put back a copy, or remove the file to get a new one, with which the node's \
         WebRTC addresses change",
        path.display()
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// The library has made none.
    #[error("no certificate could be made")]
    NotMade,
}

impl Certificate {
    /// A new one.
    ///
    /// # Errors
    /// [`CertificateError::NotMade`].
    pub fn generate() -> Result<Self, CertificateError> {
        let cert = from_feature_flags().dtls_provider.generate_certificate().ok_or(CertificateError::NotMade)?;
        Ok(Self::new(cert))
    }

    /// The one in the file, which only its owner may read; if there is no file, a new one, which is written there.
    ///
    /// # Errors
    /// [`CertificateError`].
    pub fn load_or_generate(path: &Path) -> Result<Self, CertificateError> {
        let failed = |error| CertificateError::Io { path: path.into(), error };
        match File::open(path) {
            Ok(file) => {
                let mut bytes = Vec::new();
                file.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes).map_err(failed)?;
                let damaged = |reason| CertificateError::Damaged { path: path.into(), reason };
                Self::from_bytes(&bytes).map_err(damaged)
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let certificate = Self::generate()?;
                write_private(path, &certificate.to_bytes()).map_err(failed)?;
                Ok(certificate)
            }
            Err(error) => Err(failed(error)),
        }
    }

    fn new(cert: DtlsCert) -> Self {
        let hash = Sha256::digest(&cert.certificate).into();
        Self { cert, hash }
    }

    fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = [&self.cert.certificate[..], &self.cert.private_key].concat();
        let checksum = Sha256::digest(&bytes);
        bytes.extend_from_slice(&checksum);
        bytes
    }

    fn from_bytes(bytes: &[u8]) -> Result<Self, &'static str> {
        let (content, checksum) = bytes.split_last_chunk::<CHECKSUM_BYTES>().ok_or("it is too short")?;
        if Sha256::digest(content)[..] != checksum[..] {
            return Err("its checksum is wrong");
        }
        let (certificate, private_key) = split_der(content).ok_or("it holds no certificate")?;
        if !split_der(private_key).is_some_and(|(_, rest)| rest.is_empty()) {
            return Err("it holds no key");
        }
        // In a connection, a key that cannot be used or is not the certificate's would be a panic or a riddle.
        let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(private_key.to_vec()));
        let chain = vec![CertificateDer::from(certificate.to_vec())];
        let checked = CertifiedKey::from_der(chain, key, &rustls::crypto::aws_lc_rs::default_provider());
        checked.map_err(|_| "its key cannot be used")?;
        Ok(Self::new(DtlsCert { certificate: certificate.into(), private_key: private_key.into() }))
    }

    /// The SHA-256 of its DER, by which browsers know it.
    #[must_use]
    pub const fn cert_hash(&self) -> CertHash {
        CertHash(self.hash)
    }

    /// The same as a multihash.
    #[must_use]
    pub fn multihash(&self) -> Multihash<64> {
        Multihash::wrap(SHA2_256, &self.hash).expect("32 bytes fit in 64")
    }

    /// The part of an address that binds it to this certificate.
    #[must_use]
    pub fn certhash(&self) -> Protocol<'static> {
        Protocol::Certhash(self.multihash())
    }

    pub(super) fn dtls(&self) -> DtlsCert {
        self.cert.clone()
    }
}

impl std::fmt::Debug for Certificate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Certificate").field(&hex::encode(self.hash)).finish()
    }
}

/// The library's cryptography, which each connection shares.
#[must_use]
pub fn crypto() -> Arc<CryptoProvider> {
    Arc::new(from_feature_flags())
}

/// A DER value of a sequence, and what follows it.
fn split_der(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    const SEQUENCE: u8 = 0x30;
    let (&[tag, first], rest) = bytes.split_first_chunk::<2>()?;
    let more = usize::from(first & 0x7f);
    let (length, head) = match first {
        0..=0x7f => (more, 2),
        0x81 | 0x82 => (rest.get(..more)?.iter().fold(0, |length, byte| length << 8 | usize::from(*byte)), 2 + more),
        _ => return None,
    };
    (tag == SEQUENCE).then(|| bytes.split_at_checked(head + length))?
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn kept_over_restarts_and_read_by_nobody_else() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("webrtc.der");
        let first = Certificate::load_or_generate(&path).unwrap();
        let again = Certificate::load_or_generate(&path).unwrap();
        assert_eq!(first.multihash(), again.multihash());
        assert_eq!(first.dtls().private_key, again.dtls().private_key);
        assert_ne!(Certificate::generate().unwrap().multihash(), first.multihash());
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        }
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn the_hash_is_that_of_the_der() {
        let certificate = Certificate::generate().unwrap();
        let multihash = certificate.multihash().to_bytes();
        assert_eq!(multihash[..2], [0x12, 32]);
        assert_eq!(multihash[2..], Sha256::digest(certificate.dtls().certificate)[..]);
    }

    #[test]
    fn a_damaged_file_is_an_error_and_stays() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("webrtc.der");
        Certificate::load_or_generate(&path).unwrap();
        let good = fs::read(&path).unwrap();
        let refused = |bytes: &[u8], reason: &str| {
            fs::write(&path, bytes).unwrap();
            let error = Certificate::load_or_generate(&path).unwrap_err().to_string();
            assert!(
                error.contains(reason) && error.contains("webrtc.der") && error.contains("remove the file"),
                "{error}"
            );
            assert_eq!(fs::read(&path).unwrap(), bytes);
        };
        refused(&[], "too short");
        refused(&good[..good.len() - 1], "checksum");
        for index in [0, 5, good.len() / 2, good.len() - 1] {
            let mut bytes = good.clone();
            bytes[index] ^= 1;
            refused(&bytes, "checksum");
        }
        let sealed = |content: &[u8]| [content, &Sha256::digest(content)[..]].concat();
        let (cert, key) = split_der(&good[..good.len() - CHECKSUM_BYTES]).unwrap();
        refused(&sealed(cert), "no key");
        refused(&sealed(&[cert, key, &[0]].concat()), "no key");
        refused(&sealed(&[1, 2, 3]), "no certificate");
        refused(&sealed(&[cert, &[0x30, 1, 0]].concat()), "cannot be used");
        let other = Certificate::generate().unwrap().dtls().private_key;
        refused(&sealed(&[cert, &other].concat()), "cannot be used");
        fs::write(&path, vec![0; 1 << 20]).unwrap();
        assert!(Certificate::load_or_generate(&path).is_err());
    }

    #[test]
    fn der_lengths() {
        assert_eq!(split_der(&[0x30, 1, 7, 8]), Some((&[0x30, 1, 7][..], &[8][..])));
        assert_eq!(split_der(&[0x30, 0x82, 0, 1, 7]), Some((&[0x30, 0x82, 0, 1, 7][..], &[][..])));
        for bytes in [
            &[][..],
            &[0x30],
            &[0x31, 0],
            &[0x30, 2, 7],
            &[0x30, 0x80, 0, 0],
            &[0x30, 0x83, 0, 0, 1, 7],
            &[0x30, 0x82, 1],
        ] {
            assert_eq!(split_der(bytes), None, "{bytes:?}");
        }
    }
}
