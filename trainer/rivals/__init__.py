"""What a model is measured against: naive forecasts, and rivals that are fitted to the same rows."""
