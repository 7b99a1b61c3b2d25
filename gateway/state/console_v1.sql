CREATE TABLE user (
  name   TEXT PRIMARY KEY,
  role   TEXT NOT NULL,            -- viewer, operator, engineer, admin
  secret TEXT NOT NULL,            -- argon2id, in its own notation
  change INTEGER NOT NULL,         -- 1: made by somebody else, to be changed at the next login
  made   INTEGER NOT NULL,         -- Unix ns
  era    TEXT NOT NULL             -- another one with every change of role or password: older logins have ended
);
CREATE TABLE token (               -- for programs
  id      TEXT PRIMARY KEY,        -- public, to name it by
  name    TEXT NOT NULL,
  role    TEXT NOT NULL,
  secret  TEXT NOT NULL UNIQUE,    -- sha256 of it, hex
  by      TEXT NOT NULL,           -- who made it
  made    INTEGER NOT NULL,        -- Unix ns
  expires INTEGER NOT NULL         -- Unix ns
);
