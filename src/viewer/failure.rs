//! What the failure of a peer, a stream or the disk is called in HTTP.

use axum::http::StatusCode;

use crate::clients::rendezvous::join::JoinError;
use crate::clients::rendezvous::membership::MembershipError;
use crate::config::EditError;
use crate::db::DbError;
use crate::http::Problem;
use crate::peer::files::SpoolError;
use crate::peer::memory::MemoryError;
use crate::peer::site_root::SiteError;
use crate::peer::streams::StreamError;
use crate::peer::{ChatError, FetchError, FileError, OpenError};

impl From<OpenError> for Problem {
    fn from(error: OpenError) -> Self {
        let (status, code) = match error {
            OpenError::Oneself => (StatusCode::BAD_REQUEST, "oneself"),
            OpenError::NoAddress => (StatusCode::BAD_GATEWAY, "no-address"),
            OpenError::Unreachable(_) => (StatusCode::BAD_GATEWAY, "unreachable"),
            OpenError::TooOften => (StatusCode::TOO_MANY_REQUESTS, "too-often"),
            OpenError::Unsupported => (StatusCode::BAD_GATEWAY, "unsupported"),
            OpenError::TimedOut => (StatusCode::GATEWAY_TIMEOUT, "timed-out"),
            OpenError::Stopping => (StatusCode::SERVICE_UNAVAILABLE, "stopping"),
        };
        Self::new(status, code, error.to_string())
    }
}

impl From<StreamError> for Problem {
    fn from(error: StreamError) -> Self {
        match error {
            StreamError::Idle | StreamError::TooSlow => Self::new(StatusCode::GATEWAY_TIMEOUT, "timed-out", "the peer stopped answering"),
            other => Self::new(StatusCode::BAD_GATEWAY, "broken-stream", other.to_string()),
        }
    }
}

impl From<FetchError> for Problem {
    fn from(error: FetchError) -> Self {
        match error {
            FetchError::Open(error) => error.into(),
            FetchError::Stream(error) => error.into(),
            FetchError::Refused(word) => match word.as_str() {
                "not found" => Self::not_found("this peer's site has no such file"),
                "forbidden" => Self::forbidden("this peer does not serve that file"),
                "site disabled" => Self::not_found("this peer has no site"),
                "bad request" => Self::bad_request("the peer did not understand the path"),
                _ => Self::new(StatusCode::BAD_GATEWAY, "refused", format!("the peer answered: {word}")),
            },
        }
    }
}

impl From<ChatError> for Problem {
    fn from(error: ChatError) -> Self {
        match error {
            ChatError::Length | ChatError::Oneself => Self::bad_request(error.to_string()),
            ChatError::Blocked => Self::new(StatusCode::CONFLICT, "blocked", error.to_string()),
            ChatError::NoCommunity(_) => Self::not_found(error.to_string()),
            ChatError::Open(error) => error.into(),
            ChatError::Stream(error) => error.into(),
            ChatError::Memory(error) => error.into(),
        }
    }
}

impl From<FileError> for Problem {
    fn from(error: FileError) -> Self {
        match error {
            FileError::Oneself => Self::bad_request(error.to_string()),
            FileError::Blocked => Self::new(StatusCode::CONFLICT, "blocked", error.to_string()),
            FileError::NotNow(_) => Self::new(StatusCode::CONFLICT, "not-now", error.to_string()),
            FileError::NotTaken(_) => Self::new(StatusCode::BAD_GATEWAY, "not-taken", error.to_string()),
            FileError::Spool(SpoolError::TooLarge { limit }) => Self::too_large(limit),
            FileError::Spool(SpoolError::Full) => full(),
            FileError::Spool(SpoolError::Source(cause)) => SiteError::Io(cause).into(),
            FileError::Spool(SpoolError::Io(cause)) => broken_disk(&cause),
            FileError::Site(error) => error.into(),
            FileError::Memory(MemoryError::Nothing) => Self::not_found("there is no file of this number"),
            FileError::Memory(error) => error.into(),
        }
    }
}

impl From<MemoryError> for Problem {
    fn from(error: MemoryError) -> Self {
        match error {
            MemoryError::Db(DbError::Full { .. }) => full(),
            MemoryError::Db(error) => {
                tracing::error!(%error, "the database does not work");
                Self::new(StatusCode::SERVICE_UNAVAILABLE, "database", "the database does not work; the log says why")
            }
            MemoryError::Nothing => Self::not_found(error.to_string()),
            MemoryError::TooMany { .. } => Self::new(StatusCode::INSUFFICIENT_STORAGE, "too-many", error.to_string()),
            MemoryError::Stopping => Self::new(StatusCode::SERVICE_UNAVAILABLE, "stopping", error.to_string()),
        }
    }
}

impl From<SiteError> for Problem {
    fn from(error: SiteError) -> Self {
        match error {
            SiteError::NoSite | SiteError::NotFound => Self::not_found(error.to_string()),
            SiteError::Forbidden => Self::forbidden("a site never serves files of this name"),
            SiteError::Changed => Self::new(StatusCode::PRECONDITION_FAILED, "changed", error.to_string()),
            SiteError::Taken => Self::new(StatusCode::CONFLICT, "taken", error.to_string()),
            SiteError::TooLarge { limit } => Self::too_large(limit),
            SiteError::Full => full(),
            SiteError::Io(cause) if cause.kind() == std::io::ErrorKind::TimedOut => {
                Self::new(StatusCode::REQUEST_TIMEOUT, "too-slow", "the body came too slowly")
            }
            SiteError::Io(cause) if cause.kind() == std::io::ErrorKind::UnexpectedEof => Self::bad_request("the body ended early"),
            SiteError::Io(cause) => broken_disk(&cause),
        }
    }
}

impl From<JoinError> for Problem {
    fn from(error: JoinError) -> Self {
        let words = error.to_string();
        match error {
            JoinError::Link(_) => Self::bad_request(words),
            JoinError::Refused { .. } => Self::new(StatusCode::FORBIDDEN, "not-let-in", words),
            JoinError::Undecided => Self::new(StatusCode::CONFLICT, "not-now", words),
            JoinError::Unreachable(..) | JoinError::Withheld(..) => Self::new(StatusCode::BAD_GATEWAY, "unreachable", words),
            JoinError::NoServer(_) | JoinError::NoCommunity(_) | JoinError::SomethingElse(_) => {
                Self::new(StatusCode::BAD_GATEWAY, "refused", words)
            }
        }
    }
}

impl From<MembershipError> for Problem {
    fn from(error: MembershipError) -> Self {
        match error {
            MembershipError::File(error) => error.into(),
            MembershipError::Faults(faults) => Self::new(StatusCode::CONFLICT, "bad-config", faults.to_string()),
            MembershipError::NotKept { .. } => Self::new(StatusCode::CONFLICT, "not-saved", error.to_string()),
            MembershipError::Elsewhere(_) => Self::new(StatusCode::CONFLICT, "locked", error.to_string()),
            MembershipError::Nowhere(_) => Self::not_found(error.to_string()),
        }
    }
}

impl From<EditError> for Problem {
    fn from(error: EditError) -> Self {
        use std::io::ErrorKind::{QuotaExceeded, StorageFull};
        match &error {
            EditError::UnknownKey { .. } | EditError::Refused { .. } => Self::bad_request(error.to_string()),
            EditError::Changed(_) => Self::new(StatusCode::PRECONDITION_FAILED, "changed", error.to_string()),
            EditError::TooLong(_) => Self::new(StatusCode::CONFLICT, "not-saved", error.to_string()),
            EditError::Malformed { .. } => Self::new(StatusCode::CONFLICT, "bad-config", error.to_string()),
            EditError::Io { error: cause, .. } if matches!(cause.kind(), StorageFull | QuotaExceeded) => full(),
            // The file is the owner's, and its path is on the page.
            EditError::ReadOnly { .. } | EditError::Io { .. } => Self::new(StatusCode::CONFLICT, "not-saved", error.to_string()),
        }
    }
}

/// A failed write outside the site, to our own files.
pub(super) fn of_disk(cause: &std::io::Error) -> Problem {
    use std::io::ErrorKind::{QuotaExceeded, StorageFull};
    if matches!(cause.kind(), StorageFull | QuotaExceeded) { full() } else { broken_disk(cause) }
}

fn full() -> Problem {
    Problem::new(StatusCode::INSUFFICIENT_STORAGE, "disk-full", "the disk is full; nothing was changed")
}

/// The cause names paths of this machine, so it goes to the log and not over the wire.
fn broken_disk(cause: &std::io::Error) -> Problem {
    tracing::error!(%cause, "the disk failed");
    Problem::internal()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// THREATS 54.
    #[test]
    fn a_full_disk_is_507_wherever_it_is_met() {
        for problem in [Problem::from(SiteError::Full), of_disk(&std::io::ErrorKind::StorageFull.into())] {
            assert_eq!(problem.status(), StatusCode::INSUFFICIENT_STORAGE);
        }
        assert_eq!(of_disk(&std::io::ErrorKind::PermissionDenied.into()).status(), StatusCode::INTERNAL_SERVER_ERROR);
    }
}
