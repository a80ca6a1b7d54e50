"""The revisions of the schema, numbered; each leads forward only."""
