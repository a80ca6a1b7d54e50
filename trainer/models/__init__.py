"""The network and its initialisation."""
