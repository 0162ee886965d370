//! One turn of telling and hearing.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::sync::oneshot;
use tracing::warn;

use super::{Note, locked};
use crate::clock::{MachineMicros, Moment, UnixMillis};
use crate::proto::binding::{BOUND_FOR, Binding};
use crate::proto::board::{Elsewhere, Publication};
use crate::rendezvous::App;
use crate::rendezvous::communities::Doors;
use crate::rendezvous::store::{Asked, Batch, Cursor, Farewell, Heard, News, Verdict};

/// Most notes that are written at once; others want to write too.
const AT_ONCE: usize = 5000;
/// How often an instance says that it lives, and looks who else does.
const ALIVE: Duration = Duration::from_secs(1);
/// How long a database that could not be written is left alone.
const REST: Duration = Duration::from_secs(1);
/// How often what is long over is deleted.
const TIDY: Duration = Duration::from_secs(60);
/// How often a single server writes how long its peers are bound.
const SAVE: Duration = Duration::from_secs(60 * 60);

/// How far this instance is.
#[derive(Debug, Default)]
pub(in crate::rendezvous) struct Exchange {
    cursor: Cursor,
    living: HashSet<u64>,
    more: bool,
    told: Moment,
    looked: Moment,
    rest: Moment,
    tidied: Moment,
    saved: Moment,
}

type Waiting = Vec<oneshot::Sender<Verdict>>;

impl Exchange {
    /// Takes over what is known of this server: its bindings, and who is here.
    pub(super) fn begin(&mut self, app: &App) {
        (self.tidied, self.saved) = (Moment::now(), Moment::now());
        self.look(app, Moment::now());
        self.hear(app);
        while self.more {
            self.hear(app);
        }
    }

    /// Writes what gathered, and takes in what others wrote.
    pub(super) fn turn(&mut self, app: &App) {
        let now = Moment::now();
        self.tell(app, now);
        if app.sharing.is_shared() {
            if now.since(self.looked) >= ALIVE {
                self.look(app, now);
            }
            if app.store.is_stirred() || self.more {
                self.hear(app);
            }
        }
        if now.since(self.tidied) >= TIDY {
            self.tidied = now;
            let _ = app.store.tidy(app.options.ttl, now.on_machine(), UnixMillis::now());
        }
        if !app.sharing.is_shared() && now.since(self.saved) >= SAVE {
            self.saved = now;
            let _ = save(app, now);
        }
    }

    /// Writes the rest: who was heard when, or all the numbers that were used.
    pub(super) fn end(mut self, app: &App) {
        let now = Moment::now();
        app.sharing.ends.store(true, Ordering::SeqCst);
        app.store.hurry();
        let Some(instance) = app.sharing.instance else {
            if save(app, now).and_then(|()| app.store.settle()).is_err() {
                warn!("not every signed number could be written; peers will be asked to sign again");
            }
            return;
        };
        for board in app.boards.all() {
            let here: Vec<_> = board.read(|board| {
                let own = board.rows().filter(|(_, row)| row.elsewhere.is_none());
                own.map(|(peer, _)| *peer).collect()
            });
            for peer in here {
                app.sharing.note(&board, peer, Note::Here);
            }
        }
        self.rest = Moment::START;
        while locked(&app.sharing.pending).has_more() && self.rest == Moment::START {
            self.tell(app, now);
        }
        let _ = app.store.leave(instance);
    }

    fn tell(&mut self, app: &App, now: Moment) {
        let Taken { asked, late, waiting, notes } = take(app);
        let due = app.sharing.is_shared() && now.since(self.told) >= ALIVE;
        if now < self.rest || (asked.is_empty() && notes.is_empty() && !due) {
            return put_back(app, asked, notes);
        }
        let batch = batch(app, asked, &notes);
        match app.store.tell(app.sharing.instance, &batch, UnixMillis::now()) {
            Ok(verdicts) => {
                self.told = now;
                for (waits, verdict) in waiting.into_iter().zip(verdicts.into_iter().skip(late)) {
                    let _ = waits.send(verdict);
                }
            }
            Err(_) => {
                self.rest = Moment::now() + REST;
                put_back(app, batch.asked, notes);
            }
        }
    }

    /// Who lives; whoever died leaves peers of whom nobody knows better.
    fn look(&mut self, app: &App, now: Moment) {
        self.looked = now;
        let Ok(living) = app.store.living(now.on_machine()) else { return };
        for dead in self.living.difference(&living) {
            app.boards.all().iter().for_each(|board| board.orphan(*dead));
        }
        self.living = living;
    }

    fn hear(&mut self, app: &App) {
        let now = Moment::now();
        if app.store.follow() {
            app.let_doors_count(now);
        }
        let own = app.sharing.instance.unwrap_or_default();
        self.more = false;
        let Ok(news) = app.store.hear(own, &mut self.cursor) else { return };
        self.more = news.more;
        if news.heard.iter().any(|heard| !self.living.contains(&heard.instance)) {
            self.look(app, now);
        }
        bind(app, &news.bound, now);
        if app.sharing.is_shared() {
            self.show(app, &news, now);
        }
    }

    fn show(&self, app: &App, news: &News, now: Moment) {
        let (register, at, machine) = (app.store.register(), UnixMillis::now(), now.on_machine());
        let mut doors: HashMap<Option<&str>, Doors> = HashMap::new();
        for Heard { slug, publication, at: heard, instance } in &news.heard {
            let Some(board) = app.boards.get(slug.as_deref()) else { continue };
            let doors = doors.entry(slug.as_deref()).or_insert_with(|| Doors::new(slug.as_deref(), &register, at));
            let peer = publication.message.presence.peer;
            let forged = !publication.signed && locked(&app.bindings).is_bound(&peer, now);
            if forged || doors.keep_out(&peer, publication.from) {
                continue;
            }
            let lapse = now + app.options.ttl.saturating_sub(machine.since(*heard));
            let by = Elsewhere { heard: heard.here(), lapse, instance: *instance, lives: self.living.contains(instance) };
            // A board that is full here is full there.
            if board.learn(publication.clone(), by, now) == Ok(true) && !publication.signed {
                locked(&app.bindings).heard_elsewhere(peer, publication.from);
            }
        }
        for Farewell { slug, peer, at: heard, .. } in &news.gone {
            app.boards.get(slug.as_deref()).map(|board| board.forget(peer, heard.here(), at));
        }
    }
}

fn bind(app: &App, bound: &[Asked], now: Moment) {
    let wall = UnixMillis::now().0;
    let mut bindings = locked(&app.bindings);
    for Asked { peer, seq, until } in bound {
        let left = Duration::from_millis(until.0.saturating_sub(wall)).min(BOUND_FOR);
        bindings.restore(*peer, Binding { seq: *seq, until: now + left });
    }
}

/// Writes all bindings there are.
fn save(app: &App, now: Moment) -> Result<(), crate::rendezvous::StoreError> {
    let wall = UnixMillis::now().0;
    let until = |binding: &Binding| UnixMillis(wall.saturating_add(binding.until.since(now).as_millis() as u64));
    let all = locked(&app.bindings);
    let asked = all.all().map(|(peer, binding)| Asked { peer: *peer, seq: binding.seq, until: until(binding) }).collect();
    drop(all);
    app.store.tell(None, &Batch { asked, ..Batch::default() }, UnixMillis(wall)).map(drop)
}

type Notes = Vec<((Option<String>, libp2p::PeerId), Note)>;

/// What is to be written next.
struct Taken {
    /// Numbers, the first `late` of which counted before; for each other one somebody waits.
    asked: Vec<Asked>,
    late: usize,
    waiting: Waiting,
    notes: Notes,
}

fn take(app: &App) -> Taken {
    let mut pending = locked(&app.sharing.pending);
    let late: Vec<_> = pending.late.keys().take(AT_ONCE).copied().collect();
    let mut asked: Vec<Asked> = late.iter().filter_map(|peer| pending.late.remove(peer)).collect();
    let late = asked.len();
    let (wanted, waiting): (Vec<_>, _) = std::mem::take(&mut pending.asked).into_iter().unzip();
    asked.extend(wanted);
    let keys: Vec<_> = pending.notes.keys().take(AT_ONCE).cloned().collect();
    let notes = keys.into_iter().filter_map(|key| pending.notes.remove_entry(&key)).collect();
    Taken { asked, late, waiting, notes }
}

/// Whoever waits for a number judges alone now; what was noted meanwhile is newer.
fn put_back(app: &App, asked: Vec<Asked>, notes: Notes) {
    let mut pending = locked(&app.sharing.pending);
    asked.into_iter().for_each(|asked| pending.write_late(asked));
    for (key, note) in notes {
        pending.notes.entry(key).or_insert(note);
    }
}

fn batch(app: &App, asked: Vec<Asked>, notes: &Notes) -> Batch {
    let mut batch = Batch { asked, ..Batch::default() };
    let instance = app.sharing.instance.unwrap_or_default();
    for ((slug, peer), note) in notes {
        match note {
            Note::Gone { at, from } => {
                let at = at.on_machine();
                batch.farewells.push(Farewell { slug: slug.clone(), peer: *peer, at, from: *from });
            }
            Note::Here => batch.heard.extend(here(app, slug.as_ref(), peer, instance)),
        }
    }
    batch
}

/// What the board says of a peer that was heard here.
fn here(app: &App, slug: Option<&String>, peer: &libp2p::PeerId, instance: u64) -> Option<Heard> {
    let board = app.boards.get(slug.map(String::as_str))?;
    let (publication, at): (Publication, MachineMicros) = board.read(|board| {
        let row = board.row(peer).filter(|row| row.elsewhere.is_none())?;
        let publication = Publication { message: row.message.clone(), signed: row.signed, from: row.from, at: row.last_seen };
        Some((publication, row.heard.on_machine()))
    })?;
    Some(Heard { slug: slug.cloned(), publication, at, instance })
}
