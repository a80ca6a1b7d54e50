"""From a table of prices to causal features, purged splits and scaled windows."""
