-- Several servers over this file are one. Times are microseconds of the machine's clock (they count until it is started anew), but for
-- `until` and `seen`: milliseconds since 1970 (UTC). `news` numbers what changed, so that each server reads what is new to it.
CREATE TABLE server (
    id       INTEGER PRIMARY KEY CHECK (id = 1),
    peer     TEXT,
    epoch    INTEGER NOT NULL DEFAULT 0,
    boot     TEXT NOT NULL DEFAULT '',
    exact    INTEGER NOT NULL DEFAULT 0, -- whether `bindings` knows every number that was used in this epoch
    complete INTEGER NOT NULL DEFAULT 0,
    standby  INTEGER NOT NULL DEFAULT 0,
    doors    INTEGER NOT NULL DEFAULT 0, -- counts changes of communities, invitations, members, applications and bans
    news     INTEGER NOT NULL DEFAULT 0
) STRICT;
INSERT INTO server (id) VALUES (1);
CREATE TABLE instances (
    id    INTEGER PRIMARY KEY,
    alive INTEGER NOT NULL
) STRICT;
CREATE TABLE bindings (
    peer  TEXT PRIMARY KEY,
    seq   INTEGER NOT NULL,
    until INTEGER NOT NULL,
    news  INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX bindings_news ON bindings (news);
CREATE TABLE presence (
    slug     TEXT NOT NULL, -- '' is the open board
    peer     TEXT NOT NULL,
    heard    INTEGER NOT NULL,
    instance INTEGER NOT NULL,
    news     INTEGER NOT NULL,
    message  TEXT, -- NULL: said farewell, or lapsed
    signed   INTEGER NOT NULL,
    address  TEXT NOT NULL,
    seen     INTEGER NOT NULL,
    PRIMARY KEY (slug, peer)
) STRICT, WITHOUT ROWID;
CREATE INDEX presence_news ON presence (news);
