//! `/goop/content/1.0.0`: the label of a peer. The opener sends nothing, the other side answers with one line.
//!
//! goop2 opens this stream to see whether a peer can be reached, and often closes it unread.

use tokio::io::BufReader;

use super::StreamError;
use super::line::{finish, printable, read_text_line, write_all};
use crate::peer::Duplex;

/// What goop2 calls a peer without a label.
const NO_LABEL: &str = "hello";
/// Longest label that is sent or read, in bytes.
pub const MAX_LABEL: usize = 4 * 1024;

/// Answer with `label`; control characters, line ends above all, are left out.
pub async fn serve(mut io: impl Duplex, label: &str) -> Result<(), StreamError> {
    let label = printable(label, MAX_LABEL);
    let label = if label.is_empty() { NO_LABEL } else { &label };
    write_all(&mut io, format!("{label}\n").as_bytes()).await?;
    finish(&mut io).await
}

/// The label of the other side, trimmed, without control characters.
pub async fn fetch(io: impl Duplex) -> Result<String, StreamError> {
    let label = read_text_line(&mut BufReader::new(io), MAX_LABEL).await?;
    Ok(printable(label.trim(), MAX_LABEL))
}
