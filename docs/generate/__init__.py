"""The reference pages: settings from the schema, commands from their parser, calls from docstrings."""
