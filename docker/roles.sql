-- Run by PostgreSQL's image, as its superuser, when its volume is first made. Elsewhere, with the five passwords in
-- files of /run/secrets:  psql --no-psqlrc --file docker/roles.sql
--
--   ballast_owner      makes and upgrades the tables of Ballast and of Optuna:  ballast db upgrade --create
--   ballast_worker     reads them and writes rows
--   ballast_dashboard  reads them and writes rows of Optuna's, as optuna-dashboard does; Ballast's record it reads
--   ballast_mlflow     has a database of its own: MLflow's migrations refuse one that holds Optuna's tables
--
-- What the middle two may do with each table is said after each upgrade, by grants.sql.
\set ON_ERROR_STOP on
\set owner `cat /run/secrets/owner`
\set worker `cat /run/secrets/worker`
\set dashboard `cat /run/secrets/dashboard`
\set mlflow `cat /run/secrets/mlflow`

CREATE ROLE ballast_owner LOGIN PASSWORD :'owner';
CREATE ROLE ballast_worker LOGIN PASSWORD :'worker';
CREATE ROLE ballast_dashboard LOGIN PASSWORD :'dashboard';
CREATE ROLE ballast_mlflow LOGIN PASSWORD :'mlflow';

CREATE DATABASE ballast OWNER ballast_owner;
CREATE DATABASE mlflow OWNER ballast_mlflow;

-- Everybody may connect to a new database, and make temporary tables there.
REVOKE ALL ON DATABASE ballast, mlflow, postgres, template1 FROM PUBLIC;
GRANT CONNECT ON DATABASE ballast TO ballast_worker, ballast_dashboard;
