"""What the arithmetic of an epoch must cost on this machine, and what an epoch does cost."""
