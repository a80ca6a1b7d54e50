"""The arithmetic of a training step, behind one interface: PyTorch's own, or compiled loops."""
