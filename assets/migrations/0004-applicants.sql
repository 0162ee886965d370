-- From where somebody asked (an IPv6 address as its /64), so that nobody fills a community's applications alone.
ALTER TABLE applications ADD COLUMN address TEXT;
