//! How many files and sockets this process may have open.

use rustix::io;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tracing::warn;

use crate::doctor::ENOUGH_FILES;

/// Raises the limit of open files to what the system allows. Below [`ENOUGH_FILES`] it warns; the node runs, and refuses what it cannot open.
pub(super) fn raise_limit() {
    let allowed = raise().unwrap_or_else(|_| getrlimit(Resource::Nofile).current);
    if let Some(allowed) = allowed.filter(|allowed| *allowed < ENOUGH_FILES) {
        warn!(allowed, "few files may be open at a time (ulimit -n); under load, requests will be refused");
    }
}

fn raise() -> io::Result<Option<u64>> {
    let maximum = getrlimit(Resource::Nofile).maximum;
    setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum })?;
    Ok(maximum)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_files_that_the_system_allows_may_be_open() {
        raise_limit();
        let limit = getrlimit(Resource::Nofile);
        assert_eq!(limit.current, limit.maximum);
    }
}
