-- The whole store. Times are Unix milliseconds of the cloud unless a column says otherwise.

CREATE TABLE setting (
    name  TEXT PRIMARY KEY,
    value TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE site (
    id         TEXT PRIMARY KEY,
    name       TEXT NOT NULL,
    created_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE enrolment_token (
    id         TEXT PRIMARY KEY,
    public_key BLOB NOT NULL,
    site       TEXT NOT NULL REFERENCES site(id),
    kind       TEXT NOT NULL CHECK (kind IN ('device', 'gateway')),
    uses       INTEGER NOT NULL,
    used       INTEGER NOT NULL DEFAULT 0,
    created_ms INTEGER NOT NULL,
    expires_ms INTEGER NOT NULL,
    revoked    INTEGER NOT NULL DEFAULT 0
) STRICT, WITHOUT ROWID;

-- Devices by their id, gateways by '<site>/gateway' (an id has no slash).
CREATE TABLE peer (
    id            TEXT PRIMARY KEY,
    kind          TEXT NOT NULL CHECK (kind IN ('device', 'gateway')),
    site          TEXT NOT NULL REFERENCES site(id),
    name          TEXT NOT NULL,
    public_key    BLOB NOT NULL,
    enrolment     INTEGER NOT NULL,
    enrolled_ms   INTEGER NOT NULL,
    revoked_ms    INTEGER,
    -- Presence: the newest by (start, connection); NULL until the first.
    presence      TEXT,
    start         INTEGER NOT NULL DEFAULT 0,
    connection    INTEGER NOT NULL DEFAULT 0,
    presence_ms   INTEGER NOT NULL DEFAULT 0,
    agent_version TEXT NOT NULL DEFAULT '',
    -- The newest report by (start, sequence): the CBOR that the device signed.
    reported          BLOB,
    reported_start    INTEGER NOT NULL DEFAULT 0,
    reported_sequence INTEGER NOT NULL DEFAULT 0,
    reported_ms       INTEGER NOT NULL DEFAULT 0,
    capabilities      TEXT,
    chip              TEXT NOT NULL DEFAULT '',
    seen_ms           INTEGER NOT NULL DEFAULT 0
) STRICT, WITHOUT ROWID;
CREATE INDEX peer_site ON peer (site, kind);

-- What a device's presence means here: behind a gateway that is away, nobody knows.
CREATE VIEW peer_now AS
SELECT peer.*,
    CASE
        WHEN peer.presence IS NULL THEN 'never'
        WHEN peer.kind = 'device' AND peer.site <> 'direct'
            AND coalesce(gateway.presence, 'never') <> 'online' THEN 'unknown'
        ELSE peer.presence
    END AS status,
    CASE
        WHEN peer.presence IS NOT NULL AND peer.kind = 'device' AND peer.site <> 'direct'
            AND coalesce(gateway.presence, 'never') <> 'online'
            THEN coalesce(gateway.presence_ms, peer.presence_ms)
        ELSE peer.presence_ms
    END AS status_since_ms
FROM peer LEFT JOIN peer AS gateway
    ON gateway.kind = 'gateway' AND gateway.site = peer.site;

-- Documents for devices, and for sites under '<site>/gateway' (whether a gateway is enrolled or
-- not, and for the site `direct`, which has none).
CREATE TABLE desired (
    peer       TEXT PRIMARY KEY,
    sequence   INTEGER NOT NULL,
    issued_ms  INTEGER NOT NULL,
    expires_ms INTEGER NOT NULL,
    payload    BLOB NOT NULL,
    envelope   BLOB NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX desired_expires ON desired (expires_ms);

CREATE TABLE blob (
    sha256     TEXT PRIMARY KEY,
    length     INTEGER NOT NULL,
    created_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE model_version (
    model        TEXT NOT NULL,
    version      INTEGER NOT NULL,
    manifest     BLOB NOT NULL,
    sha256       TEXT NOT NULL,
    published_ms INTEGER NOT NULL,
    published_by TEXT NOT NULL,
    PRIMARY KEY (model, version)
) STRICT, WITHOUT ROWID;

CREATE TABLE pipeline (
    id         TEXT PRIMARY KEY,
    name       TEXT NOT NULL,
    source     TEXT NOT NULL,
    model      TEXT NOT NULL,
    version    INTEGER NOT NULL,
    filters    TEXT NOT NULL,
    top        INTEGER NOT NULL,
    revision   INTEGER NOT NULL,
    created_ms INTEGER NOT NULL,
    updated_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- What each device should run now: CBOR of protocol's Assignment.
CREATE TABLE assignment (
    device     TEXT NOT NULL REFERENCES peer(id),
    pipeline   TEXT NOT NULL REFERENCES pipeline(id),
    model      TEXT NOT NULL,
    version    INTEGER NOT NULL,
    variant    TEXT NOT NULL,
    assignment BLOB NOT NULL,
    PRIMARY KEY (device, pipeline)
) STRICT, WITHOUT ROWID;
CREATE INDEX assignment_pipeline ON assignment (pipeline);
CREATE INDEX assignment_model ON assignment (model, version);

CREATE TABLE rollout (
    id          TEXT PRIMARY KEY,
    name        TEXT NOT NULL,
    model       TEXT NOT NULL,
    version     INTEGER NOT NULL,
    state       TEXT NOT NULL,
    finished    INTEGER NOT NULL DEFAULT 0,
    -- JSON of fleet's rollout; saved only over the row version that was read.
    facts       TEXT NOT NULL,
    row_version INTEGER NOT NULL DEFAULT 1,
    -- The row version whose documents have been issued; a lower one is taken up again.
    carried     INTEGER NOT NULL DEFAULT 0,
    created_ms  INTEGER NOT NULL,
    created_by  TEXT NOT NULL,
    finished_ms INTEGER
) STRICT, WITHOUT ROWID;
CREATE INDEX rollout_open ON rollout (finished, created_ms);
CREATE INDEX rollout_carried ON rollout (id) WHERE carried < row_version;

-- What a rollout wants of each of its devices: CBOR of a list of Assignment.
CREATE TABLE rollout_target (
    rollout TEXT NOT NULL REFERENCES rollout(id),
    device  TEXT NOT NULL REFERENCES peer(id),
    variant TEXT NOT NULL,
    before  BLOB NOT NULL,
    target  BLOB NOT NULL,
    PRIMARY KEY (rollout, device)
) STRICT, WITHOUT ROWID;

-- Devices that a rollout left out before anything was sent, with the reasons as JSON.
CREATE TABLE rollout_refused (
    rollout TEXT NOT NULL REFERENCES rollout(id),
    device  TEXT NOT NULL,
    reasons TEXT NOT NULL,
    PRIMARY KEY (rollout, device)
) STRICT, WITHOUT ROWID;

CREATE TABLE command (
    id           TEXT PRIMARY KEY,
    device       TEXT NOT NULL REFERENCES peer(id),
    kind         TEXT NOT NULL,
    pipeline     TEXT,
    created_ms   INTEGER NOT NULL,
    not_after_ms INTEGER NOT NULL,
    envelope     BLOB NOT NULL,
    outcome      TEXT,
    reply        TEXT NOT NULL DEFAULT ''
) STRICT, WITHOUT ROWID;
CREATE INDEX command_device ON command (device, created_ms);

CREATE TABLE result (
    id           INTEGER PRIMARY KEY AUTOINCREMENT,
    device       TEXT NOT NULL,
    site         TEXT NOT NULL,
    pipeline     TEXT NOT NULL,
    boot         BLOB NOT NULL,
    start        INTEGER NOT NULL,
    sequence     INTEGER NOT NULL,
    frame_source BLOB NOT NULL,
    frame_number INTEGER NOT NULL,
    model        TEXT NOT NULL,
    version      INTEGER NOT NULL,
    variant      TEXT NOT NULL,
    revision     INTEGER NOT NULL,
    label        TEXT NOT NULL,
    score        REAL NOT NULL,
    top          TEXT NOT NULL,
    cpu_us       INTEGER NOT NULL,
    monotonic_ms INTEGER NOT NULL,
    wall_ms      INTEGER NOT NULL,
    clock        TEXT NOT NULL,
    os_boot      BLOB NOT NULL,
    -- The best time known: the device's synced one, one derived from a later synced record of
    -- the same start of its system, else when it was received.
    at_ms        INTEGER NOT NULL,
    received_ms  INTEGER NOT NULL
) STRICT;
CREATE INDEX result_device ON result (device, id);
CREATE INDEX result_pipeline ON result (pipeline, id);
CREATE INDEX result_site ON result (site, id);
CREATE INDEX result_unstamped ON result (device, os_boot) WHERE clock = 'none';
-- Belt and braces beside the settled ranges: no record is ever stored twice.
CREATE UNIQUE INDEX result_once ON result (boot, sequence, device);

CREATE TABLE event (
    id           INTEGER PRIMARY KEY AUTOINCREMENT,
    device       TEXT NOT NULL,
    site         TEXT NOT NULL,
    kind         TEXT NOT NULL,
    boot         BLOB NOT NULL,
    start        INTEGER NOT NULL,
    sequence     INTEGER NOT NULL,
    message      TEXT NOT NULL,
    details      TEXT NOT NULL,
    dropped      TEXT,
    monotonic_ms INTEGER NOT NULL,
    wall_ms      INTEGER NOT NULL,
    clock        TEXT NOT NULL,
    os_boot      BLOB NOT NULL,
    at_ms        INTEGER NOT NULL,
    received_ms  INTEGER NOT NULL
) STRICT;
CREATE INDEX event_device ON event (device, id);
CREATE INDEX event_kind ON event (kind, id);
CREATE INDEX event_site ON event (site, id);
CREATE INDEX event_unstamped ON event (device, os_boot) WHERE clock = 'none';
CREATE UNIQUE INDEX event_once ON event (boot, sequence, device);

-- What is settled of each (device, boot, stream): kept longer than the rows, and changed only
-- in the transaction that stores the rows. `settled` is CBOR of protocol's RangeSet.
CREATE TABLE delivery (
    device     TEXT NOT NULL,
    boot       BLOB NOT NULL,
    stream     TEXT NOT NULL,
    start      INTEGER NOT NULL,
    settled    BLOB NOT NULL,
    stored     INTEGER NOT NULL DEFAULT 0,
    duplicates INTEGER NOT NULL DEFAULT 0,
    dropped    INTEGER NOT NULL DEFAULT 0,
    missing    INTEGER NOT NULL DEFAULT 0,
    updated_ms INTEGER NOT NULL,
    PRIMARY KEY (device, boot, stream)
) STRICT, WITHOUT ROWID;
CREATE INDEX delivery_boot ON delivery (boot, stream);

-- Wall time minus monotonic time of a start of a device's system, once it was known there.
CREATE TABLE clock_offset (
    device    TEXT NOT NULL,
    os_boot   BLOB NOT NULL,
    offset_ms INTEGER NOT NULL,
    PRIMARY KEY (device, os_boot)
) STRICT, WITHOUT ROWID;

CREATE TABLE account (
    name       TEXT PRIMARY KEY,
    password   TEXT NOT NULL,
    scope      TEXT NOT NULL CHECK (scope IN ('read', 'operate', 'admin')),
    created_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE session (
    id_hash    TEXT PRIMARY KEY,
    account    TEXT NOT NULL REFERENCES account(name) ON DELETE CASCADE,
    created_ms INTEGER NOT NULL,
    expires_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE api_token (
    id         TEXT PRIMARY KEY,
    hash       TEXT NOT NULL,
    account    TEXT NOT NULL REFERENCES account(name) ON DELETE CASCADE,
    name       TEXT NOT NULL,
    scope      TEXT NOT NULL CHECK (scope IN ('read', 'operate', 'admin')),
    created_ms INTEGER NOT NULL,
    expires_ms INTEGER
) STRICT, WITHOUT ROWID;
