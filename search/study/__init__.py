"""One whole study: create, open, continue, copy, rename, delete, import trials."""
