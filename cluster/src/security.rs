//! Which processes may connect to each other: certificates, and a token.

use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use ballista_core::extension::EndpointOverrideFn;
use sha2::{Digest, Sha256};
use tonic::Status;
use tonic::transport::{Certificate, ClientTlsConfig, Endpoint, Identity, ServerTlsConfig};

use crate::error::{Error, Result};

/// The DNS name that every certificate of a cluster has, whichever hosts its processes run on.
pub(crate) const TLS_NAME: &str = "polars-par-apply-cluster";

/// A process's certificates: the authority that it trusts, and its own.
///
/// All processes of a cluster, also drivers, have certificates of one authority, each with the DNS name `polars-par-apply-cluster`. So the
/// certificates need not contain host names. Each side checks the certificate of the other.
#[derive(Clone)]
pub struct Tls {
    authority: Vec<u8>,
    certificate: Vec<u8>,
    key: Vec<u8>,
}

impl Tls {
    /// Makes it from PEM texts: the authority's certificate, this process's certificate, and its private key.
    #[must_use]
    pub fn from_pem(authority: &[u8], certificate: &[u8], key: &[u8]) -> Self {
        Tls {
            authority: authority.to_vec(),
            certificate: certificate.to_vec(),
            key: key.to_vec(),
        }
    }

    /// Reads it from PEM files: the authority's certificate, this process's certificate, and its private key.
    ///
    /// # Errors
    /// A file cannot be read; the message names it.
    pub fn from_files(
        authority: impl AsRef<Path>,
        certificate: impl AsRef<Path>,
        key: impl AsRef<Path>,
    ) -> Result<Self> {
        let read = |path: &Path| {
            std::fs::read(path).map_err(|error| {
                Error::refused(format!("file {:?} cannot be read: {error}", path.display()))
            })
        };
        Ok(Tls {
            authority: read(authority.as_ref())?,
            certificate: read(certificate.as_ref())?,
            key: read(key.as_ref())?,
        })
    }

    fn client(&self) -> ClientTlsConfig {
        ClientTlsConfig::new()
            .ca_certificate(Certificate::from_pem(&self.authority))
            .identity(Identity::from_pem(&self.certificate, &self.key))
            .domain_name(TLS_NAME)
    }

    pub(crate) fn server(&self) -> ServerTlsConfig {
        ServerTlsConfig::new()
            .identity(Identity::from_pem(&self.certificate, &self.key))
            .client_ca_root(Certificate::from_pem(&self.authority))
    }
}

/// Prints no secrets.
impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls").finish_non_exhaustive()
    }
}

/// What protects the connections of a process.
#[derive(Clone, Default)]
pub(crate) struct Security {
    pub(crate) tls: Option<Tls>,
    pub(crate) token: Option<String>,
}

impl fmt::Debug for Security {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Security")
            .field("tls", &self.tls.is_some())
            .field("token", &self.token.is_some())
            .finish()
    }
}

impl Security {
    /// Returns whether anything is protected. Executors then poll for work, since Ballista's service that assigns work to them cannot be
    /// protected.
    pub(crate) fn is_any(&self) -> bool {
        self.tls.is_some() || self.token.is_some()
    }

    pub(crate) fn has_tls(&self) -> bool {
        self.tls.is_some()
    }

    /// Returns the endpoint for an address.
    pub(crate) fn endpoint(
        &self,
        url: &str,
    ) -> Result<Endpoint, Box<dyn std::error::Error + Send + Sync>> {
        self.protect(Endpoint::from_shared(url.to_string())?)
    }

    /// Returns the endpoint with this process's certificate and token, and with timeouts. The token is in the name of the client, since
    /// every connection of Ballista can have one.
    fn protect(
        &self,
        endpoint: Endpoint,
    ) -> Result<Endpoint, Box<dyn std::error::Error + Send + Sync>> {
        let mut endpoint = match &self.tls {
            None => endpoint,
            Some(tls) => {
                // With another scheme, certificates would be silently ignored.
                let host = endpoint
                    .uri()
                    .authority()
                    .ok_or("an address without a host")?;
                Endpoint::from_shared(format!("https://{host}"))?.tls_config(tls.client())?
            }
        };
        if let Some(token) = &self.token {
            endpoint = endpoint.user_agent(digest(token))?;
        }
        Ok(endpoint
            .connect_timeout(Duration::from_secs(5))
            .tcp_nodelay(true)
            .http2_keep_alive_interval(Duration::from_secs(10))
            .keep_alive_timeout(Duration::from_secs(5))
            .keep_alive_while_idle(true)
            .initial_connection_window_size(Some(64 << 20))
            .initial_stream_window_size(Some(16 << 20)))
    }

    pub(crate) fn endpoints(&self) -> EndpointOverrideFn {
        let security = self.clone();
        Arc::new(move |endpoint| security.protect(endpoint))
    }

    /// Returns whether a request has the token.
    pub(crate) fn allows(&self, headers: &http::HeaderMap) -> bool {
        let Some(token) = &self.token else {
            return true;
        };
        let shown = headers
            .get("user-agent")
            .and_then(|name| name.to_str().ok());
        let shown = shown.and_then(|name| name.split(' ').next()).unwrap_or("");
        // Digests are compared, and not the tokens, so that the time of the comparison reveals nothing about the token.
        digest(shown) == digest(&digest(token))
    }

    pub(crate) fn check(
        &self,
    ) -> impl Fn(tonic::Request<()>) -> Result<tonic::Request<()>, Status> + Clone + Send + Sync + 'static
    {
        let security = self.clone();
        move |request: tonic::Request<()>| {
            let headers = request.metadata().clone().into_headers();
            match security.allows(&headers) {
                true => Ok(request),
                false => Err(Status::unauthenticated("the token is missing or wrong")),
            }
        }
    }
}

fn digest(token: &str) -> String {
    let digest = Sha256::digest(token.as_bytes());
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}
