//! `[viewer]`: the pages on this machine.

use super::net::ViewerAddr;
use super::section::section;

section! {
    /// The pages on this machine.
    ViewerConfig in "viewer" {
        /// Where the pages for you are: an address of this machine alone (127.0.0.1 or ::1), or "off". Port 0: a free one.
        /// If the default port is in use, a free one is taken; one that you set must be free.
        http_addr: ViewerAddr = ViewerAddr::default();
    }
}
