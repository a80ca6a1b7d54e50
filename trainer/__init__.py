"""One trial: data in, guarded GRU, result out."""
