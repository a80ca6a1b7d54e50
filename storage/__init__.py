"""The record: SQL tables, writes, reads, migrations."""
