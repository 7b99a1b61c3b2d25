CREATE TABLE calibration (
  asset       TEXT PRIMARY KEY,
  fingerprint TEXT NOT NULL,     -- of the asset's tags and model: another set of tags needs another calibration
  made        INTEGER NOT NULL,  -- Unix ns
  content     BLOB NOT NULL
);
CREATE TABLE memory (            -- what a detector has smoothed so far, so that a restart goes on where it stopped
  asset       TEXT PRIMARY KEY,
  fingerprint TEXT NOT NULL,
  content     BLOB NOT NULL
);
CREATE TABLE gathered (          -- rows for a calibration that is under way
  asset       TEXT NOT NULL,
  fingerprint TEXT NOT NULL,
  first       INTEGER NOT NULL,  -- number of the first row
  content     BLOB NOT NULL,     -- f8, row by row
  PRIMARY KEY (asset, first)
);
CREATE TABLE alarm (
  asset    TEXT PRIMARY KEY,
  content  TEXT NOT NULL         -- JSON, as gateway.stages.alarm gives it
);
