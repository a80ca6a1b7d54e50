"""Resolves layers of YAML to one configuration; each value says which layer set it."""
