CREATE TABLE audit (              -- one chain: each record is sealed with the one before it
  number INTEGER PRIMARY KEY AUTOINCREMENT,
  kind   TEXT NOT NULL,           -- as in body, to find it by
  id     TEXT NOT NULL,           -- of the command, as in body; empty where there is none
  body   TEXT NOT NULL,           -- JSON, keys sorted
  seal   TEXT NOT NULL            -- sha256, hex
);
CREATE UNIQUE INDEX intent_of ON audit (id) WHERE kind = 'intent';
CREATE INDEX audit_id ON audit (id) WHERE id != '';
