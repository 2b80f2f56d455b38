-- Keys that sign tokens, where no TOKEN_SECRET is set. Tokens signed by an older key stay valid until they expire:
-- to change the key, insert one with the next id, and delete the old one later.
CREATE TABLE signing_keys (
  id INTEGER PRIMARY KEY,
  secret TEXT NOT NULL,
  created_at INTEGER NOT NULL
) STRICT;
