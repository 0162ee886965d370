//! A community that moved is written down where its owner would look for it: in the configuration file, its comments kept. So it is found
//! after a restart too, when nobody answers at the old place any more. The hub that told of it is told.

use std::time::Duration;

use tokio::sync::watch;
use tokio::task::{JoinSet, spawn_blocking};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use tracing::{debug, info};

use crate::clients::rendezvous::Place;
use crate::clients::rendezvous::membership;
use crate::clients::superhub::pass_on;
use crate::config::Loaded;
use crate::config::base_url::BaseUrl;
use crate::config::reload::{Applied, ReloadHandle};
use crate::peer::PeerHandle;

/// Between two looks.
const EVERY: Duration = Duration::from_secs(5);

/// Writes moves down, has what is written applied and hubs told, until `stop`.
pub async fn write_down(peer: PeerHandle, current: watch::Receiver<Loaded>, reload: ReloadHandle, stop: CancellationToken) {
    let looking = async {
        let (mut notes, mut telling) = (Notes::default(), JoinSet::new());
        loop {
            sleep(EVERY).await;
            let (moves, loaded) = (peer.moves().await, current.borrow().clone());
            let (written, fresh) = notes.take(&loaded, moves).await;
            if written && reload.ask().await == Applied::NotTold {
                debug!("nobody applies what was written down");
            }
            for (from, _) in fresh {
                telling.spawn(pass_on(loaded.data.clone(), loaded.config.discovery.hubs.clone(), from));
            }
            while telling.try_join_next().is_some() {}
        }
    };
    stop.run_until_cancelled(looking).await;
}

/// From where to where.
type Moved = (BaseUrl, BaseUrl);

/// What came of the moves that are known: `Ok` where there is nothing left to do, else why not, which is told once.
#[derive(Default)]
struct Notes(Vec<(Moved, Result<(), String>)>);

impl Notes {
    /// Writes down what is not yet; answers whether the file changed, and the moves that were not known before.
    async fn take(&mut self, started: &Loaded, moves: Vec<Moved>) -> (bool, Vec<Moved>) {
        self.0.retain(|(known, _)| moves.contains(known));
        let (mut written, mut fresh) = (false, Vec::new());
        for one in moves {
            let before = self.0.iter().position(|(known, _)| *known == one).map(|at| self.0.swap_remove(at).1);
            if before.is_none() {
                fresh.push(one.clone());
            }
            let now = match before {
                Some(Ok(())) => Ok(()),
                before => note(started, &one, before.and_then(Result::err)).await.map(|changed| written |= changed),
            };
            self.0.push((one, now));
        }
        (written, fresh)
    }
}

/// Tries to write down one move, which failed so before.
async fn note(started: &Loaded, (from, to): &Moved, before: Option<String>) -> Result<bool, String> {
    let (started, place, from, to) = (started.clone(), Place::new(to.clone()).name(), from.clone(), to.clone());
    let noted = spawn_blocking(move || membership::follow(&started, &from, &to));
    let noted = noted.await.map_err(|broken| broken.to_string()).and_then(|noted| noted.map_err(|error| error.to_string()));
    match &noted {
        Ok(true) => info!(place, "a community moved, and that was written down"),
        Err(why) if before.as_ref() != Some(why) => info!(place, why, "a community moved; it is followed, and not written down yet"),
        _ => {}
    }
    noted
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::fs;

    use super::*;
    use crate::config::{Config, Sources};

    #[tokio::test]
    async fn a_move_that_could_not_be_written_down_is_tried_again_and_then_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("goop.toml");
        let (broken, before) = ("[presence", "presence.rendezvous_wan = [\"https://a.example/\"]\n");
        fs::write(&path, before).unwrap();
        let sources = Sources { data: Some(folder.path().to_owned()), env: BTreeMap::new(), ..Sources::default() };
        let started = Config::load(&sources).unwrap();
        let url = |text: &str| BaseUrl::parse(text).unwrap();
        let moves = || vec![(url("https://a.example"), url("https://b.example"))];
        let mut notes = Notes::default();
        fs::write(&path, broken).unwrap();
        assert_eq!(notes.take(&started, moves()).await, (false, moves()));
        fs::write(&path, before).unwrap();
        assert_eq!(notes.take(&started, moves()).await, (true, Vec::new()), "once the file is whole again");
        assert!(fs::read_to_string(&path).unwrap().contains("b.example"));
        fs::write(&path, before).unwrap();
        assert!(!notes.take(&started, moves()).await.0, "the owner may undo it");
        assert!(!notes.take(&started, Vec::new()).await.0 && notes.0.is_empty());
    }
}
