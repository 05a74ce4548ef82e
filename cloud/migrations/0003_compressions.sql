-- Orders to compress a model: a row from the request to its end, whatever happens meanwhile.
CREATE TABLE compression (
    id          TEXT PRIMARY KEY,
    model       TEXT NOT NULL,
    -- The order as it was accepted, JSON.
    request     TEXT NOT NULL,
    state       TEXT NOT NULL CHECK (state IN ('queued', 'running', 'succeeded', 'failed')),
    -- How often a worker was started for it.
    attempts    INTEGER NOT NULL DEFAULT 0,
    created_ms  INTEGER NOT NULL,
    created_by  TEXT NOT NULL,
    started_ms  INTEGER,
    finished_ms INTEGER,
    -- The version that came of it.
    version     INTEGER,
    -- What it cost, JSON as the worker told it.
    report      TEXT,
    -- Why it failed.
    reason      TEXT
) STRICT, WITHOUT ROWID;
CREATE INDEX compression_state ON compression (state, created_ms, id);
CREATE INDEX compression_created ON compression (created_ms, id);
