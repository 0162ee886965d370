-- Whom a message to many was for: the community's name, or nothing for everyone on the LAN.
ALTER TABLE messages ADD COLUMN community TEXT;
