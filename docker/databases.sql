-- Run by PostgreSQL's image when its volume is first made. MLflow's migrations refuse a database that holds
-- Optuna's tables, and the other way round; the database `ballast` is made by the image itself.
CREATE DATABASE mlflow;
