"""MLflow: a study is an experiment with a parent run, and a trial is a nested run."""
