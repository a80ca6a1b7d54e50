"""Which trial is best and how far it can be trusted: export, rerun, verify."""
