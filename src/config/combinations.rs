//! Values that are right alone and impossible together.

use std::path::{Component, Path, PathBuf};

use super::error::{Fault, Origin};
use super::layers::Sources;
use super::load::Loaded;

/// Every impossible combination of a configuration.
pub(super) fn faults(loaded: &Loaded, sources: &Sources) -> Vec<Fault> {
    [heartbeat(loaded), password(sources), port(loaded, sources), no_public_role(loaded), site(loaded)].into_iter().flatten().collect()
}

/// A fault of `key`, placed where the key was set.
fn fault(loaded: &Loaded, key: &str, message: impl Into<String>) -> Option<Fault> {
    Some(Fault::new(loaded.origin(key).clone(), key, message))
}

fn heartbeat(loaded: &Loaded) -> Option<Fault> {
    let presence = &loaded.config.presence;
    if presence.heartbeat_seconds < presence.ttl_seconds {
        return None;
    }
    let key = if loaded.is_explicit("presence.heartbeat_seconds") { "presence.heartbeat_seconds" } else { "presence.ttl_seconds" };
    let (heartbeat, ttl) = (presence.heartbeat_seconds.as_secs(), presence.ttl_seconds.as_secs());
    let message = format!("heartbeat_seconds ({heartbeat}) must be less than ttl_seconds ({ttl}), or peers go offline between two of them");
    fault(loaded, key, message)
}

fn password(sources: &Sources) -> Option<Fault> {
    let (plain, file) = ("GOOP_PRESENCE__ADMIN_PASSWORD", "GOOP_PRESENCE__ADMIN_PASSWORD_FILE");
    let both = sources.env.contains_key(plain) && sources.env.contains_key(file);
    both.then(|| Fault::new(Origin::Env(file.to_owned()), "presence.admin_password", format!("{plain} is set too: keep one of them")))
}

/// `PORT` belongs to the public roles; where none runs, it is nobody's business.
fn port(loaded: &Loaded, sources: &Sources) -> Option<Fault> {
    let given = sources.env.get("PORT")?;
    let public_role = loaded.config.presence.hosts_rendezvous() || loaded.config.superhub.enabled;
    let refused = public_role && given.trim().parse::<u16>().is_err();
    refused.then(|| Fault::new(Origin::Env("PORT".to_owned()), "presence.rendezvous_port", "must be a whole number from 0 to 65535"))
}

/// Whoever says on the command line where others shall reach a public role wants one to run.
fn no_public_role(loaded: &Loaded) -> Option<Fault> {
    if loaded.config.presence.hosts_rendezvous() || loaded.config.superhub.enabled {
        return None;
    }
    let by_option = |key: &&str| matches!(loaded.origin(key), Origin::Flag(_));
    let key = ["presence.rendezvous_bind", "presence.rendezvous_port"].into_iter().find(by_option)?;
    fault(loaded, key, "no public role runs that would listen there: add --rendezvous-host, --rendezvous-only or --superhub")
}

/// Everyone may read the site, so nothing of ours may lie in it.
fn site(loaded: &Loaded) -> Option<Fault> {
    let site = lexically_clean(&loaded.data.site(&loaded.config));
    let downloads = loaded.data.downloads(&loaded.config);
    let ours = [loaded.data.identity_key(&loaded.config), loaded.data.run_json(), loaded.config_file.clone(), downloads];
    let inside = ours.iter().find(|file| lexically_clean(file).starts_with(&site))?;
    let message = format!("everyone may read the site, and {} would lie in it: choose a folder of its own", inside.display());
    fault(loaded, "paths.site_root", message)
}

/// The path without `.` and `..`, as far as that can be told without asking the disk.
fn lexically_clean(path: &Path) -> PathBuf {
    let mut clean = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir if clean.file_name().is_some() => {
                clean.pop();
            }
            other => clean.push(other),
        }
    }
    clean
}
