//! Which cryptography TLS connections use.
//!
//! Two providers are in the build: ring, which our HTTP clients are made for, and aws-lc-rs, which comes with deltalake.
//! With two of them rustls has no default of its own, and a client that asks for it panics.

/// Makes ring the default of the process. Call it first thing in `main`; again does nothing.
pub fn install_crypto_provider() {
    // Fails if there is a default already: ours, or that of whoever embeds this library.
    let _ = rustls::crypto::ring::default_provider().install_default();
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lake::{Lake, S3Access};

    #[tokio::test]
    async fn https_clients_are_made_with_a_known_provider() {
        install_crypto_provider();
        install_crypto_provider();
        assert!(rustls::crypto::CryptoProvider::get_default().is_some());
        // Panics where the default is ambiguous.
        let _ = rustls::ClientConfig::builder().with_root_certificates(rustls::RootCertStore::empty());
        let client = reqwest::Client::builder().https_only(true).build().unwrap();
        let refused = client.get("https://127.0.0.1:1/").send().await.unwrap_err();
        assert!(refused.is_connect(), "{refused:?}");

        let access = S3Access {
            endpoint: "https://127.0.0.1:1".to_owned(),
            region: "us-east-1".to_owned(),
            access_key_id: "test".to_owned(),
            secret_access_key: "test".to_owned(),
        };
        Lake::at("s3://").unwrap().with_s3_access(access).folder("bucket", "key").unwrap();
    }
}
