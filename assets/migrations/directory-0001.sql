-- What a super hub knows. Times are milliseconds since 1970 (UTC).

-- The own feed: the last number that was given, and when.
CREATE TABLE feed (
    one    INTEGER PRIMARY KEY CHECK (one = 1),
    feed   INTEGER NOT NULL,
    seq    INTEGER NOT NULL,
    issued INTEGER NOT NULL
) STRICT;

-- Who says what is listed. Number 1 is this hub.
CREATE TABLE origins (
    id   INTEGER PRIMARY KEY,
    peer BLOB NOT NULL UNIQUE,
    name TEXT NOT NULL
) STRICT;

-- Where communities are met, each address once, and what was seen there last.
CREATE TABLE endpoints (
    id      INTEGER PRIMARY KEY,
    address TEXT NOT NULL UNIQUE,
    trusted INTEGER NOT NULL,           -- 1: the operator listed it, so any address may be asked
    health  INTEGER NOT NULL DEFAULT 2,
    misses  INTEGER NOT NULL DEFAULT 0,
    peer    BLOB,                       -- who answered there
    checked INTEGER,
    due     INTEGER NOT NULL
) STRICT;
CREATE INDEX endpoints_due ON endpoints (due);

-- One row for each community that was ever listed and is not forgotten. The number is its age: smaller is older.
CREATE TABLE listings (
    id       INTEGER PRIMARY KEY AUTOINCREMENT,
    public   BLOB NOT NULL UNIQUE,
    origin   INTEGER NOT NULL REFERENCES origins (id),
    sealed   BLOB NOT NULL,             -- the record as its origin signed it
    created  INTEGER NOT NULL,
    deleted  INTEGER,                   -- when it became a tombstone
    place    INTEGER,                   -- its row in search: (what was seen << 40) + id, so that rows stand in the order of rank
    skeleton INTEGER NOT NULL,          -- of the name: equal ones look alike
    similar  INTEGER,                   -- an older listing of somebody else that looks alike
    endpoint INTEGER REFERENCES endpoints (id)
) STRICT;
CREATE INDEX listings_skeleton ON listings (skeleton);
CREATE INDEX listings_endpoint ON listings (endpoint);
CREATE INDEX listings_deleted ON listings (deleted) WHERE deleted IS NOT NULL;

-- The words of each listing, cut by crate::proto::search::words: all of them in text, those of name and tags once more as =word, so that they have
-- lists of their own, which are short; facets are x:value. Rows stand in the order of rank.
CREATE VIRTUAL TABLE search USING fts5 (
    name, tags, text, facets,
    content = '', contentless_delete = 1, detail = column, tokenize = "ascii tokenchars ':=-'", prefix = '1 2 3 4 5 6 7'
);
CREATE VIRTUAL TABLE words USING fts5vocab (search, row);

-- Rendezvous servers that list themselves: what each wants for which board.
CREATE TABLE registrations (
    id      INTEGER PRIMARY KEY AUTOINCREMENT,
    peer    BLOB NOT NULL,              -- whose key asked
    address TEXT NOT NULL,              -- for which board
    host    TEXT NOT NULL,
    state   TEXT NOT NULL,              -- waiting, listed, refused
    draft   TEXT NOT NULL,              -- what it wants to be listed as (JSON)
    asked   INTEGER NOT NULL,
    listing INTEGER REFERENCES listings (id),
    lapses  INTEGER,                    -- when the lease ends
    UNIQUE (peer, address)
) STRICT;
CREATE INDEX registrations_waiting ON registrations (state, id);
CREATE INDEX registrations_host ON registrations (host, state);
CREATE INDEX registrations_lapses ON registrations (lapses) WHERE lapses IS NOT NULL;
CREATE INDEX registrations_listing ON registrations (listing) WHERE listing IS NOT NULL;

-- Who changed what; the oldest rows are forgotten.
CREATE TABLE audit (
    id      INTEGER PRIMARY KEY,
    at      INTEGER NOT NULL,
    who     TEXT NOT NULL,
    what    TEXT NOT NULL,
    listing BLOB,
    detail  TEXT NOT NULL
) STRICT;
