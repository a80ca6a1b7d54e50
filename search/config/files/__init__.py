"""The YAML files of a study: where they are, how they are read, and which of their values are passwords."""
