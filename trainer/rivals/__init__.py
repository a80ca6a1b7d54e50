"""The forecasts that a model is compared with: naive ones, and rivals fitted on the same rows."""
