//! TLS as libp2p has it, with keys that a quantum computer cannot find.
//!
//! Both ends show a certificate that binds their peer id ([libp2p's specification](https://github.com/libp2p/specs/blob/master/tls/tls.md)):
//! TLS 1.3 only, ALPN `libp2p`, no resumption. The one key exchange offered and taken is X25519MLKEM768: a link between nodes has it, or it
//! is not made. Who the peer is rests on classical signatures, which only a quantum computer that is there at the time could forge.

use std::io;
use std::net::Ipv4Addr;
use std::sync::Arc;

use futures_rustls::{TlsAcceptor, TlsConnector, TlsStream};
use futures_util::future::BoxFuture;
use futures_util::{AsyncRead, AsyncWrite, FutureExt as _};
use libp2p::PeerId;
use libp2p::core::UpgradeInfo;
use libp2p::core::upgrade::{InboundConnectionUpgrade, OutboundConnectionUpgrade};
use libp2p::tls::certificate::{self, P2pCertificate};
use rustls::client::Resumption;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::aws_lc_rs::{cipher_suite, default_provider, kx_group};
use rustls::crypto::{CryptoProvider, SupportedKxGroup};
use rustls::pki_types::{CertificateDer, IpAddr, ServerName, UnixTime};
use rustls::server::NoServerSessionStorage;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{
    CertificateError, ClientConfig, CommonState, DigitallySignedStruct, DistinguishedName, NamedGroup, OtherError,
    ServerConfig, SignatureScheme,
};

use crate::p2p::identity::Identity;

/// The key exchange of every link between nodes.
pub(super) const GROUP: NamedGroup = NamedGroup::X25519MLKEM768;
const ALPN: &[u8] = b"libp2p";

/// What this node shows and demands in a handshake.
#[derive(Clone, Debug)]
pub(super) struct Tls {
    provider: Arc<CryptoProvider>,
    certificate: Arc<SingleCertAndKey>,
}

/// Why a link is not secured.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// This node's certificate could not be made.
    #[error("cannot make a certificate: {0}")]
    Certificate(String),
    /// The handshake failed.
    #[error("handshake: {0}")]
    Handshake(#[from] io::Error),
    /// The peer's certificate is not libp2p's.
    #[error("the peer's certificate: {0}")]
    PeerCertificate(#[from] certificate::ParseError),
    /// There is not exactly one certificate.
    #[error("{found} certificates: expected one")]
    CertificateCount {
        /// How many.
        found: usize,
    },
    /// The handshake ended with another key exchange than the one offered.
    #[error("key exchange {found:?}: expected {GROUP:?}")]
    KeyExchange {
        /// Which.
        found: Option<NamedGroup>,
    },
}

/// The protocol's name.
pub(super) const NAME: &str = "/tls/1.0.0";

impl Tls {
    /// Shows this identity.
    ///
    /// # Errors
    /// [`TlsError::Certificate`].
    pub(super) fn new(identity: &Identity) -> Result<Self, TlsError> {
        Self::with_groups(identity, vec![kx_group::X25519MLKEM768])
    }

    fn with_groups(identity: &Identity, kx_groups: Vec<&'static dyn SupportedKxGroup>) -> Result<Self, TlsError> {
        let failed = |error: &dyn std::fmt::Display| TlsError::Certificate(error.to_string());
        let cipher_suites = vec![
            cipher_suite::TLS13_AES_256_GCM_SHA384,
            cipher_suite::TLS13_CHACHA20_POLY1305_SHA256,
            // QUIC's first packets have it by definition.
            cipher_suite::TLS13_AES_128_GCM_SHA256,
        ];
        let provider = CryptoProvider { cipher_suites, kx_groups, ..default_provider() };
        let (certificate, key) = certificate::generate(identity.keypair()).map_err(|error| failed(&error))?;
        let key = provider.key_provider.load_private_key(key).map_err(|error| failed(&error))?;
        let certificate = Arc::new(CertifiedKey::new(vec![certificate], key).into());
        Ok(Self { provider: Arc::new(provider), certificate })
    }

    /// For links that this node makes, if it knows to whom.
    #[must_use]
    pub(super) fn client(&self, expected: Option<PeerId>) -> ClientConfig {
        let verifier: Arc<dyn ServerCertVerifier> = Arc::new(Verifier { expected });
        let mut config = ClientConfig::builder_with_provider(Arc::clone(&self.provider))
            .with_protocol_versions(&[&rustls::version::TLS13])
            .expect("the provider has suites and a group of TLS 1.3")
            .dangerous()
            .with_custom_certificate_verifier(verifier)
            .with_client_cert_resolver(self.certificate.clone());
        config.alpn_protocols = vec![ALPN.to_vec()];
        config.enable_sni = false;
        config.resumption = Resumption::disabled();
        config
    }

    /// For links that others make.
    #[must_use]
    pub(super) fn server(&self) -> ServerConfig {
        let mut config = ServerConfig::builder_with_provider(Arc::clone(&self.provider))
            .with_protocol_versions(&[&rustls::version::TLS13])
            .expect("the provider has suites and a group of TLS 1.3")
            .with_client_cert_verifier(Arc::new(Verifier { expected: None }))
            .with_cert_resolver(self.certificate.clone());
        config.alpn_protocols = vec![ALPN.to_vec()];
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.send_tls13_tickets = 0;
        config
    }
}

/// The peer id that the one certificate of a finished handshake binds.
pub(super) fn peer_id(certificates: Option<&[CertificateDer<'_>]>) -> Result<PeerId, TlsError> {
    match certificates.unwrap_or_default() {
        [certificate] => Ok(certificate::parse(certificate)?.peer_id()),
        other => Err(TlsError::CertificateCount { found: other.len() }),
    }
}

/// Who the peer is, once a handshake has ended as it must.
fn finished(state: &CommonState) -> Result<PeerId, TlsError> {
    let found = state.negotiated_key_exchange_group().map(SupportedKxGroup::name);
    if found != Some(GROUP) {
        return Err(TlsError::KeyExchange { found });
    }
    peer_id(state.peer_certificates())
}

impl UpgradeInfo for Tls {
    type Info = &'static str;
    type InfoIter = std::iter::Once<&'static str>;

    fn protocol_info(&self) -> Self::InfoIter {
        std::iter::once(NAME)
    }
}

impl<C: AsyncRead + AsyncWrite + Send + Unpin + 'static> InboundConnectionUpgrade<C> for Tls {
    type Output = (PeerId, TlsStream<C>);
    type Error = TlsError;
    type Future = BoxFuture<'static, Result<Self::Output, Self::Error>>;

    fn upgrade_inbound(self, socket: C, _: Self::Info) -> Self::Future {
        async move {
            let stream = TlsAcceptor::from(Arc::new(self.server())).accept(socket).await?;
            Ok((finished(stream.get_ref().1)?, stream.into()))
        }
        .boxed()
    }
}

impl<C: AsyncRead + AsyncWrite + Send + Unpin + 'static> OutboundConnectionUpgrade<C> for Tls {
    type Output = (PeerId, TlsStream<C>);
    type Error = TlsError;
    type Future = BoxFuture<'static, Result<Self::Output, Self::Error>>;

    fn upgrade_outbound(self, socket: C, _: Self::Info) -> Self::Future {
        async move {
            // Names mean nothing here; an address is never sent. Whether it is the peer that was dialled, the swarm asks.
            let name = ServerName::IpAddress(IpAddr::from(std::net::IpAddr::V4(Ipv4Addr::UNSPECIFIED)));
            let stream = TlsConnector::from(Arc::new(self.client(None))).connect(name, socket).await?;
            Ok((finished(stream.get_ref().1)?, stream.into()))
        }
        .boxed()
    }
}

/// Takes one certificate with libp2p's extension, whose self-signature and binding hold.
#[derive(Debug)]
struct Verifier {
    /// Only of this peer.
    expected: Option<PeerId>,
}

impl Verifier {
    fn verify(&self, certificate: &CertificateDer<'_>, others: &[CertificateDer<'_>]) -> Result<(), rustls::Error> {
        if !others.is_empty() {
            return Err(CertificateError::BadEncoding.into());
        }
        let found = parse(certificate)?.peer_id();
        if self.expected.is_some_and(|expected| expected != found) {
            return Err(CertificateError::ApplicationVerificationFailure.into());
        }
        Ok(())
    }
}

fn parse<'a>(certificate: &'a CertificateDer<'a>) -> Result<P2pCertificate<'a>, rustls::Error> {
    certificate::parse(certificate).map_err(|error| CertificateError::Other(OtherError(Arc::new(error))).into())
}

fn verify_signature(
    message: &[u8],
    certificate: &CertificateDer<'_>,
    signed: &DigitallySignedStruct,
) -> Result<HandshakeSignatureValid, rustls::Error> {
    parse(certificate)?
        .verify_signature(signed.scheme, message, signed.signature())
        .map(|()| HandshakeSignatureValid::assertion())
        .map_err(|_| CertificateError::BadSignature.into())
}

/// That a signature of TLS 1.2 came, which is not spoken here.
fn no_tls12() -> Result<HandshakeSignatureValid, rustls::Error> {
    Err(rustls::Error::PeerIncompatible(rustls::PeerIncompatible::ServerDoesNotSupportTls12Or13))
}

/// Those that libp2p's certificates are made with.
const SCHEMES: [SignatureScheme; 6] = [
    SignatureScheme::ECDSA_NISTP256_SHA256,
    SignatureScheme::ECDSA_NISTP384_SHA384,
    SignatureScheme::ED25519,
    SignatureScheme::RSA_PSS_SHA512,
    SignatureScheme::RSA_PSS_SHA384,
    SignatureScheme::RSA_PSS_SHA256,
];

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        self.verify(end_entity, intermediates).map(|()| ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        no_tls12()
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_signature(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        SCHEMES.to_vec()
    }
}

impl ClientCertVerifier for Verifier {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        self.verify(end_entity, intermediates).map(|()| ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        no_tls12()
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_signature(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        SCHEMES.to_vec()
    }
}

#[cfg(test)]
impl Tls {
    /// A peer that has no post-quantum key exchange.
    pub(super) fn classical(identity: &Identity) -> Self {
        Self::with_groups(identity, vec![kx_group::X25519]).unwrap()
    }
}
