-- What a rendezvous server must know after a restart. Times are milliseconds since 1970 (UTC); tokens stand here as digests alone.
CREATE TABLE communities (
    slug    TEXT PRIMARY KEY,
    name    TEXT NOT NULL,
    kind    TEXT NOT NULL,
    created INTEGER NOT NULL
) STRICT;
CREATE TABLE invitations (
    id      INTEGER PRIMARY KEY AUTOINCREMENT,
    slug    TEXT NOT NULL REFERENCES communities (slug) ON DELETE CASCADE,
    digest  TEXT NOT NULL UNIQUE,
    uses    INTEGER NOT NULL,
    ends    INTEGER,
    note    TEXT NOT NULL,
    revoked INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE TABLE members (
    id      INTEGER PRIMARY KEY AUTOINCREMENT,
    slug    TEXT NOT NULL REFERENCES communities (slug) ON DELETE CASCADE,
    digest  TEXT NOT NULL UNIQUE,
    peer    TEXT,
    joined  INTEGER NOT NULL,
    note    TEXT NOT NULL,
    revoked INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE TABLE applications (
    id      INTEGER PRIMARY KEY AUTOINCREMENT,
    slug    TEXT NOT NULL REFERENCES communities (slug) ON DELETE CASCADE,
    digest  TEXT NOT NULL UNIQUE,
    peer    TEXT,
    message TEXT NOT NULL,
    asked   INTEGER NOT NULL,
    state   TEXT NOT NULL DEFAULT 'asked'
) STRICT;
CREATE TABLE bans (
    id      INTEGER PRIMARY KEY AUTOINCREMENT,
    slug    TEXT,
    peer    TEXT,
    address TEXT,
    reason  TEXT NOT NULL,
    since   INTEGER NOT NULL,
    ends    INTEGER
) STRICT;
