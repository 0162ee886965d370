-- Files on their way to or from other peers. `place` is the name in the downloads, or what is kept of a file to be sent; `tell` says that
-- the other side does not know yet how it ended.
CREATE TABLE transfers (
    number   INTEGER PRIMARY KEY AUTOINCREMENT,
    peer     TEXT NOT NULL,
    id       TEXT NOT NULL,
    incoming INTEGER NOT NULL,
    name     TEXT NOT NULL,
    size     INTEGER NOT NULL,
    mime     TEXT NOT NULL,
    hash     TEXT NOT NULL,
    known    INTEGER NOT NULL,
    state    TEXT NOT NULL,
    open     INTEGER NOT NULL,
    why      TEXT,
    at       INTEGER NOT NULL,
    until    INTEGER NOT NULL,
    place    TEXT,
    tell     INTEGER NOT NULL DEFAULT 0,
    UNIQUE (peer, id, incoming)
) STRICT;
CREATE INDEX transfers_under_way ON transfers (open, number);
