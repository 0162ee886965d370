//! The communities that one is in: the rendezvous servers in the configuration file. Who joins is written down there and who leaves is taken
//! out, comments kept; a node that runs is told by whoever asks for it.

use std::hash::{BuildHasher, RandomState};
use std::sync::LazyLock;

use thiserror::Error;

use super::Place;
use super::join::MAX_LINK;
use crate::config::base_url::BaseUrl;
use crate::config::presence::RENDEZVOUS_WAN;
use crate::config::{ConfigErrors, Draft, EditError, Loaded, Origin, can_be_saved};

/// Room that the file must have left before an invitation is used up, in bytes: the longest address, and what stands around it.
const ROOM: usize = 2 * MAX_LINK;

/// Why nobody joined or left; the file is as it was.
#[derive(Debug, Error)]
pub enum MembershipError {
    /// What stands on a command line or in the environment is not changed by changing the file.
    #[error("{RENDEZVOUS_WAN} is set by {0}, which stands above the configuration file: change it there")]
    Elsewhere(Origin),
    /// None of the communities is called that.
    #[error("{0} is none of your communities")]
    Nowhere(String),
    /// The file was not changed.
    #[error(transparent)]
    File(#[from] EditError),
    /// The file has faults, so that nobody knows what stands in it.
    #[error(transparent)]
    Faults(#[from] ConfigErrors),
    /// None of these was done, although an invitation was used up; its secret is told to whoever joins, or it would be lost.
    #[error("{error}. The invitation was taken, so keep the address that it was exchanged for, and join with that: {url}")]
    NotKept {
        /// Why the file was not changed.
        error: Box<MembershipError>,
        /// The personal address.
        url: String,
    },
}

/// Names the membership at `url` apart from those that look alike without their secrets, and says nothing of it: another name in each process.
pub fn id(url: &BaseUrl) -> String {
    static KEY: LazyLock<RandomState> = LazyLock::new(RandomState::new);
    format!("{:016x}", KEY.hash_one(url.url().as_str()))
}

/// A community that was joined.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Joined {
    /// Where; may hold the secret of a member.
    pub url: BaseUrl,
    /// Whether it was one of one's communities before.
    pub already: bool,
}

/// Whether communities can be joined and left by changing the file; asked before an invitation is used up.
///
/// # Errors
/// [`MembershipError::Elsewhere`], the file is read-only, or the disk is full.
pub fn is_ours_to_change(loaded: &Loaded) -> Result<(), MembershipError> {
    if let Some(origin) = loaded.locked_by(RENDEZVOUS_WAN) {
        return Err(MembershipError::Elsewhere(origin.clone()));
    }
    Ok(can_be_saved(&loaded.config_file, ROOM)?)
}

/// Has `edit` change the communities as they stand in the file at this moment, which nobody else changes meanwhile.
fn change<T>(loaded: &Loaded, edit: impl FnOnce(&mut Vec<BaseUrl>) -> Result<T, MembershipError>) -> Result<T, MembershipError> {
    let mut draft = Draft::open(&loaded.config_file)?;
    let now = loaded.as_if(&draft.text())?;
    if let Some(origin) = now.locked_by(RENDEZVOUS_WAN) {
        return Err(MembershipError::Elsewhere(origin.clone()));
    }
    let mut servers = now.config.presence.rendezvous_wan.clone();
    let done = edit(&mut servers)?;
    if servers != now.config.presence.rendezvous_wan {
        draft.set_urls(RENDEZVOUS_WAN, &servers)?;
        draft.save()?;
    }
    Ok(done)
}

/// Writes down that one is a member at `url`, to which a link led ([`super::join::JoinLink::follow`]).
///
/// # Errors
/// See [`MembershipError`].
pub fn join(loaded: &Loaded, url: BaseUrl) -> Result<Joined, MembershipError> {
    let joined = change(loaded, |servers| {
        let already = servers.iter().any(|known| known.bare() == url.bare());
        if !already {
            servers.push(url.clone());
        }
        Ok(already)
    });
    match joined {
        Ok(already) => Ok(Joined { url, already }),
        Err(error) if url.url().path().contains("/m/") => {
            Err(MembershipError::NotKept { error: Box::new(error), url: url.url().to_string() })
        }
        Err(error) => Err(error),
    }
}

/// Takes the community that its member calls `name` out of the file; answers its URL.
///
/// # Errors
/// See [`MembershipError`].
pub fn leave(loaded: &Loaded, name: &str) -> Result<BaseUrl, MembershipError> {
    change(loaded, |servers| {
        let at = servers.iter().position(|server| is_called(server, name)).ok_or_else(|| MembershipError::Nowhere(name.to_owned()))?;
        Ok(servers.remove(at))
    })
}

/// A community went from `from` to `to`; false where it is none of one's communities, or already stands there so.
///
/// # Errors
/// See [`MembershipError`].
pub fn follow(loaded: &Loaded, from: &BaseUrl, to: &BaseUrl) -> Result<bool, MembershipError> {
    change(loaded, |servers| {
        let Some(at) = servers.iter().position(|server| server == from) else { return Ok(false) };
        match servers.contains(to) {
            true => drop(servers.remove(at)),
            false => servers[at] = to.clone(),
        }
        Ok(true)
    })
}

/// Whether `server` is what its member calls `name`: its URL, or the name that lists show; a personal URL also by that of its community.
pub fn is_called(server: &BaseUrl, name: &str) -> bool {
    let name = name.trim().trim_end_matches('/');
    let called = name.split_once("://").map_or(name, |(_, rest)| rest);
    let shown = Place::new(server.clone()).name();
    server.bare() == name || shown == called || shown.split_once("/m/").is_some_and(|(base, _)| base == called)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::fs;

    use super::*;
    use crate::config::{Config, Sources};

    fn loaded(folder: &std::path::Path, toml: &str) -> Loaded {
        fs::write(folder.join("goop.toml"), toml).unwrap();
        Config::load(&Sources { data: Some(folder.to_owned()), env: BTreeMap::new(), ..Sources::default() }).unwrap()
    }

    #[test]
    fn a_community_that_moved_is_written_down_and_its_comment_stays() {
        let folder = tempfile::tempdir().unwrap();
        let toml =
            "[presence]\nrendezvous_wan = [\n    \"https://a.example/c/x\", # the first\n    \"https://b.example\", # the second\n]\n";
        let before = loaded(folder.path(), toml);
        let url = |text: &str| BaseUrl::parse(text).unwrap();
        assert!(follow(&before, &url("https://a.example/c/x"), &url("https://c.example/c/x")).unwrap());
        assert!(!follow(&before, &url("https://z.example"), &url("https://c.example")).unwrap());
        let file = fs::read_to_string(folder.path().join("goop.toml")).unwrap();
        assert!(file.contains("c.example/c/x") && !file.contains("a.example"), "{file}");
        assert!(file.contains("# the first") && file.contains("# the second"), "{file}");
    }

    #[test]
    fn an_invitation_that_was_used_up_is_not_lost_with_the_disk() {
        let folder = tempfile::tempdir().unwrap();
        let mut loaded = loaded(folder.path(), "");
        loaded.config_file = folder.path().join("goop.toml/cannot/be/here");
        let of = |url: &str| join(&loaded, BaseUrl::parse(url).unwrap()).unwrap_err().to_string();
        let why = of("https://rv.example/c/club/m/s3cret");
        assert!(why.contains("cannot/be/here") && why.contains("https://rv.example/c/club/m/s3cret"), "{why}");
        assert!(!of("https://rv.example/c/club").contains("invitation"));
    }

    #[test]
    fn attack_many_who_join_at_once_with_what_they_read_long_ago_lose_no_membership() {
        let folder = tempfile::tempdir().unwrap();
        let loaded = loaded(folder.path(), "# mine\n");
        let url = |joiner: usize, at: usize| BaseUrl::parse(&format!("https://rv.example/c/c{joiner}/m/t{at}")).unwrap();
        std::thread::scope(|scope| {
            for joiner in 0..8 {
                let loaded = &loaded;
                scope.spawn(move || (0..4).for_each(|at| assert!(!join(loaded, url(joiner, at)).unwrap().already)));
            }
        });
        let servers = loaded.again().unwrap().config.presence.rendezvous_wan;
        assert_eq!(servers.len(), 32);
        assert!((0..32).all(|one| servers.contains(&url(one % 8, one / 8))));
        assert!(join(&loaded, url(0, 0)).unwrap().already);
        assert_eq!(leave(&loaded, "https://rv.example/c/c3/m/t2").unwrap(), url(3, 2));
        assert!(follow(&loaded, &url(3, 1), &url(3, 0)).unwrap());
        assert_eq!(loaded.again().unwrap().config.presence.rendezvous_wan.len(), 30, "two that became one are one");
    }

    #[test]
    fn an_invitation_that_was_used_up_is_not_lost_with_faults_in_the_file_either() {
        let folder = tempfile::tempdir().unwrap();
        let loaded = loaded(folder.path(), "");
        for fault in ["[presence", "presence.rendezvous_wan = 1"] {
            fs::write(&loaded.config_file, fault).unwrap();
            let why = join(&loaded, BaseUrl::parse("https://rv.example/c/club/m/s3cret").unwrap()).unwrap_err().to_string();
            assert!(why.contains("goop.toml") && why.contains("https://rv.example/c/club/m/s3cret"), "{why}");
            assert_eq!(fs::read_to_string(&loaded.config_file).unwrap(), fault);
        }
    }

    #[test]
    fn a_member_may_leave_by_the_name_that_lists_show() {
        let personal = BaseUrl::parse("https://rv.example/c/club/m/s3cret").unwrap();
        for name in ["rv.example/c/club", "https://rv.example/c/club/", "rv.example/c/club/m/***", "https://rv.example/c/club/m/s3cret"] {
            assert!(is_called(&personal, name), "{name}");
        }
        assert!(!is_called(&personal, "rv.example"));
    }
}
