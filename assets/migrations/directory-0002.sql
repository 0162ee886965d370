-- Since when the operator shows a listing to nobody.
ALTER TABLE listings ADD COLUMN hidden INTEGER;
CREATE INDEX listings_hidden ON listings (hidden) WHERE hidden IS NOT NULL;

-- Listings that visitors have reported and the operator has not judged.
CREATE TABLE reported (
    listing INTEGER PRIMARY KEY REFERENCES listings (id),
    count   INTEGER NOT NULL,           -- all reports, also those whose words are not kept
    first   INTEGER NOT NULL,
    last    INTEGER NOT NULL
) STRICT;

-- What they said: the first few of each listing. Nothing tells who it was but what they wrote themselves.
CREATE TABLE reports (
    id      INTEGER PRIMARY KEY,
    listing INTEGER NOT NULL REFERENCES reported (listing),
    at      INTEGER NOT NULL,
    reason  TEXT NOT NULL,
    words   TEXT NOT NULL,
    contact TEXT NOT NULL
) STRICT;
CREATE INDEX reports_listing ON reports (listing);
