"""The face of a study: what people see of it in optuna-dashboard, in a report, and in MLflow."""
