-- Every certificate that was given out: one counts while it is of its holder's current enrolment
-- and neither it nor its holder was revoked. Peers enrolled before this table enrol again.
CREATE TABLE certificate (
    -- Hexadecimal, without leading zeros.
    serial     TEXT PRIMARY KEY,
    peer       TEXT NOT NULL REFERENCES peer(id),
    enrolment  INTEGER NOT NULL,
    issued_ms  INTEGER NOT NULL,
    expires_ms INTEGER NOT NULL,
    revoked_ms INTEGER
) STRICT, WITHOUT ROWID;
CREATE INDEX certificate_peer ON certificate (peer);
CREATE INDEX certificate_revoked ON certificate (expires_ms) WHERE revoked_ms IS NOT NULL;

-- Whose document does not say yet what the store says: marked in the transaction that changes
-- what it should say, removed when it was issued. `mark` rises when it is marked again meanwhile.
CREATE TABLE unissued (
    peer TEXT PRIMARY KEY,
    mark INTEGER NOT NULL DEFAULT 1
) STRICT, WITHOUT ROWID;
