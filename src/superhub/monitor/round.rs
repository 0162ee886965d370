//! Which servers are due, and what becomes of what was seen.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;
use tracing::warn;

use super::asking::{Answer, AskError};
use super::leases::LeaseTime;
use super::prober::LOOKING;
use crate::clock::{Moment, UnixMillis};
use crate::proto::directory::Endpoint;
use crate::proto::directory::target::Trust;
use crate::proto::health::{Health, Observation, after};
use crate::superhub::App;
use crate::superhub::directory::{Desk, Observed, StoreError};

/// Between two looks at what is due.
const TICK: Duration = Duration::from_secs(1);
/// Endpoints of one look: as many as may be asked in a [`TICK`].
const AT_ONCE: usize = LOOKING.burst as usize;
/// Questions that wait for their answer.
const OPEN: usize = 64;
/// How soon a server that answered is asked again.
const SOON: Duration = Duration::from_secs(60);
/// How late a server that is down is asked again.
const LATE: Duration = Duration::from_secs(3600);
/// Places in a row to which a community may have moved.
const MOVES: usize = 4;
/// Listings that change their rank in one transaction when their server's health changes.
const RANKED: usize = 256;
/// Between two times that leases are ended and what is old is forgotten.
const SWEEP: Duration = Duration::from_secs(10);

/// An endpoint that is due.
#[derive(Debug, Clone)]
struct Due {
    id: i64,
    endpoint: Endpoint,
    trust: Trust,
    health: Health,
    misses: u32,
}

/// Looks after the listings until `stop`: ends leases, keeps the index tidy, and asks servers how they are where `probing`.
pub(in crate::superhub) async fn run(app: Arc<App>, probing: bool, stop: CancellationToken) {
    let (mut tick, mut sweep, mut tidying, mut untidy) = (interval(TICK), interval(SWEEP), interval(TICK), true);
    tidying.set_missed_tick_behavior(MissedTickBehavior::Delay);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    sweep.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let (open, mut asking) = (Arc::new(Semaphore::new(OPEN)), JoinSet::new());
    let mut leases = LeaseTime::begun(Moment::now(), UnixMillis::now(), app.options.lease);
    loop {
        let done = tokio::select! {
            () = stop.cancelled() => break,
            Some(_) = asking.join_next() => Ok(()),
            _ = sweep.tick() => {
                untidy = true;
                clean(&app, &mut leases).await
            }
            _ = tidying.tick(), if untidy => {
                let tidied = app.directory.change(0, |desk| desk.tidy()).await;
                untidy = matches!(tidied, Ok(true));
                tidied.map(drop)
            }
            _ = tick.tick(), if probing => ask_those_due(&app, &open, &mut asking).await,
        };
        if let Err(error) = done {
            warn!(%error, "the directory could not be looked after");
        }
    }
}

async fn ask_those_due(app: &Arc<App>, open: &Arc<Semaphore>, asking: &mut JoinSet<()>) -> Result<(), StoreError> {
    for one in due(app, open.available_permits().min(AT_ONCE)).await? {
        let (app, open) = (app.clone(), open.clone());
        asking.spawn(async move {
            let _place = open.acquire_owned().await;
            look_at(&app, one).await;
        });
    }
    Ok(())
}

/// Leases that ended end, old tombstones are forgotten.
async fn clean(app: &App, leases: &mut LeaseTime) -> Result<(), StoreError> {
    let (now, wall) = (Moment::now(), UnixMillis::now());
    if let Some(step) = leases.step(now, wall) {
        warn!(seconds = step / 1000, "the wall clock was set, or this machine slept: leases are moved with it");
        app.directory.change(0, move |desk| desk.move_leases(step)).await?;
    }
    leases.seen(now, wall);
    while leases.may_end(now) && app.directory.change(Desk::LAPSE_NUMBERS, |desk| desk.lapse()).await? {}
    app.directory.change(0, |desk| desk.forget()).await
}

/// Takes the endpoints that are due, so that none is asked twice.
async fn due(app: &App, most: usize) -> Result<Vec<Due>, StoreError> {
    let query = "SELECT id, address, trusted, health, misses FROM endpoints WHERE due <= ?1 ORDER BY due LIMIT ?2";
    let now = UnixMillis::now();
    let row = |row: &rusqlite::Row| {
        let trust = if row.get(2)? { Trust::Operator } else { Trust::Stranger };
        let health = Health::ALL.get(row.get::<_, u32>(3)? as usize).copied().unwrap_or_default();
        Ok(Endpoint::parse(&row.get::<_, String>(1)?).ok().map(|endpoint| (row.get(0), endpoint, trust, health, row.get(4))))
    };
    let look = move |look: &rusqlite::Connection| {
        let mut query = look.prepare_cached(query)?;
        let found = query.query_map((now.0 as i64, most as i64), row)?.collect::<rusqlite::Result<Vec<_>>>()?;
        found
            .into_iter()
            .flatten()
            .map(|(id, endpoint, trust, health, misses)| Ok(Due { id: id?, endpoint, trust, health, misses: misses? }))
            .collect()
    };
    let due: Vec<Due> = app.directory.read(look).await?;
    if !due.is_empty() {
        let (ids, next) = (due.iter().map(|one| one.id).collect::<Vec<_>>(), now.0.saturating_add(SOON.as_millis() as u64));
        app.directory.change(0, move |desk| desk.put_off(&ids, UnixMillis(next))).await?;
    }
    Ok(due)
}

/// Asks one server, and keeps what was seen.
async fn look_at(app: &App, due: Due) {
    let asked = app.prober.ask(&due.endpoint, due.trust).await;
    if matches!(asked, Err(AskError::TooSoon(_))) {
        return;
    }
    app.metrics.probed.inc();
    if let Err(AskError::Moved(to)) = &asked
        && follow(app, &due, to.clone()).await
    {
        return;
    }
    let observed = judge(&due, asked.ok(), UnixMillis::now(), rand::random_range(0.8..1.2));
    let endpoint = observed.endpoint;
    let kept = async {
        if app.directory.change(0, move |desk| desk.observed(&observed)).await? {
            app.metrics.turned.inc();
            while app.directory.change(0, move |desk| desk.move_listings(endpoint, RANKED)).await? == RANKED {}
        }
        Ok::<_, StoreError>(())
    };
    if let Err(error) = kept.await {
        warn!(%error, "what was seen of a server could not be kept");
    }
}

/// Listings that were at an endpoint go to where it has moved, if somebody who says who he is answers there; answers whether any went. Only the
/// hub's own rules hold for the new place, whoever listed the old one: a listed server must not have this hub knock inside its network.
async fn follow(app: &App, due: &Due, mut to: Endpoint) -> bool {
    for _ in 0..MOVES {
        match app.prober.ask(&to, app.trust()).await {
            Err(AskError::Moved(further)) => to = further,
            Ok(Answer { peer: Some(peer), .. }) => {
                let (from, trust) = (due.endpoint.clone(), app.trust());
                let went = app.directory.change(Desk::MOVE_NUMBERS, move |desk| desk.follow(&from, &to, &peer, trust)).await;
                return went.unwrap_or_else(|error| {
                    warn!(%error, "that a community moved could not be kept");
                    false
                });
            }
            _ => return false,
        }
    }
    false
}

/// What an answer, or none, makes of a server; `jitter` keeps servers from being asked all at once.
fn judge(due: &Due, answer: Option<Answer>, now: UnixMillis, jitter: f64) -> Observed {
    let seen = match answer {
        Some(answer) if answer.resting => Observation::Resting,
        Some(answer) => Observation::Answered(answer.took),
        None => Observation::Missed,
    };
    let (health, misses) = after(due.health, due.misses, seen);
    let wait = SOON.saturating_mul(1 << misses.min(6)).min(LATE).mul_f64(jitter).max(SOON);
    let peer = answer.and_then(|answer| answer.peer);
    Observed { endpoint: due.id, health, misses, peer, due: UnixMillis(now.0.saturating_add(wait.as_millis() as u64)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_that_is_down_is_asked_more_and_more_seldom() {
        let mut due = Due { id: 1, endpoint: Endpoint::parse("a:1").unwrap(), trust: Trust::Stranger, health: Health::Healthy, misses: 0 };
        let mut waits = Vec::new();
        for _ in 0..9 {
            let seen = judge(&due, None, UnixMillis(0), 1.0);
            waits.push(seen.due.0 / 1000);
            (due.health, due.misses) = (seen.health, seen.misses);
        }
        assert_eq!((waits, due.health), (vec![120, 240, 480, 960, 1920, 3600, 3600, 3600, 3600], Health::Down));
        let back = judge(&due, Some(Answer { peer: None, took: Duration::ZERO, resting: false }), UnixMillis(0), 0.5);
        assert_eq!((back.health, back.misses, back.due.0), (Health::Healthy, 0, 60_000), "never sooner than after a minute");
    }
}
