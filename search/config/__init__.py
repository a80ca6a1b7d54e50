"""Layers of YAML to one resolved configuration with the provenance of every leaf."""
