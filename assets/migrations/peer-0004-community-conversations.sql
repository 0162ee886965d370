-- What is said in a community is a conversation of its own, which stands behind "in " and its name; until now it stood with what is said to
-- everyone on the LAN. Triggers see insertions and deletions alone, so what they count is counted here.
INSERT INTO conversations (peer, messages, bytes, mine, last, seen, unread)
    SELECT 'in ' || m.community, count(*), sum(m.cost), max(m.mine), max(m.number), c.seen, sum(m.mine = 0 AND m.number > c.seen)
    FROM messages m JOIN conversations c ON c.peer = m.peer WHERE m.peer = '' AND m.community IS NOT NULL GROUP BY m.community;
UPDATE messages SET peer = 'in ' || community WHERE peer = '' AND community IS NOT NULL;
UPDATE conversations SET (messages, bytes, mine, last, unread) =
    (SELECT count(*), coalesce(sum(cost), 0), coalesce(max(mine), 0), coalesce(max(number), 0), coalesce(sum(mine = 0 AND number > seen), 0)
     FROM messages WHERE messages.peer = '')
    WHERE peer = '';
