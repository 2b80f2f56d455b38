-- Of a repository that is being moved to another database (src/storage/relocation): when its copying last began, to
-- which database it has been copied whole, and how many manifests it had then. NULL where it has not.
ALTER TABLE repositories ADD COLUMN copied_since INTEGER;
ALTER TABLE repositories ADD COLUMN copied_to TEXT;
ALTER TABLE repositories ADD COLUMN copied_manifests INTEGER;

UPDATE registry SET schema_version = 11 WHERE id = 1;
