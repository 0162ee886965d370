//! What becomes of every question over HTTP: an answer, of which no more is read than was meant to be, or a cause.

use std::error::Error;
use std::time::Duration;

use reqwest::Response;
use thiserror::Error;

/// Why the body of an answer is not there.
#[derive(Debug, Error)]
pub enum ReadError {
    /// It ended early, or did not come in time.
    #[error(transparent)]
    Broken(#[from] reqwest::Error),
    /// There is more of it than was to be read.
    #[error("its answer is too long")]
    TooLong,
}

/// The body of an answer, where it is whole and at most `most` bytes long; of a longer one no more than that is held.
///
/// # Errors
/// See [`ReadError`].
pub async fn read(mut answer: Response, most: usize) -> Result<Vec<u8>, ReadError> {
    let mut body = Vec::new();
    while let Some(piece) = answer.chunk().await? {
        if body.len() + piece.len() > most {
            return Err(ReadError::TooLong);
        }
        body.extend_from_slice(&piece);
    }
    Ok(body)
}

/// The last cause says it best: `Connection refused`, an unknown host, `invalid peer certificate: Expired`.
pub fn innermost(error: &dyn Error) -> &dyn Error {
    let mut cause = error;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    cause
}

/// Why there was no answer within `patience`, as people are told.
pub fn why(error: &reqwest::Error, patience: Duration) -> String {
    if error.is_timeout() { format!("no answer within {} s", patience.as_secs()) } else { innermost(error).to_string() }
}

impl ReadError {
    /// The same of a body.
    pub fn why(&self, patience: Duration) -> String {
        match self {
            Self::Broken(error) => why(error, patience),
            Self::TooLong => self.to_string(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;

    /// What is read, at most four bytes of it, of a server that sends these bytes and closes.
    async fn of(sent: &'static [u8]) -> Result<Vec<u8>, ReadError> {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        tokio::spawn(async move {
            let (mut socket, _) = listener.accept().await.unwrap();
            let _ = socket.read(&mut [0; 4096]).await;
            let _ = socket.write_all(sent).await;
        });
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        read(client.get(format!("http://{addr}")).send().await.unwrap(), 4).await
    }

    #[tokio::test]
    async fn attack_no_more_of_an_answer_is_read_than_was_meant_to_be() {
        assert_eq!(of(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nfour").await.unwrap(), b"four");
        let endless = of(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n3\r\ncde\r\n").await;
        assert!(matches!(endless, Err(ReadError::TooLong)), "{endless:?}");
        let broken = of(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nfou").await;
        assert!(matches!(broken, Err(ReadError::Broken(_))), "{broken:?}");
    }

    #[derive(Debug, Error)]
    #[error("no answer")]
    struct Around(#[source] Within);

    #[derive(Debug, Error)]
    #[error("no connection")]
    struct Within(#[source] io::Error);

    #[test]
    fn the_last_cause_is_the_one_that_is_told() {
        let refused = || io::Error::from(io::ErrorKind::ConnectionRefused);
        assert_eq!(innermost(&Around(Within(refused()))).to_string(), refused().to_string());
        assert_eq!(innermost(&refused()).to_string(), refused().to_string());
    }
}
