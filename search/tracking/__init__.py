"""MLflow: a study is an experiment with a parent run, a trial is a nested run. Both words are of here."""
