package catalog

// tables are those of the catalog. Another version of them is not converted but
// made anew from the archive, so a change of the schema costs one listing.
//
// The rows are compact: a slot that is known from a listing alone takes some
// 20 bytes, a sealed one with its essence some 80, and as much again for its
// place in the index by time. catalog_records is for people:
//
//	sqlite3 -readonly packseal.db 'SELECT * FROM catalog_records WHERE pack = "cp-1"'
var tables = group{name: "catalog", version: 1, schema: `
CREATE TABLE catalog_archive (
	identity TEXT NOT NULL -- of the sinks that the rest was read from
) STRICT;

CREATE TABLE catalog_packs (
	id          INTEGER PRIMARY KEY,
	source      TEXT NOT NULL,
	pack        TEXT NOT NULL,
	sealed      INTEGER NOT NULL, -- how many of its slots are,
	gaps        INTEGER NOT NULL, -- or are gaps
	first       INTEGER,          -- due times of the first settled slot,
	newest      INTEGER,          -- of the last,
	last_sealed INTEGER,          -- of the last sealed one,
	last_gap    INTEGER,          -- and of the last gap
	known_from  INTEGER,          -- slots due then or later are all here; NULL = none are,
	complete    INTEGER NOT NULL, -- 1 = all that there are
	UNIQUE (source, pack)
) STRICT;

CREATE TABLE catalog_slots (
	pack    INTEGER NOT NULL,
	due     INTEGER NOT NULL, -- Unix seconds
	state   INTEGER NOT NULL, -- 1 sealed, 2 gap, 0 no sink holds it any more
	lost    INTEGER,          -- 1 = a manifest was there, and is not any more
	settled INTEGER,          -- Unix milliseconds; NULL = the record was not read yet
	created INTEGER,          -- Unix milliseconds
	size    INTEGER,
	late    INTEGER,          -- seconds
	sha256  ANY,              -- 32 bytes
	object  TEXT,             -- the report's name, or what follows "report-<12 digits of its SHA-256>"
	reason  TEXT,
	detail  TEXT,             -- of a gap: the error; of an imported report: who imported it
	sum     INTEGER NOT NULL, -- CRC-32 of the row
	PRIMARY KEY (pack, due)
) STRICT, WITHOUT ROWID;

CREATE INDEX catalog_slots_by_due ON catalog_slots (due, pack);
CREATE INDEX catalog_gaps ON catalog_slots (pack, due) WHERE state = 2;
CREATE INDEX catalog_gaps_by_due ON catalog_slots (due, pack) WHERE state = 2;

CREATE VIEW catalog_records AS SELECT
	p.source, p.pack, strftime('%Y-%m-%dT%H:%M:%SZ', s.due, 'unixepoch') AS due,
	CASE s.state WHEN 1 THEN 'sealed' WHEN 2 THEN 'gap' ELSE 'vanished' END AS state,
	strftime('%Y-%m-%dT%H:%M:%SZ', s.settled / 1000, 'unixepoch') AS settled,
	s.size, CASE typeof(s.sha256) WHEN 'blob' THEN lower(hex(s.sha256)) ELSE s.sha256 END AS sha256, s.late AS late_seconds, s.reason, s.detail
FROM catalog_slots s JOIN catalog_packs p ON p.id = s.pack ORDER BY s.due;
`}
