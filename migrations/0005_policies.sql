-- What the registry's owner has said about tags. A few rows, read with every push (src/oci/policies.ts).
CREATE TABLE policies (
  name TEXT PRIMARY KEY,
  -- JSON: see Rule.
  rule TEXT NOT NULL,
  updated_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Raised with every change of them. Whoever has read them makes his write depend on it.
ALTER TABLE registry ADD COLUMN policies_version INTEGER NOT NULL DEFAULT 0;

CREATE TRIGGER policy_added AFTER INSERT ON policies BEGIN UPDATE registry SET policies_version = policies_version + 1; END;
CREATE TRIGGER policy_changed AFTER UPDATE ON policies BEGIN UPDATE registry SET policies_version = policies_version + 1; END;
CREATE TRIGGER policy_removed AFTER DELETE ON policies BEGIN UPDATE registry SET policies_version = policies_version + 1; END;

UPDATE registry SET schema_version = 4;
