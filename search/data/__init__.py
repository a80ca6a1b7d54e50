"""The table of a study, prepared once and shared by its workers."""
