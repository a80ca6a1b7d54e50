"""The arithmetic of a training step, behind one interface: PyTorch's operations, or compiled loops."""
