//! The tables, and how a database of an earlier version becomes one of this.
//!
//! A trace costs one row in each of two tables and one index, whatever its stages, and 22 bytes:
//!
//! - `part` holds all of it, by its *place*: the order in which parts became visible.
//! - `part_page` holds what filters and pages need and nothing else, in the order of pages: what a filter has no index for is a scan of short rows.
//! - `key_page` tells what is there already, and finds a trace: see [`super::keys`].
//!
//! Texts that repeat (jobs, tables, hosts, outcomes), the stages of a journey in their order (`shape`) and its set of tasks (`crew`) are kept once and referred to by number, so
//! that a filter by stage or task needs no row for each stamp. Attributes have rows of their own, since they are looked for by value.
//! `st_trace`, `st_trace_entry` and `st_trace_event_raw` show the same under the names that the stain-trace contract gives.
//!
//! Ids, branches and streams are unsigned 64-bit numbers and are kept as the signed number of the same bits.

/// "STAI": what tells our databases from those of other programs, in the header's field for it.
pub(super) const APPLICATION_ID: i64 = 0x5354_4149;

/// The latest schema, in the header's field `user_version`.
pub(super) const VERSION: i64 = MIGRATIONS.len() as i64;

/// The step from each schema to the next, from an empty database on. Published steps are never changed.
pub(super) const MIGRATIONS: [&str; 2] = [FIRST, SECOND];

/// The step to the schema that has keys in runs and rollups of every width, which are made of what there is before the rest of it.
pub(super) const WITH_RUNS: i64 = 2;

/// Keys are in runs, raw events are known by what is in them, so that a repeat is told, and what is referred to by number tells up to when it is, so that it
/// can be removed.
const SECOND: &str = "
CREATE TABLE key_run (id INTEGER PRIMARY KEY, level INTEGER NOT NULL, keys INTEGER NOT NULL, last_place INTEGER NOT NULL);
CREATE TABLE key_page (run INTEGER, first BLOB, number INTEGER, keys BLOB NOT NULL, PRIMARY KEY (run, first, number)) WITHOUT ROWID;

ALTER TABLE raw ADD COLUMN digest BLOB;
CREATE UNIQUE INDEX raw_by_digest ON raw (digest);

ALTER TABLE name ADD COLUMN until_ms INTEGER NOT NULL DEFAULT 0;
ALTER TABLE shape ADD COLUMN until_ms INTEGER NOT NULL DEFAULT 0;
ALTER TABLE crew ADD COLUMN until_ms INTEGER NOT NULL DEFAULT 0;
ALTER TABLE hop ADD COLUMN until_ms INTEGER NOT NULL DEFAULT 0;
UPDATE name SET until_ms = 1000 * unixepoch();
UPDATE shape SET until_ms = 1000 * unixepoch();
UPDATE crew SET until_ms = 1000 * unixepoch();
UPDATE hop SET until_ms = 1000 * unixepoch();
CREATE INDEX name_by_time ON name (until_ms);
CREATE INDEX shape_by_time ON shape (until_ms);
CREATE INDEX crew_by_time ON crew (until_ms);
CREATE INDEX shape_code_by_shape ON shape_code (shape);
CREATE INDEX shape_name_by_shape ON shape_name (shape);
";

const FIRST: &str = "
CREATE TABLE counter (name TEXT PRIMARY KEY, number INTEGER NOT NULL) WITHOUT ROWID;
INSERT INTO counter VALUES ('next_place', 1);

CREATE TABLE name (id INTEGER PRIMARY KEY, text TEXT NOT NULL UNIQUE);
CREATE TABLE job (name INTEGER PRIMARY KEY, parts INTEGER NOT NULL);
CREATE TABLE shape (id INTEGER PRIMARY KEY, stages TEXT NOT NULL UNIQUE);
CREATE TABLE shape_code (code INTEGER, shape INTEGER, PRIMARY KEY (code, shape)) WITHOUT ROWID;
CREATE TABLE shape_name (name TEXT, shape INTEGER, PRIMARY KEY (name, shape)) WITHOUT ROWID;
CREATE TABLE crew (id INTEGER PRIMARY KEY, tasks TEXT NOT NULL UNIQUE);
CREATE TABLE crew_task (task INTEGER, crew INTEGER, PRIMARY KEY (task, crew)) WITHOUT ROWID;

CREATE TABLE part (
    place INTEGER PRIMARY KEY, trace_id INTEGER NOT NULL, sink_task INTEGER NOT NULL, branch INTEGER NOT NULL, job INTEGER NOT NULL, tab INTEGER,
    created_ms INTEGER NOT NULL, received_ms INTEGER NOT NULL, start_ns INTEGER NOT NULL, end_ns INTEGER NOT NULL, outcome INTEGER NOT NULL,
    host INTEGER NOT NULL, stream INTEGER, is_nanos INTEGER NOT NULL, is_partial INTEGER NOT NULL, shared INTEGER NOT NULL,
    shape INTEGER NOT NULL, crew INTEGER NOT NULL, entries TEXT NOT NULL, more TEXT, payload BLOB NOT NULL
);
CREATE TABLE part_page (
    received_ms INTEGER, trace_id INTEGER, sink_task INTEGER, branch INTEGER, job INTEGER, place INTEGER NOT NULL, duration_ns INTEGER NOT NULL,
    outcome INTEGER NOT NULL, host INTEGER NOT NULL, tab INTEGER, shape INTEGER NOT NULL, crew INTEGER NOT NULL,
    PRIMARY KEY (received_ms, trace_id, sink_task, branch, job)
) WITHOUT ROWID;
CREATE INDEX part_by_job ON part_page (job);
CREATE TABLE part_key (
    trace_id INTEGER, job INTEGER, branch INTEGER, sink_task INTEGER, place INTEGER NOT NULL, is_partial INTEGER NOT NULL,
    PRIMARY KEY (trace_id, job, branch, sink_task)
) WITHOUT ROWID;
CREATE TABLE attribute (
    name INTEGER, value TEXT, received_ms INTEGER, trace_id INTEGER, sink_task INTEGER, branch INTEGER, job INTEGER,
    PRIMARY KEY (name, value, received_ms, trace_id, sink_task, branch, job)
) WITHOUT ROWID;

CREATE TABLE raw (id INTEGER PRIMARY KEY, event_type TEXT NOT NULL, job TEXT, created_ms INTEGER NOT NULL, received_ms INTEGER NOT NULL, body TEXT NOT NULL);
CREATE INDEX raw_by_time ON raw (received_ms);

CREATE TABLE hop (id INTEGER PRIMARY KEY, from_code INTEGER, from_name TEXT, to_code INTEGER, to_name TEXT, UNIQUE (from_code, from_name, to_code, to_name));
CREATE TABLE rollup (
    job INTEGER, dimension INTEGER, bucket_ms INTEGER, hop INTEGER, member TEXT, sketch BLOB NOT NULL, PRIMARY KEY (job, dimension, bucket_ms, hop, member)
) WITHOUT ROWID;

CREATE TABLE stream (job TEXT, stream INTEGER, state TEXT NOT NULL, last_ms INTEGER NOT NULL, PRIMARY KEY (job, stream)) WITHOUT ROWID;
CREATE INDEX stream_by_time ON stream (last_ms);

CREATE VIEW st_trace AS SELECT
    trace_id, sink_task AS sink_task_id, (SELECT text FROM name WHERE id = job) AS job_id, (SELECT text FROM name WHERE id = tab) AS table_id,
    created_ms AS created_time_ms, received_ms AS received_time_ms, start_ns / 1000000 AS start_ts_ms, json_array_length(entries) AS entry_count, payload,
    branch, (SELECT text FROM name WHERE id = outcome) AS outcome, (SELECT text FROM name WHERE id = host) AS host, start_ns, end_ns, place
FROM part;
CREATE VIEW st_trace_entry AS SELECT
    part.trace_id, part.sink_task AS sink_task_id, entry.key AS entry_index, json_extract(shape.stages, '$[' || entry.key || '][0]') AS stage,
    json_extract(shape.stages, '$[' || entry.key || '][1]') AS stage_name, json_extract(entry.value, '$[0]') AS task_id,
    (part.start_ns + json_extract(entry.value, '$[1]')) / 1000000 AS ts_ms, part.start_ns + json_extract(entry.value, '$[1]') AS ts_ns,
    part.branch, part.place
FROM part JOIN shape ON shape.id = part.shape, json_each(part.entries) AS entry;
CREATE VIEW st_trace_event_raw AS SELECT
    id, event_type, job AS job_id, created_ms AS created_time_ms, received_ms AS received_time_ms, body AS event_json
FROM raw;
";
