CREATE TABLE history (           -- changes of alarms' states, the latest so many
  number    INTEGER PRIMARY KEY AUTOINCREMENT,
  time      INTEGER NOT NULL,    -- Unix ns
  asset     TEXT NOT NULL,
  previous  TEXT NOT NULL,
  state     TEXT NOT NULL,
  severity  TEXT NOT NULL,
  score     REAL,
  threshold REAL,
  by        TEXT NOT NULL,       -- who moved it by a command; else empty
  comment   TEXT NOT NULL,
  message   TEXT NOT NULL
);
CREATE INDEX history_of ON history (asset, number);
