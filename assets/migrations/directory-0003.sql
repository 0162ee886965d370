-- The caretaker joins any two parts of the index that are of one size, and does not wait for four: a search looks into every part.
INSERT INTO search (search, rank) VALUES ('usermerge', 2);
