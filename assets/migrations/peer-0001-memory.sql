-- What a peer remembers: what was said, and whom its owner keeps, mutes or blocks. Times are milliseconds since 1970 (UTC); peers stand
-- here in base58, and the empty text is everyone.
CREATE TABLE conversations (
    peer     TEXT PRIMARY KEY,
    messages INTEGER NOT NULL DEFAULT 0,
    bytes    INTEGER NOT NULL DEFAULT 0,
    mine     INTEGER NOT NULL DEFAULT 0,
    last     INTEGER NOT NULL DEFAULT 0,
    seen     INTEGER NOT NULL DEFAULT 0,
    unread   INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE TABLE messages (
    number    INTEGER PRIMARY KEY AUTOINCREMENT,
    peer      TEXT NOT NULL REFERENCES conversations (peer) ON DELETE CASCADE,
    sender    TEXT NOT NULL,
    id        TEXT NOT NULL,
    content   TEXT NOT NULL,
    at        INTEGER NOT NULL,
    mine      INTEGER NOT NULL,
    cost      INTEGER NOT NULL,
    state     TEXT NOT NULL,
    why       TEXT,
    delivered INTEGER NOT NULL DEFAULT 0,
    until     INTEGER,
    UNIQUE (peer, sender, id)
) STRICT;
CREATE INDEX messages_of_a_conversation ON messages (peer, number);
CREATE INDEX messages_on_their_way ON messages (peer, number) WHERE state IN ('waiting', 'sending');
CREATE TRIGGER message_kept AFTER INSERT ON messages BEGIN
    UPDATE conversations SET messages = messages + 1, bytes = bytes + NEW.cost, mine = max(mine, NEW.mine), last = NEW.number,
        unread = unread + (NEW.mine = 0) WHERE peer = NEW.peer;
END;
CREATE TRIGGER message_gone AFTER DELETE ON messages BEGIN
    UPDATE conversations SET messages = messages - 1, bytes = bytes - OLD.cost, unread = unread - (OLD.mine = 0 AND OLD.number > seen)
        WHERE peer = OLD.peer;
END;
CREATE TABLE contacts (
    peer        TEXT PRIMARY KEY,
    favourite   INTEGER NOT NULL,
    blocked     INTEGER NOT NULL,
    muted       INTEGER NOT NULL,
    label       TEXT NOT NULL DEFAULT '',
    avatar_hash TEXT,
    avatar      BLOB,
    addrs       TEXT NOT NULL DEFAULT '',
    seen        INTEGER NOT NULL DEFAULT 0
) STRICT;
