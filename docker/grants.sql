-- What workers and the dashboard may do with the tables; run by their owner after each `ballast db upgrade`:
--
--   psql --no-psqlrc --file docker/grants.sql --username ballast_owner --dbname ballast
--
-- Nobody but the owner makes, alters or drops a table, and nobody else writes which schema the tables have.
\set ON_ERROR_STOP on
BEGIN;
REVOKE ALL ON ALL TABLES IN SCHEMA public FROM ballast_worker, ballast_dashboard;
REVOKE ALL ON ALL SEQUENCES IN SCHEMA public FROM ballast_worker, ballast_dashboard;
GRANT SELECT ON ALL TABLES IN SCHEMA public TO ballast_worker, ballast_dashboard;
GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO ballast_worker;

SELECT format('GRANT INSERT, UPDATE, DELETE ON %I TO ballast_worker', tablename)
FROM pg_tables
WHERE schemaname = 'public' AND tablename NOT IN ('alembic_version', 'ballast_alembic_version', 'version_info')
\gexec

-- Optuna's tables, which are all that do not begin with `ballast_`.
SELECT format('GRANT INSERT, UPDATE, DELETE ON %I TO ballast_dashboard', tablename)
FROM pg_tables
WHERE schemaname = 'public' AND NOT starts_with(tablename, 'ballast_')
    AND tablename NOT IN ('alembic_version', 'version_info')
\gexec

SELECT format('GRANT USAGE ON SEQUENCE %I TO ballast_dashboard', sequencename)
FROM pg_sequences
WHERE schemaname = 'public' AND NOT starts_with(sequencename, 'ballast_')
\gexec
COMMIT;
