"""The study: what to try, what to trust, what to keep."""
