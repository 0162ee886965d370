-- Where a community went, or the open board (whose slug is empty).
CREATE TABLE moves (
    slug  TEXT PRIMARY KEY,
    url   TEXT NOT NULL,
    since INTEGER NOT NULL
) STRICT;
