-- Where the objects are, so that no store can be left unnoticed while it has objects that no other has: see
-- src/storage/whereabouts.ts. Stores are named like "r2" or "s3 https://s3.eu-central-1.amazonaws.com/berth".
-- The store that new objects go to, NULL until a Worker has noted it.
ALTER TABLE registry ADD COLUMN store TEXT;
-- The one that may have some that the first has not, NULL for none.
ALTER TABLE registry ADD COLUMN old_store TEXT;
-- The pass of a move that leaves nothing behind when it ends, NULL for none.
ALTER TABLE registry ADD COLUMN move_pass TEXT;
-- The old store, when that is where an upload ends that began there.
ALTER TABLE pending_objects ADD COLUMN old_store TEXT;

-- With the commit of such an upload, perhaps behind a pass, something is in the old store again.
CREATE TRIGGER pending_object_in_old_store AFTER DELETE ON pending_objects WHEN OLD.old_store IS NOT NULL BEGIN UPDATE registry SET old_store = OLD.old_store, move_pass = NULL WHERE id = 1; END;

UPDATE registry SET schema_version = 10;
