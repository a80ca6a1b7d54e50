"""From a table of prices to causal, scaled, purged windows, and the audit of all that."""
