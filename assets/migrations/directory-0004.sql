-- Whether somebody else than the operator caused it: what strangers do pushes nothing of his out of the log.
ALTER TABLE audit ADD COLUMN stranger INTEGER NOT NULL DEFAULT 0;
CREATE INDEX audit_of_strangers ON audit (id) WHERE stranger = 1;
CREATE INDEX audit_of_operators ON audit (id) WHERE stranger = 0;
