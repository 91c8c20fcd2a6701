//! One connection to the server under load, one request at a time.
//!
//! The load shares the machine with the server it measures, so it is made of as little as possible: HTTP/1.1 on a kept
//! connection, without redirects, pools and proxies.

use std::time::Duration;

use anyhow::{Context as _, ensure};
use axum::body::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::header::{CONTENT_TYPE, HOST};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpStream;

/// Longer than a poll is held.
const ANSWER_DEADLINE: Duration = Duration::from_secs(70);

/// A client of the API.
pub(super) struct Client {
    sender: SendRequest<Full<Bytes>>,
    address: String,
}

impl Client {
    /// Connects to `host:port`.
    pub(super) async fn connect(address: &str) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(address).await.with_context(|| format!("cannot connect to {address}"))?;
        stream.set_nodelay(true).context("cannot set up the connection")?;
        let (sender, connection) = handshake(TokioIo::new(stream)).await.context("no HTTP connection")?;
        // It ends with its sender; what goes wrong before that is the answer of the request it goes wrong in.
        tokio::spawn(connection);
        Ok(Self { sender, address: address.to_owned() })
    }

    /// Calls an operation; an answer that is no success is an error with its text.
    pub(super) async fn call(&mut self, operation: &str, body: &Value) -> anyhow::Result<Value> {
        let request = hyper::Request::post("/")
            .header(HOST, &self.address)
            .header("x-amz-target", format!("{}{operation}", protocol::TARGET_PREFIX))
            .header(CONTENT_TYPE, protocol::CONTENT_TYPE)
            .body(Full::new(Bytes::from(body.to_string())))?;
        let answered = async {
            self.sender.ready().await?;
            let answer = self.sender.send_request(request).await?;
            let status = answer.status();
            anyhow::Ok((status, answer.into_body().collect().await?.to_bytes()))
        };
        let answered = tokio::time::timeout(ANSWER_DEADLINE, answered).await;
        let (status, answer) = answered
            .with_context(|| format!("`{operation}` got no answer within {} s", ANSWER_DEADLINE.as_secs()))?
            .with_context(|| format!("`{operation}` got no answer"))?;
        ensure!(status.is_success(), "`{operation}` answered {status}: {}", String::from_utf8_lossy(&answer));
        Ok(serde_json::from_slice(&answer)?)
    }
}
