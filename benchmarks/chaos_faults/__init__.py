"""Faults for the chaos bench: what happens to workers and stores, and what must hold after it."""
