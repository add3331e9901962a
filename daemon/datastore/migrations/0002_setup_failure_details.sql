-- What an agent says of a setup failure for people to read.
ALTER TABLE setup_failures ADD COLUMN details TEXT NOT NULL DEFAULT '';
