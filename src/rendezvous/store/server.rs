//! Who the server is that this database belongs to, and who of several instances lives. They are one server to everyone outside: one
//! peer id, one epoch, one standby.

use std::collections::HashSet;
use std::time::Duration;

use libp2p::PeerId;
use rusqlite::{Connection, OptionalExtension, params};

use super::{Store, StoreError};
use crate::clock::MachineMicros;
use crate::proto::signed::Epoch;

/// Without a sign of life for this long an instance counts as dead.
const DEAD_AFTER: Duration = Duration::from_secs(3);

/// How long an instance that ends waits for others.
const HURRY: Duration = Duration::from_millis(500);

/// Who starts.
#[derive(Debug, Clone, Copy)]
pub struct Entrant {
    /// The server's peer id.
    pub server: PeerId,
    /// Drawn for the case that an epoch begins.
    pub fresh: Epoch,
    /// The number of this instance, where several may run; drawn at its start.
    pub instance: Option<u64>,
    /// When it starts.
    pub now: MachineMicros,
    /// How long after a start nobody can know whether everyone is back.
    pub ttl: Duration,
}

/// What it finds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entered {
    /// The epoch that signed messages are written for.
    pub epoch: Epoch,
    /// When its table is complete: at once where other instances have been here for long (THREATS 72).
    pub complete: MachineMicros,
}

impl Store {
    /// Begins or joins the server of this database.
    ///
    /// An epoch lasts as long as the database knows every number that was used in it: over a clean stop, and over any stop where several
    /// instances run, for they write each number before it counts. When the machine itself was started anew, a new one begins.
    ///
    /// # Errors
    /// [`StoreError::AnotherServer`] where several instances have different keys; see [`StoreError`].
    pub fn enter(&self, entrant: &Entrant) -> Result<Entered, StoreError> {
        let boot = boot_id();
        let entered = self.db()?.write(|change| enter(change, entrant, &boot))??;
        self.reread()?;
        Ok(entered)
    }

    /// Says that all numbers of this epoch are written: a single instance stops.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub fn settle(&self) -> Result<(), StoreError> {
        Ok(self.db()?.write(|change| change.execute("UPDATE server SET exact = 1", []).map(drop))?)
    }

    /// From now on nothing waits long for other instances: this one is about to end.
    pub fn hurry(&self) {
        let _ = self.db().map(|db| db.hurry(HURRY));
    }

    /// Takes an instance off the list of those that live.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub fn leave(&self, instance: u64) -> Result<(), StoreError> {
        let left = "DELETE FROM instances WHERE id = ?1";
        Ok(self.db()?.write_lightly(|change| change.execute(left, [instance.cast_signed()]).map(drop))?)
    }

    /// Lets every instance stand by, or serve again.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub fn set_standby(&self, standby: bool) -> Result<(), StoreError> {
        self.change(|change| change.execute("UPDATE server SET standby = ?1", [standby]).map(|_| Ok(())))
    }

    /// Which instances live.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub fn living(&self, now: MachineMicros) -> Result<HashSet<u64>, StoreError> {
        Ok(self.db()?.read(|look| {
            let mut query = look.prepare_cached("SELECT id FROM instances WHERE alive > ?1")?;
            query.query_map([micros(dead_before(now))], |row| row.get(0).map(i64::cast_unsigned))?.collect()
        })?)
    }
}

fn enter(change: &Connection, entrant: &Entrant, boot: &str) -> rusqlite::Result<Result<Entered, StoreError>> {
    let query = "SELECT peer, epoch, boot, exact FROM server";
    let (known, epoch, booted, exact): (Option<String>, i64, String, bool) =
        change.query_row(query, [], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)))?;
    let server = entrant.server.to_base58();
    let same = known.as_ref().is_none_or(|known| *known == server);
    if let Some(known) = known.clone().filter(|_| !same && entrant.instance.is_some()) {
        return Ok(Err(StoreError::AnotherServer { known, found: server }));
    }
    if booted != boot {
        change.execute_batch("DELETE FROM presence; DELETE FROM instances")?;
    }
    let lasts = known.is_some() && same && exact && booted == boot;
    let epoch = if lasts { Epoch::new(epoch.cast_unsigned()) } else { entrant.fresh };
    let complete = join(change, entrant)?;
    let update = "UPDATE server SET peer = ?1, epoch = ?2, boot = ?3, exact = ?4, complete = ?5, standby = standby AND ?4";
    change.execute(update, params![server, epoch.get().cast_signed(), boot, entrant.instance.is_some(), micros(complete)])?;
    Ok(Ok(Entered { epoch, complete }))
}

/// Puts an instance on the list; answers when its table is complete.
fn join(change: &Connection, entrant: &Entrant) -> rusqlite::Result<MachineMicros> {
    let alone = MachineMicros(entrant.now.0.saturating_add(u64::try_from(entrant.ttl.as_micros()).unwrap_or(u64::MAX)));
    let Some(instance) = entrant.instance else { return Ok(alone) };
    let (dead, absurd) = (dead_before(entrant.now), MachineMicros(entrant.now.0 + DEAD_AFTER.as_micros() as u64));
    change.execute("DELETE FROM instances WHERE alive <= ?1 OR alive > ?2", [micros(dead), micros(absurd)])?;
    change.execute("DELETE FROM presence WHERE heard > ?1", [micros(absurd)])?;
    let others = "SELECT complete FROM server WHERE EXISTS (SELECT 1 FROM instances)";
    let complete: Option<i64> = change.query_row(others, [], |row| row.get(0)).optional()?;
    change.execute("INSERT INTO instances (id, alive) VALUES (?1, ?2)", params![instance.cast_signed(), micros(entrant.now)])?;
    Ok(complete.map_or(alone, |complete| MachineMicros(complete.cast_unsigned()).min(alone)))
}

fn dead_before(now: MachineMicros) -> MachineMicros {
    MachineMicros(now.0.saturating_sub(DEAD_AFTER.as_micros() as u64))
}

/// SQLite's integers are signed; a machine that runs for 292 000 years is told as that.
pub(super) fn micros(at: MachineMicros) -> i64 {
    i64::try_from(at.0).unwrap_or(i64::MAX)
}

/// Which run of the machine this is; empty where it does not say.
fn boot_id() -> String {
    std::fs::read_to_string("/proc/sys/kernel/random/boot_id").map(|id| id.trim().to_owned()).unwrap_or_default()
}
