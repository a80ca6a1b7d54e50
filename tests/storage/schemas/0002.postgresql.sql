SET statement_timeout = 0;
SET lock_timeout = 0;
SET idle_in_transaction_session_timeout = 0;
SET client_encoding = 'UTF8';
SET standard_conforming_strings = on;
SELECT pg_catalog.set_config('search_path', '', false);
SET check_function_bodies = false;
SET xmloption = content;
SET client_min_messages = warning;
SET row_security = off;
CREATE TYPE public.studydirection AS ENUM (
    'NOT_SET',
    'MINIMIZE',
    'MAXIMIZE'
);
CREATE TYPE public.trialintermediatevaluetype AS ENUM (
    'FINITE',
    'INF_POS',
    'INF_NEG',
    'NAN'
);
CREATE TYPE public.trialstate AS ENUM (
    'RUNNING',
    'COMPLETE',
    'PRUNED',
    'FAIL',
    'WAITING'
);
CREATE TYPE public.trialvaluetype AS ENUM (
    'FINITE',
    'INF_POS',
    'INF_NEG'
);
SET default_tablespace = '';
SET default_table_access_method = heap;
CREATE TABLE public.alembic_version (
    version_num character varying(32) NOT NULL
);
CREATE TABLE public.ballast_alembic_version (
    version_num character varying(32) NOT NULL
);
CREATE TABLE public.ballast_artifacts (
    id integer NOT NULL,
    study text NOT NULL,
    trial integer,
    kind text NOT NULL,
    path text NOT NULL,
    sha256 text NOT NULL,
    created_at timestamp with time zone NOT NULL
);
CREATE SEQUENCE public.ballast_artifacts_id_seq
    AS integer
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE public.ballast_artifacts_id_seq OWNED BY public.ballast_artifacts.id;
CREATE TABLE public.ballast_clamps (
    id integer NOT NULL,
    study text NOT NULL,
    key text NOT NULL,
    declared text NOT NULL,
    effective text NOT NULL,
    reason text NOT NULL,
    origin text NOT NULL
);
CREATE SEQUENCE public.ballast_clamps_id_seq
    AS integer
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE public.ballast_clamps_id_seq OWNED BY public.ballast_clamps.id;
CREATE TABLE public.ballast_data (
    study text NOT NULL,
    source text NOT NULL,
    sha256 text NOT NULL,
    rows integer NOT NULL,
    first_time text NOT NULL,
    last_time text NOT NULL,
    columns text NOT NULL
);
CREATE TABLE public.ballast_epochs (
    study text NOT NULL,
    trial integer NOT NULL,
    epoch integer NOT NULL,
    train_loss double precision NOT NULL,
    validation_loss double precision NOT NULL,
    skill double precision NOT NULL,
    learning_rate double precision NOT NULL,
    grad_norm_mean double precision NOT NULL,
    grad_norm_max double precision NOT NULL,
    output_max double precision NOT NULL,
    steps integer NOT NULL,
    skipped_steps integer NOT NULL,
    movement double precision NOT NULL,
    prediction_std_ratio double precision NOT NULL,
    seconds double precision NOT NULL
);
CREATE TABLE public.ballast_findings (
    id integer NOT NULL,
    study text NOT NULL,
    trial integer NOT NULL,
    kind text NOT NULL,
    epoch integer NOT NULL,
    step integer,
    value double precision NOT NULL,
    threshold double precision,
    message text NOT NULL,
    action text NOT NULL,
    lr_before double precision NOT NULL,
    lr_after double precision NOT NULL,
    parameter text,
    rows text NOT NULL,
    cell text
);
CREATE SEQUENCE public.ballast_findings_id_seq
    AS integer
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE public.ballast_findings_id_seq OWNED BY public.ballast_findings.id;
CREATE TABLE public.ballast_settings (
    id integer NOT NULL,
    study text NOT NULL,
    trial integer,
    key text NOT NULL,
    "position" integer NOT NULL,
    layer text NOT NULL,
    origin text NOT NULL,
    requested text NOT NULL,
    effective text NOT NULL,
    reason text NOT NULL
);
CREATE SEQUENCE public.ballast_settings_id_seq
    AS integer
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE public.ballast_settings_id_seq OWNED BY public.ballast_settings.id;
CREATE TABLE public.ballast_studies (
    name text NOT NULL,
    created_at timestamp with time zone NOT NULL,
    study_file text NOT NULL,
    policy_file text NOT NULL,
    seed bigint NOT NULL,
    fingerprints text NOT NULL,
    versions text NOT NULL,
    facts text NOT NULL,
    wanted integer DEFAULT 1 NOT NULL,
    sources text
);
CREATE TABLE public.ballast_trials (
    study text NOT NULL,
    number integer NOT NULL,
    params text NOT NULL,
    seed bigint NOT NULL,
    started_at timestamp with time zone NOT NULL,
    worker text NOT NULL,
    retry_of integer,
    verdict character varying(16),
    reasons text NOT NULL,
    message text,
    value double precision,
    skill double precision,
    best_epoch integer,
    epochs integer NOT NULL,
    finished_at timestamp with time zone,
    duration_s double precision,
    configuration text,
    source_study text,
    source_trial integer,
    CONSTRAINT ck_ballast_trials_finished_with_a_verdict CHECK (((verdict IS NULL) = (finished_at IS NULL))),
    CONSTRAINT ck_ballast_trials_verdict CHECK (((verdict)::text = ANY ((ARRAY['accepted'::character varying, 'unpromising'::character varying, 'unstable'::character varying, 'suspicious'::character varying, 'interrupted'::character varying, 'failed'::character varying])::text[])))
);
CREATE TABLE public.ballast_workers (
    study text NOT NULL,
    worker text NOT NULL,
    started_at timestamp with time zone NOT NULL,
    beats integer NOT NULL,
    busy boolean NOT NULL,
    device text
);
CREATE TABLE public.studies (
    study_id integer NOT NULL,
    study_name character varying(512) NOT NULL
);
CREATE SEQUENCE public.studies_study_id_seq
    AS integer
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE public.studies_study_id_seq OWNED BY public.studies.study_id;
CREATE TABLE public.study_directions (
    study_direction_id integer NOT NULL,
    direction public.studydirection NOT NULL,
    study_id integer NOT NULL,
    objective integer NOT NULL
);
CREATE SEQUENCE public.study_directions_study_direction_id_seq
    AS integer
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE public.study_directions_study_direction_id_seq OWNED BY public.study_directions.study_direction_id;
CREATE TABLE public.study_system_attributes (
    study_system_attribute_id integer NOT NULL,
    study_id integer,
    key character varying(512),
    value_json text
);
CREATE SEQUENCE public.study_system_attributes_study_system_attribute_id_seq
    AS integer
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE public.study_system_attributes_study_system_attribute_id_seq OWNED BY public.study_system_attributes.study_system_attribute_id;
CREATE TABLE public.study_user_attributes (
    study_user_attribute_id integer NOT NULL,
    study_id integer,
    key character varying(512),
    value_json text
);
CREATE SEQUENCE public.study_user_attributes_study_user_attribute_id_seq
    AS integer
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE public.study_user_attributes_study_user_attribute_id_seq OWNED BY public.study_user_attributes.study_user_attribute_id;
CREATE TABLE public.trial_heartbeats (
    trial_heartbeat_id integer NOT NULL,
    trial_id integer NOT NULL,
    heartbeat timestamp without time zone NOT NULL
);
CREATE SEQUENCE public.trial_heartbeats_trial_heartbeat_id_seq
    AS integer
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE public.trial_heartbeats_trial_heartbeat_id_seq OWNED BY public.trial_heartbeats.trial_heartbeat_id;
CREATE TABLE public.trial_intermediate_values (
    trial_intermediate_value_id integer NOT NULL,
    trial_id integer NOT NULL,
    step integer NOT NULL,
    intermediate_value double precision,
    intermediate_value_type public.trialintermediatevaluetype NOT NULL
);
CREATE SEQUENCE public.trial_intermediate_values_trial_intermediate_value_id_seq
    AS integer
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE public.trial_intermediate_values_trial_intermediate_value_id_seq OWNED BY public.trial_intermediate_values.trial_intermediate_value_id;
CREATE TABLE public.trial_params (
    param_id integer NOT NULL,
    trial_id integer,
    param_name character varying(512),
    param_value double precision,
    distribution_json text
);
CREATE SEQUENCE public.trial_params_param_id_seq
    AS integer
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE public.trial_params_param_id_seq OWNED BY public.trial_params.param_id;
CREATE TABLE public.trial_system_attributes (
    trial_system_attribute_id integer NOT NULL,
    trial_id integer,
    key character varying(512),
    value_json text
);
CREATE SEQUENCE public.trial_system_attributes_trial_system_attribute_id_seq
    AS integer
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE public.trial_system_attributes_trial_system_attribute_id_seq OWNED BY public.trial_system_attributes.trial_system_attribute_id;
CREATE TABLE public.trial_user_attributes (
    trial_user_attribute_id integer NOT NULL,
    trial_id integer,
    key character varying(512),
    value_json text
);
CREATE SEQUENCE public.trial_user_attributes_trial_user_attribute_id_seq
    AS integer
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE public.trial_user_attributes_trial_user_attribute_id_seq OWNED BY public.trial_user_attributes.trial_user_attribute_id;
CREATE TABLE public.trial_values (
    trial_value_id integer NOT NULL,
    trial_id integer NOT NULL,
    objective integer NOT NULL,
    value double precision,
    value_type public.trialvaluetype NOT NULL
);
CREATE SEQUENCE public.trial_values_trial_value_id_seq
    AS integer
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE public.trial_values_trial_value_id_seq OWNED BY public.trial_values.trial_value_id;
CREATE TABLE public.trials (
    trial_id integer NOT NULL,
    number integer,
    study_id integer,
    state public.trialstate NOT NULL,
    datetime_start timestamp without time zone,
    datetime_complete timestamp without time zone
);
CREATE SEQUENCE public.trials_trial_id_seq
    AS integer
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE public.trials_trial_id_seq OWNED BY public.trials.trial_id;
CREATE TABLE public.version_info (
    version_info_id integer NOT NULL,
    schema_version integer,
    library_version character varying(256),
    CONSTRAINT version_info_version_info_id_check CHECK ((version_info_id = 1))
);
ALTER TABLE ONLY public.ballast_artifacts ALTER COLUMN id SET DEFAULT nextval('public.ballast_artifacts_id_seq'::regclass);
ALTER TABLE ONLY public.ballast_clamps ALTER COLUMN id SET DEFAULT nextval('public.ballast_clamps_id_seq'::regclass);
ALTER TABLE ONLY public.ballast_findings ALTER COLUMN id SET DEFAULT nextval('public.ballast_findings_id_seq'::regclass);
ALTER TABLE ONLY public.ballast_settings ALTER COLUMN id SET DEFAULT nextval('public.ballast_settings_id_seq'::regclass);
ALTER TABLE ONLY public.studies ALTER COLUMN study_id SET DEFAULT nextval('public.studies_study_id_seq'::regclass);
ALTER TABLE ONLY public.study_directions ALTER COLUMN study_direction_id SET DEFAULT nextval('public.study_directions_study_direction_id_seq'::regclass);
ALTER TABLE ONLY public.study_system_attributes ALTER COLUMN study_system_attribute_id SET DEFAULT nextval('public.study_system_attributes_study_system_attribute_id_seq'::regclass);
ALTER TABLE ONLY public.study_user_attributes ALTER COLUMN study_user_attribute_id SET DEFAULT nextval('public.study_user_attributes_study_user_attribute_id_seq'::regclass);
ALTER TABLE ONLY public.trial_heartbeats ALTER COLUMN trial_heartbeat_id SET DEFAULT nextval('public.trial_heartbeats_trial_heartbeat_id_seq'::regclass);
ALTER TABLE ONLY public.trial_intermediate_values ALTER COLUMN trial_intermediate_value_id SET DEFAULT nextval('public.trial_intermediate_values_trial_intermediate_value_id_seq'::regclass);
ALTER TABLE ONLY public.trial_params ALTER COLUMN param_id SET DEFAULT nextval('public.trial_params_param_id_seq'::regclass);
ALTER TABLE ONLY public.trial_system_attributes ALTER COLUMN trial_system_attribute_id SET DEFAULT nextval('public.trial_system_attributes_trial_system_attribute_id_seq'::regclass);
ALTER TABLE ONLY public.trial_user_attributes ALTER COLUMN trial_user_attribute_id SET DEFAULT nextval('public.trial_user_attributes_trial_user_attribute_id_seq'::regclass);
ALTER TABLE ONLY public.trial_values ALTER COLUMN trial_value_id SET DEFAULT nextval('public.trial_values_trial_value_id_seq'::regclass);
ALTER TABLE ONLY public.trials ALTER COLUMN trial_id SET DEFAULT nextval('public.trials_trial_id_seq'::regclass);
INSERT INTO public.alembic_version VALUES ('v3.2.0.a');
INSERT INTO public.ballast_alembic_version VALUES ('0002');
INSERT INTO public.ballast_artifacts VALUES (1, 'smoke', 0, 'log', 'files/smoke-04d588cb/trial-00000.log', 'c1fbc5533d922b4557d5a9de175c7c66a8729fb8f813d945e22545d4ddfa2ec5', '2026-11-23 11:25:41.987468+00');
INSERT INTO public.ballast_artifacts VALUES (2, 'smoke', 1, 'log', 'files/smoke-04d588cb/trial-00001.log', '436a0ac64395f4cbbb874fff4465e89e9f26787c8c23afdbb32d2756d8551a8e', '2026-11-23 11:25:42.118375+00');
INSERT INTO public.ballast_artifacts VALUES (3, 'smoke', 2, 'log', 'files/smoke-04d588cb/trial-00002.log', '97641a3f25dac9acc0a0f6a6253af0cd770ce5cef67db9e35013b21bf3a3ba0a', '2026-11-23 11:25:42.258942+00');
INSERT INTO public.ballast_data VALUES ('smoke', 'sample:sp500', '1c4d0aeed8db9284de8ad71e4063c97f645ad6dd13507f8e305338e96c396ba7', 5031, '1999-01-04 00:00:00', '2018-12-31 00:00:00', '["High", "Low"]');
INSERT INTO public.ballast_epochs VALUES ('smoke', 0, 0, 0.9700206127166748, 1.5762590169906616, -1.041583456538476, 0.005469251553809035, 0.3055788427591324, 0.6974375247955322, 0.34499526023864746, 16, 0, 0.23898971161553456, 0.10288264602422714, 0.026388286998553667);
INSERT INTO public.ballast_epochs VALUES ('smoke', 0, 1, 0.8090887665748596, 0.8325797319412231, -0.07836401800612847, 0.005469251553809035, 0.5056621637195349, 0.8301197290420532, 1.1394177675247192, 16, 0, 0.5229699857129879, 0.42109987139701843, 0.019553325000742916);
INSERT INTO public.ballast_epochs VALUES ('smoke', 1, 0, 0.9988661460876465, 1.9084898233413696, -1.471891490108356, 0.0013803820027945223, 0.2720741897355765, 0.8051828742027283, 0.031659260392189026, 16, 0, 0.06794888882538891, 0.007012968882918358, 0.01919577499938896);
INSERT INTO public.ballast_epochs VALUES ('smoke', 1, 1, 0.9823603839874268, 1.815026044845581, -1.3508364465490343, 0.0013803820027945223, 0.3500486903358251, 0.8333045244216919, 0.12183485180139542, 16, 0, 0.14224750293359364, 0.034116506576538086, 0.019903182997950353);
INSERT INTO public.ballast_epochs VALUES ('smoke', 2, 0, 0.9689971103668212, 1.463391661643982, -0.8953967429493885, 0.006118454196852019, 0.30988906347192824, 0.8364355564117432, 0.4433465600013733, 16, 0, 0.2974013047637355, 0.12628935277462006, 0.019504893993143924);
INSERT INTO public.ballast_epochs VALUES ('smoke', 2, 1, 0.8049284787178039, 0.8295410871505737, -0.0744283406409132, 0.006118454196852019, 0.4648637352511287, 0.7724493741989136, 1.144935965538025, 16, 0, 0.48923513751059877, 0.4340379238128662, 0.020328332000644878);
INSERT INTO public.ballast_settings VALUES (1, 'smoke', NULL, 'study.name', 0, 'study', 'configs/studies/smoke.yaml:6', '"smoke"', '"smoke"', '');
INSERT INTO public.ballast_settings VALUES (2, 'smoke', NULL, 'study.trials', 0, 'default', 'search.config.schema', '20', '20', '');
INSERT INTO public.ballast_settings VALUES (3, 'smoke', NULL, 'study.trials', 1, 'base', 'configs/base.yaml:6', '20', '20', '');
INSERT INTO public.ballast_settings VALUES (4, 'smoke', NULL, 'study.trials', 2, 'study', 'configs/studies/smoke.yaml:7', '3', '3', '');
INSERT INTO public.ballast_settings VALUES (5, 'smoke', NULL, 'study.timeout', 0, 'default', 'search.config.schema', 'null', 'null', '');
INSERT INTO public.ballast_settings VALUES (6, 'smoke', NULL, 'study.timeout', 1, 'base', 'configs/base.yaml:7', 'null', 'null', '');
INSERT INTO public.ballast_settings VALUES (7, 'smoke', NULL, 'study.seed', 0, 'default', 'search.config.schema', '0', '0', '');
INSERT INTO public.ballast_settings VALUES (8, 'smoke', NULL, 'study.seed', 1, 'base', 'configs/base.yaml:8', '0', '0', '');
INSERT INTO public.ballast_settings VALUES (9, 'smoke', NULL, 'study.sampler', 0, 'default', 'search.config.schema', '"tpe"', '"tpe"', '');
INSERT INTO public.ballast_settings VALUES (10, 'smoke', NULL, 'study.sampler', 1, 'base', 'configs/base.yaml:9', '"tpe"', '"tpe"', '');
INSERT INTO public.ballast_settings VALUES (11, 'smoke', NULL, 'study.pruner', 0, 'default', 'search.config.schema', '"median"', '"median"', '');
INSERT INTO public.ballast_settings VALUES (12, 'smoke', NULL, 'study.pruner', 1, 'base', 'configs/base.yaml:10', '"median"', '"median"', '');
INSERT INTO public.ballast_settings VALUES (13, 'smoke', NULL, 'study.startup_trials', 0, 'default', 'search.config.schema', '6', '6', '');
INSERT INTO public.ballast_settings VALUES (14, 'smoke', NULL, 'study.startup_trials', 1, 'base', 'configs/base.yaml:11', '6', '6', '');
INSERT INTO public.ballast_settings VALUES (15, 'smoke', NULL, 'study.startup_trials', 2, 'study', 'configs/studies/smoke.yaml:8', '2', '2', '');
INSERT INTO public.ballast_settings VALUES (16, 'smoke', NULL, 'study.pruner_warmup', 0, 'default', 'search.config.schema', '3', '3', '');
INSERT INTO public.ballast_settings VALUES (17, 'smoke', NULL, 'study.pruner_warmup', 1, 'base', 'configs/base.yaml:12', '3', '3', '');
INSERT INTO public.ballast_settings VALUES (18, 'smoke', NULL, 'study.pruner_patience', 0, 'default', 'search.config.schema', '3', '3', '');
INSERT INTO public.ballast_settings VALUES (19, 'smoke', NULL, 'study.pruner_patience', 1, 'base', 'configs/base.yaml:13', '3', '3', '');
INSERT INTO public.ballast_settings VALUES (20, 'smoke', NULL, 'study.retries', 0, 'default', 'search.config.schema', '2', '2', '');
INSERT INTO public.ballast_settings VALUES (21, 'smoke', NULL, 'study.retries', 1, 'base', 'configs/base.yaml:14', '2', '2', '');
INSERT INTO public.ballast_settings VALUES (22, 'smoke', NULL, 'study.stop.no_better_for', 0, 'default', 'search.config.schema', 'null', 'null', '');
INSERT INTO public.ballast_settings VALUES (23, 'smoke', NULL, 'study.stop.no_better_for', 1, 'base', 'configs/base.yaml:16', 'null', 'null', '');
INSERT INTO public.ballast_settings VALUES (24, 'smoke', NULL, 'study.stop.min_delta', 0, 'default', 'search.config.schema', '0.0', '0.0', '');
INSERT INTO public.ballast_settings VALUES (25, 'smoke', NULL, 'study.stop.min_delta', 1, 'base', 'configs/base.yaml:17', '0.0', '0.0', '');
INSERT INTO public.ballast_settings VALUES (26, 'smoke', NULL, 'study.duplicates', 0, 'default', 'search.config.schema', '"reuse"', '"reuse"', '');
INSERT INTO public.ballast_settings VALUES (27, 'smoke', NULL, 'study.duplicates', 1, 'base', 'configs/base.yaml:18', '"reuse"', '"reuse"', '');
INSERT INTO public.ballast_settings VALUES (28, 'smoke', NULL, 'study.enqueue', 0, 'default', 'search.config.schema', '[]', '[]', '');
INSERT INTO public.ballast_settings VALUES (29, 'smoke', NULL, 'study.enqueue', 1, 'base', 'configs/base.yaml:19', '[]', '[]', '');
INSERT INTO public.ballast_settings VALUES (30, 'smoke', NULL, 'data.source', 0, 'study', 'configs/studies/smoke.yaml:11', '"sample:sp500"', '"sample:sp500"', '');
INSERT INTO public.ballast_settings VALUES (31, 'smoke', NULL, 'data.time', 0, 'study', 'configs/studies/smoke.yaml:12', '"Date"', '"Date"', '');
INSERT INTO public.ballast_settings VALUES (32, 'smoke', NULL, 'data.features', 0, 'study', 'configs/studies/smoke.yaml:13', '[{"name": "vol", "transform": "log_parkinson", "high": "High", "low": "Low"}, {"name": "vol5", "of": "vol", "transform": "rolling_mean", "window": 5}]', '[{"transform": "log_parkinson", "high": "High", "low": "Low", "name": "vol"}, {"transform": "rolling_mean", "of": "vol", "window": 5, "name": "vol5"}]', '');
INSERT INTO public.ballast_settings VALUES (33, 'smoke', NULL, 'data.target.transform', 0, 'default', 'trainer.config', '"raw"', '"raw"', '');
INSERT INTO public.ballast_settings VALUES (34, 'smoke', NULL, 'data.target.transform', 1, 'study', 'configs/studies/smoke.yaml:16', '"log_parkinson"', '"log_parkinson"', '');
INSERT INTO public.ballast_settings VALUES (35, 'smoke', NULL, 'data.target.column', 0, 'default', 'trainer.config', 'null', 'null', '');
INSERT INTO public.ballast_settings VALUES (36, 'smoke', NULL, 'data.target.of', 0, 'default', 'trainer.config', 'null', 'null', '');
INSERT INTO public.ballast_settings VALUES (37, 'smoke', NULL, 'data.target.high', 0, 'default', 'trainer.config', 'null', 'null', '');
INSERT INTO public.ballast_settings VALUES (38, 'smoke', NULL, 'data.target.high', 1, 'study', 'configs/studies/smoke.yaml:16', '"High"', '"High"', '');
INSERT INTO public.ballast_settings VALUES (39, 'smoke', NULL, 'data.target.low', 0, 'default', 'trainer.config', 'null', 'null', '');
INSERT INTO public.ballast_settings VALUES (40, 'smoke', NULL, 'data.target.low', 1, 'study', 'configs/studies/smoke.yaml:16', '"Low"', '"Low"', '');
INSERT INTO public.ballast_settings VALUES (41, 'smoke', NULL, 'data.target.window', 0, 'default', 'trainer.config', 'null', 'null', '');
INSERT INTO public.ballast_settings VALUES (42, 'smoke', NULL, 'data.target.kind', 0, 'study', 'configs/studies/smoke.yaml:16', '"volatility"', '"volatility"', '');
INSERT INTO public.ballast_settings VALUES (43, 'smoke', NULL, 'data.target.horizon', 0, 'default', 'trainer.config', '1', '1', '');
INSERT INTO public.ballast_settings VALUES (44, 'smoke', NULL, 'data.target.horizon', 1, 'study', 'configs/studies/smoke.yaml:16', '1', '1', '');
INSERT INTO public.ballast_settings VALUES (45, 'smoke', NULL, 'data.target.clip', 0, 'default', 'trainer.config', 'null', 'null', '');
INSERT INTO public.ballast_settings VALUES (46, 'smoke', NULL, 'data.seq_len', 0, 'default', 'trainer.config', '22', '22', '');
INSERT INTO public.ballast_settings VALUES (47, 'smoke', NULL, 'data.seq_len', 1, 'study', 'configs/studies/smoke.yaml:17', '5', '5', '');
INSERT INTO public.ballast_settings VALUES (48, 'smoke', NULL, 'data.feature_clip', 0, 'default', 'trainer.config', '3.0', '3.0', '');
INSERT INTO public.ballast_settings VALUES (49, 'smoke', NULL, 'data.split.train_until', 0, 'default', 'trainer.config', 'null', 'null', '');
INSERT INTO public.ballast_settings VALUES (50, 'smoke', NULL, 'data.split.validation_until', 0, 'default', 'trainer.config', 'null', 'null', '');
INSERT INTO public.ballast_settings VALUES (51, 'smoke', NULL, 'data.split.fractions', 0, 'default', 'trainer.config', 'null', 'null', '');
INSERT INTO public.ballast_settings VALUES (52, 'smoke', NULL, 'data.split.fractions', 1, 'study', 'configs/studies/smoke.yaml:18', '{"train": 0.2, "validation": 0.1}', '{"train": 0.2, "validation": 0.1}', '');
INSERT INTO public.ballast_settings VALUES (53, 'smoke', NULL, 'data.split.embargo', 0, 'default', 'trainer.config', '0', '0', '');
INSERT INTO public.ballast_settings VALUES (54, 'smoke', NULL, 'models.gru.learning_rate', 0, 'default', 'trainer.config', '0.0001', '0.0001', '');
INSERT INTO public.ballast_settings VALUES (55, 'smoke', NULL, 'models.gru.learning_rate', 1, 'base', 'configs/base.yaml:23', '0.0001', '0.0001', '');
INSERT INTO public.ballast_settings VALUES (56, 'smoke', NULL, 'models.gru.learning_rate', 2, 'sampled', 'configs/studies/smoke.yaml:26', '{"low": 0.0003, "high": 0.01, "log": true}', '{"low": 0.0003, "high": 0.01, "log": true}', 'searched: every trial samples its own value');
INSERT INTO public.ballast_settings VALUES (57, 'smoke', NULL, 'models.gru.batch_size', 0, 'default', 'trainer.config', '32', '32', '');
INSERT INTO public.ballast_settings VALUES (58, 'smoke', NULL, 'models.gru.batch_size', 1, 'base', 'configs/base.yaml:24', '32', '32', '');
INSERT INTO public.ballast_settings VALUES (59, 'smoke', NULL, 'models.gru.batch_size', 2, 'study', 'configs/studies/smoke.yaml:21', '64', '64', '');
INSERT INTO public.ballast_settings VALUES (60, 'smoke', NULL, 'models.gru.hidden_size', 0, 'default', 'trainer.config', '32', '32', '');
INSERT INTO public.ballast_settings VALUES (61, 'smoke', NULL, 'models.gru.hidden_size', 1, 'base', 'configs/base.yaml:25', '32', '32', '');
INSERT INTO public.ballast_settings VALUES (62, 'smoke', NULL, 'models.gru.hidden_size', 2, 'study', 'configs/studies/smoke.yaml:21', '8', '8', '');
INSERT INTO public.ballast_settings VALUES (63, 'smoke', NULL, 'models.gru.num_layers', 0, 'default', 'trainer.config', '1', '1', '');
INSERT INTO public.ballast_settings VALUES (64, 'smoke', NULL, 'models.gru.num_layers', 1, 'base', 'configs/base.yaml:26', '1', '1', '');
INSERT INTO public.ballast_settings VALUES (65, 'smoke', NULL, 'models.gru.dropout', 0, 'default', 'trainer.config', '0.0', '0.0', '');
INSERT INTO public.ballast_settings VALUES (66, 'smoke', NULL, 'models.gru.dropout', 1, 'base', 'configs/base.yaml:27', '0.0', '0.0', '');
INSERT INTO public.ballast_settings VALUES (67, 'smoke', NULL, 'models.gru.weight_decay', 0, 'default', 'trainer.config', '0.0', '0.0', '');
INSERT INTO public.ballast_settings VALUES (68, 'smoke', NULL, 'models.gru.weight_decay', 1, 'base', 'configs/base.yaml:28', '0.0', '0.0', '');
INSERT INTO public.ballast_settings VALUES (69, 'smoke', NULL, 'models.gru.init', 0, 'default', 'trainer.config', '"gains"', '"gains"', '');
INSERT INTO public.ballast_settings VALUES (70, 'smoke', NULL, 'models.gru.init', 1, 'base', 'configs/base.yaml:29', '"gains"', '"gains"', '');
INSERT INTO public.ballast_settings VALUES (71, 'smoke', NULL, 'models.gru.input_gain', 0, 'default', 'trainer.config', '0.01', '0.01', '');
INSERT INTO public.ballast_settings VALUES (72, 'smoke', NULL, 'models.gru.input_gain', 1, 'base', 'configs/base.yaml:30', '0.01', '0.01', '');
INSERT INTO public.ballast_settings VALUES (73, 'smoke', NULL, 'models.gru.hidden_gain', 0, 'default', 'trainer.config', '0.01', '0.01', '');
INSERT INTO public.ballast_settings VALUES (74, 'smoke', NULL, 'models.gru.hidden_gain', 1, 'base', 'configs/base.yaml:31', '0.01', '0.01', '');
INSERT INTO public.ballast_settings VALUES (75, 'smoke', NULL, 'models.gru.head_gain', 0, 'default', 'trainer.config', '0.001', '0.001', '');
INSERT INTO public.ballast_settings VALUES (76, 'smoke', NULL, 'models.gru.head_gain', 1, 'base', 'configs/base.yaml:32', '0.001', '0.001', '');
INSERT INTO public.ballast_settings VALUES (77, 'smoke', NULL, 'training.epochs', 0, 'default', 'trainer.config', '15', '15', '');
INSERT INTO public.ballast_settings VALUES (78, 'smoke', NULL, 'training.epochs', 1, 'base', 'configs/base.yaml:35', '15', '15', '');
INSERT INTO public.ballast_settings VALUES (79, 'smoke', NULL, 'training.epochs', 2, 'study', 'configs/studies/smoke.yaml:23', '2', '2', '');
INSERT INTO public.ballast_settings VALUES (80, 'smoke', NULL, 'training.patience', 0, 'default', 'trainer.config', '4', '4', '');
INSERT INTO public.ballast_settings VALUES (81, 'smoke', NULL, 'training.patience', 1, 'base', 'configs/base.yaml:36', '4', '4', '');
INSERT INTO public.ballast_settings VALUES (82, 'smoke', NULL, 'training.patience', 2, 'study', 'configs/studies/smoke.yaml:23', '2', '2', '');
INSERT INTO public.ballast_settings VALUES (83, 'smoke', NULL, 'training.max_grad_norm', 0, 'default', 'trainer.config', '1.0', '1.0', '');
INSERT INTO public.ballast_settings VALUES (84, 'smoke', NULL, 'training.max_grad_norm', 1, 'base', 'configs/base.yaml:38', '1.0', '1.0', '');
INSERT INTO public.ballast_settings VALUES (85, 'smoke', NULL, 'training.max_seconds', 0, 'default', 'trainer.config', 'null', 'null', '');
INSERT INTO public.ballast_settings VALUES (86, 'smoke', NULL, 'training.max_seconds', 1, 'base', 'configs/base.yaml:37', 'null', 'null', '');
INSERT INTO public.ballast_settings VALUES (87, 'smoke', NULL, 'training.mixed_precision', 0, 'default', 'trainer.config', 'false', 'false', '');
INSERT INTO public.ballast_settings VALUES (88, 'smoke', NULL, 'training.mixed_precision', 1, 'base', 'configs/base.yaml:39', 'false', 'false', '');
INSERT INTO public.ballast_settings VALUES (89, 'smoke', NULL, 'training.device', 0, 'default', 'trainer.config', '"cpu"', '"cpu"', '');
INSERT INTO public.ballast_settings VALUES (90, 'smoke', NULL, 'training.device', 1, 'base', 'configs/base.yaml:40', '"cpu"', '"cpu"', '');
INSERT INTO public.ballast_settings VALUES (91, 'smoke', NULL, 'guard.max_bad_steps', 0, 'default', 'trainer.config', '3', '3', '');
INSERT INTO public.ballast_settings VALUES (92, 'smoke', NULL, 'guard.max_bad_steps', 1, 'base', 'configs/base.yaml:43', '3', '3', '');
INSERT INTO public.ballast_settings VALUES (93, 'smoke', NULL, 'guard.rewinds', 0, 'default', 'trainer.config', '1', '1', '');
INSERT INTO public.ballast_settings VALUES (94, 'smoke', NULL, 'guard.rewinds', 1, 'base', 'configs/base.yaml:44', '1', '1', '');
INSERT INTO public.ballast_settings VALUES (95, 'smoke', NULL, 'guard.output_limit', 0, 'default', 'trainer.config', '10.0', '10.0', '');
INSERT INTO public.ballast_settings VALUES (96, 'smoke', NULL, 'guard.output_limit', 1, 'base', 'configs/base.yaml:45', '10.0', '10.0', '');
INSERT INTO public.ballast_settings VALUES (97, 'smoke', NULL, 'guard.loss_limit', 0, 'default', 'trainer.config', '100.0', '100.0', '');
INSERT INTO public.ballast_settings VALUES (98, 'smoke', NULL, 'guard.loss_limit', 1, 'base', 'configs/base.yaml:46', '100.0', '100.0', '');
INSERT INTO public.ballast_settings VALUES (99, 'smoke', NULL, 'guard.lr_cut', 0, 'default', 'trainer.config', '0.1', '0.1', '');
INSERT INTO public.ballast_settings VALUES (100, 'smoke', NULL, 'guard.lr_cut', 1, 'base', 'configs/base.yaml:47', '0.1', '0.1', '');
INSERT INTO public.ballast_settings VALUES (101, 'smoke', NULL, 'guard.lr_min', 0, 'default', 'trainer.config', '1e-08', '1e-08', '');
INSERT INTO public.ballast_settings VALUES (102, 'smoke', NULL, 'guard.lr_min', 1, 'base', 'configs/base.yaml:48', '1e-08', '1e-08', '');
INSERT INTO public.ballast_settings VALUES (103, 'smoke', NULL, 'guard.frozen_lr_ratio', 0, 'default', 'trainer.config', '0.001', '0.001', '');
INSERT INTO public.ballast_settings VALUES (104, 'smoke', NULL, 'guard.frozen_lr_ratio', 1, 'base', 'configs/base.yaml:49', '0.001', '0.001', '');
INSERT INTO public.ballast_settings VALUES (105, 'smoke', NULL, 'guard.min_movement', 0, 'default', 'trainer.config', '0.001', '0.001', '');
INSERT INTO public.ballast_settings VALUES (106, 'smoke', NULL, 'guard.min_movement', 1, 'base', 'configs/base.yaml:50', '0.001', '0.001', '');
INSERT INTO public.ballast_settings VALUES (107, 'smoke', NULL, 'guard.loss_floor', 0, 'default', 'trainer.config', '1e-08', '1e-08', '');
INSERT INTO public.ballast_settings VALUES (108, 'smoke', NULL, 'guard.loss_floor', 1, 'base', 'configs/base.yaml:51', '1e-08', '1e-08', '');
INSERT INTO public.ballast_settings VALUES (109, 'smoke', NULL, 'guard.max_skill', 0, 'default', 'trainer.config', 'null', 'null', '');
INSERT INTO public.ballast_settings VALUES (110, 'smoke', NULL, 'guard.max_skill', 1, 'base', 'configs/base.yaml:52', 'null', 'null', '');
INSERT INTO public.ballast_settings VALUES (111, 'smoke', NULL, 'guard.target_max_floor', 0, 'default', 'trainer.config', '0.001', '0.001', '');
INSERT INTO public.ballast_settings VALUES (112, 'smoke', NULL, 'guard.target_max_floor', 1, 'base', 'configs/base.yaml:53', '0.001', '0.001', '');
INSERT INTO public.ballast_settings VALUES (113, 'smoke', NULL, 'guard.target_std_floor', 0, 'default', 'trainer.config', '0.0001', '0.0001', '');
INSERT INTO public.ballast_settings VALUES (114, 'smoke', NULL, 'guard.target_std_floor', 1, 'base', 'configs/base.yaml:54', '0.0001', '0.0001', '');
INSERT INTO public.ballast_settings VALUES (115, 'smoke', NULL, 'storage.url', 0, 'default', 'search.config.schema', '"sqlite:///ballast.db"', '"sqlite:///ballast.db"', '');
INSERT INTO public.ballast_settings VALUES (116, 'smoke', NULL, 'storage.url', 1, 'base', 'configs/base.yaml:57', '"sqlite:///ballast.db"', '"sqlite:///ballast.db"', '');
INSERT INTO public.ballast_settings VALUES (117, 'smoke', NULL, 'storage.url', 2, 'cli', '--store', '"postgresql+psycopg://ballast:***@database/ballast"', '"postgresql+psycopg://ballast:***@database/ballast"', '--store comes before the study file');
INSERT INTO public.ballast_settings VALUES (118, 'smoke', NULL, 'storage.files', 0, 'default', 'search.config.schema', 'null', 'null', '');
INSERT INTO public.ballast_settings VALUES (119, 'smoke', NULL, 'storage.files', 1, 'base', 'configs/base.yaml:58', 'null', 'null', '');
INSERT INTO public.ballast_settings VALUES (120, 'smoke', NULL, 'storage.files', 2, 'cli', '--set storage.files=files', '"files"', '"files"', '');
INSERT INTO public.ballast_settings VALUES (121, 'smoke', NULL, 'storage.patience', 0, 'default', 'search.config.schema', '300.0', '300.0', '');
INSERT INTO public.ballast_settings VALUES (122, 'smoke', NULL, 'storage.patience', 1, 'base', 'configs/base.yaml:59', '"5m"', '300.0', '');
INSERT INTO public.ballast_settings VALUES (123, 'smoke', NULL, 'tracking.dashboard', 0, 'default', 'search.config.schema', 'true', 'true', '');
INSERT INTO public.ballast_settings VALUES (124, 'smoke', NULL, 'tracking.dashboard', 1, 'base', 'configs/base.yaml:62', 'true', 'true', '');
INSERT INTO public.ballast_settings VALUES (125, 'smoke', NULL, 'tracking.dashboard', 2, 'cli', '--set tracking.dashboard=false', 'false', 'false', '');
INSERT INTO public.ballast_settings VALUES (126, 'smoke', NULL, 'tracking.mlflow.uri', 0, 'default', 'search.config.schema', 'null', 'null', '');
INSERT INTO public.ballast_settings VALUES (127, 'smoke', NULL, 'tracking.mlflow.uri', 1, 'base', 'configs/base.yaml:64', 'null', 'null', '');
INSERT INTO public.ballast_settings VALUES (128, 'smoke', NULL, 'space.models.gru.learning_rate', 0, 'study', 'configs/studies/smoke.yaml:26', '{"low": 0.0003, "high": 0.01, "log": true}', '{"low": 0.0003, "high": 0.01, "log": true}', '');
INSERT INTO public.ballast_settings VALUES (129, 'smoke', 0, 'models.gru.learning_rate', 0, 'sampled', 'configs/studies/smoke.yaml:26', '0.005469251553809035', '0.005469251553809035', 'drawn by tpe');
INSERT INTO public.ballast_settings VALUES (130, 'smoke', 1, 'models.gru.learning_rate', 0, 'sampled', 'configs/studies/smoke.yaml:26', '0.0013803820027945223', '0.0013803820027945223', 'drawn by tpe');
INSERT INTO public.ballast_settings VALUES (131, 'smoke', 2, 'models.gru.learning_rate', 0, 'sampled', 'configs/studies/smoke.yaml:26', '0.006118454196852019', '0.006118454196852019', 'drawn by tpe');
INSERT INTO public.ballast_studies VALUES ('smoke', '2026-11-23 11:25:40.203167+00', 'configs/studies/smoke.yaml', 'configs/safe_ranges.yaml', 0, '{"space": "cb0d1ab7cb3806ab40d2aa852313346e52c3991ec241d17cf334f521d35137dd", "policy": "aff79f2a74a82ab102e871f9276fc2d04b9959760dba1503a4470024b90e8b21", "settings": "ddfe8aee9ff2716e9bb2a1ac103fc2fa23627c3f02e4dbd9e0b4ca27b5c0d3a2", "data": "cbaa860f9fb31903bf6dc912fb501b5f32c4653422091dfc0d847aa2c4d167fe", "content": "1c4d0aeed8db9284de8ad71e4063c97f645ad6dd13507f8e305338e96c396ba7"}', '{"ballast": "0.1.0", "torch": "2.13.0+cpu", "optuna": "5.0.0", "numpy": "2.4.6", "pandas": "3.1.1"}', '{"kind": "volatility", "horizon": 1, "rows": {"train": 1000, "validation": 501, "test": 3519}, "baselines": {"zero": 122.15213720329703, "train_mean": 1.9473722804453042, "persistence": 1.5140356198620726, "har": 0.7720766995551696}, "baseline": {"name": "har", "loss": 0.7720766995551696}, "skill_ceiling": 0.3, "feature_clipped": {"vol": 0.0106312292358804, "vol5": 0.012624584717607974}, "target_clipped": 0.0, "sha256": "f98bb2bbe5142333ff53726eba0f8c4783b423864a0a4085f410c910a751975d", "audit": [{"code": "feature_clipped", "severity": "info", "where": "vol", "value": 0.0106312292358804, "threshold": 0.05, "message": "vol: 1.06% of the training and validation values lie beyond ±3 standard deviations and are clipped (usual: at most 5%); nothing to do"}, {"code": "feature_clipped", "severity": "info", "where": "vol5", "value": 0.012624584717607974, "threshold": 0.05, "message": "vol5: 1.26% of the training and validation values lie beyond ±3 standard deviations and are clipped (usual: at most 5%); nothing to do"}]}', 3, '{"folder": "configs/studies", "study": {"shown": "configs/studies/smoke.yaml", "text": "# Three short trials: does everything work on this machine? The figures mean nothing.\n#\n#   ballast run configs/studies/smoke.yaml\n\nstudy:\n  name: smoke\n  trials: 3\n  startup_trials: 2\n\ndata:\n  source: sample:sp500\n  time: Date\n  features:\n    - {name: vol, transform: log_parkinson, high: High, low: Low}\n    - {name: vol5, of: vol, transform: rolling_mean, window: 5}\n  target: {transform: log_parkinson, high: High, low: Low, kind: volatility, horizon: 1}\n  seq_len: 5\n  split: {fractions: {train: 0.2, validation: 0.1}}\n\nmodels:\n  gru: {batch_size: 64, hidden_size: 8}\n\ntraining: {epochs: 2, patience: 2}\n\nspace:\n  models.gru.learning_rate: {low: 3e-4, high: 1e-2, log: true}\n"}, "base": {"shown": "configs/base.yaml", "text": "# The recommended settings: the layer under every study file. Each value can be changed in a study file or with\n# --set KEY=VALUE, for one run. Limits that no study may pass stand in safe_ranges.yaml.\n# What is missing here is what only a study can say: study.name, the data section, and space.\n\nstudy:\n  trials: 20            # trials of the whole study; those already done count\n  timeout: null         # null: no limit; else seconds, or 90s, 30m, 1h30m\n  seed: 0               # with the trial''s number it decides every random draw\n  sampler: tpe          # tpe, random, gp, cmaes, grid (choices and steps only) or qmc\n  pruner: median        # median, hyperband, patient or none\n  startup_trials: 6     # trials drawn at random before the sampler learns and the median is trusted\n  pruner_warmup: 3      # epochs of a trial before it may be pruned: early losses rank badly\n  pruner_patience: 3    # epochs without progress that the patient pruner waits\n  retries: 2            # how often a trial is tried again when the machine failed it, not its settings\n  stop:\n    no_better_for: null # end after this many trials in a row that did not lower the best loss; null: never\n    min_delta: 0.0      # a loss must be lower by this to count as better\n  duplicates: reuse     # reuse: a configuration tried before gets its result again; rerun: trained with a new seed\n  enqueue: []           # configurations to try first: - {models.gru.learning_rate: 1e-3}\n\nmodels:\n  gru:\n    learning_rate: 1e-4   # per step of AdamW; the team that mended this trainer by hand recommends it\n    batch_size: 32        # windows per step\n    hidden_size: 32       # units per layer; more fit noise on a few thousand days\n    num_layers: 1         # stacked GRU layers\n    dropout: 0.0          # share of activations zeroed in training, also on the last hidden state\n    weight_decay: 0.0     # decoupled decay of the weights per step, relative to learning_rate\n    init: gains           # gains: the three below, biases zero; torch: PyTorch''s own initialisation\n    input_gain: 0.01      # Xavier gain of the input-to-hidden weights\n    hidden_gain: 0.01     # orthogonal gain of the hidden-to-hidden weights\n    head_gain: 0.001      # Xavier gain of the head, so that the first forecasts are near the mean\n\ntraining:\n  epochs: 15              # passes over the training rows, at most\n  patience: 4             # epochs without a better validation loss before training ends\n  max_seconds: null       # time limit of one trial; null: none\n  max_grad_norm: 1.0      # L2 norm of all gradients together, clipped to this before each step\n  mixed_precision: false  # there is one path and it is float32; true is clamped to false and recorded\n  device: cpu             # small GRUs are fastest on one CPU thread; cuda and cuda:0 work too\n\nguard:\n  max_bad_steps: 3          # bad steps in a row that rewind a trial, or end it\n  rewinds: 1                # returns to the last good epoch, with half its learning rate, before it ends\n  output_limit: 10.0        # |forecast| in standard deviations of the target; beyond it is an explosion\n  loss_limit: 100.0         # mean squared error of a batch in standardised units; beyond it is an explosion\n  lr_cut: 0.1               # what the learning rate is multiplied with after a bad step\n  lr_min: 1e-8              # the cut stops here\n  frozen_lr_ratio: 1e-3     # below this share of its start the learning rate teaches nothing more\n  min_movement: 1e-3        # distance of the weights from their start, of their ordinary size, over all epochs\n  loss_floor: 1e-8          # a loss below it is too good to be true\n  max_skill: null           # null: by the kind of target (a target of kind other must give it)\n  target_max_floor: 1e-3    # returns whose largest magnitude is below it are degenerate\n  target_std_floor: 1e-4    # returns whose standard deviation is below it are degenerate\n\nstorage:\n  url: sqlite:///ballast.db   # --store and BALLAST_STORE come before it\n  files: null                 # folder of checkpoints and trial logs; null: beside a SQLite file, else ./ballast-files\n  patience: 5m                # how long a worker waits for a store that is away before it gives up\n\ntracking:\n  dashboard: true             # publish notes, plots and files for optuna-dashboard while the study runs\n  mlflow:\n    uri: null                 # send the study to this MLflow too, such as http://127.0.0.1:5000; null: none\n"}, "policy": [{"shown": "configs/safe_ranges.yaml", "text": "# The safe ranges: no trial runs outside them, whatever a study file, --set or an enqueued configuration says.\n# A range in space is intersected, a fixed value is moved to the nearest bound, choices outside are dropped, and\n# each of these is recorded. Use another policy with --policy FILE; it may start with `extends: safe_ranges.yaml`\n# and replace single keys.\n#\n# Per key: low and/or high (both included), or choices, or only; why; source. `when` limits a range to studies\n# whose settings have these values.\n\nmodels.gru.learning_rate:\n  low: 1e-8\n  high: 1e-2\n  why: above it small recurrent networks diverge or leap over every minimum; below it nothing is learnt\n  source: a rule of prudence of this project, not a measurement; the lower bound from the guard''s floor of cut learning rates\nmodels.gru.batch_size:\n  low: 16\n  why: the gradient of fewer windows of financial noise has a norm that no clipping makes useful\n  source: a rule of prudence of this project, not a measurement\nmodels.gru.hidden_size:\n  high: 128\n  why: a few thousand days cannot determine more weights, they can only be memorised by them\n  source: a rule of prudence of this project, not a measurement\nmodels.gru.num_layers:\n  high: 3\n  why: deeper stacks of recurrent layers lose their gradients on windows of weeks\n  source: a rule of prudence of this project, not a measurement\nmodels.gru.dropout:\n  high: 0.5\n  why: beyond it more than half of a small hidden state is noise\n  source: a rule of prudence of this project, not a measurement\nmodels.gru.weight_decay:\n  high: 0.1\n  why: a stronger pull holds the weights at zero, which looks stable and has learnt nothing\n  source: ten times AdamW''s usual 0.01 (Loshchilov and Hutter 2019)\nmodels.gru.input_gain:\n  high: 0.01\n  why: small first states keep the first gradients small\n  source: the rule of the team that mended this trainer by hand, measured to train well with standardised targets\nmodels.gru.hidden_gain:\n  high: 0.01\n  why: small first states keep the first gradients small\n  source: the rule of the team that mended this trainer by hand, measured to train well with standardised targets\nmodels.gru.head_gain:\n  high: 0.001\n  why: the first forecasts start near the mean of the target\n  source: the rule of the team that mended this trainer by hand, measured to train well with standardised targets\n\ntraining.max_grad_norm:\n  high: 1.0\n  why: a larger step in one batch undoes what the others learnt\n  source: a rule of prudence of this project, not a measurement\ntraining.mixed_precision:\n  only: false\n  why: fp16 with a loss scale of 65536 gave non-finite gradients from batch 0 on\n  source: measured, see \"Where Ballast comes from\"; also in code, under every policy\n\ndata.feature_clip:\n  high: 3.0\n  why: inputs beyond three standard deviations saturate the gates and drown the rest of their batch\n  source: docs/architecture.md; three standard deviations hold 99.7 % of a normal variable\ndata.target.clip:\n  high: 0.1\n  when: {data.target.kind: return}\n  why: a day beyond ±10 % would decide the squared loss of a whole year\n  source: a rule of prudence of this project, not a measurement; for returns alone, because it would cut volatilities to nothing\n\n# A guard that a study can loosen is no guard: its thresholds may be tightened only, within reason.\nguard.max_bad_steps:\n  high: 10\n  why: a trial that is saved more often has learnt from the savings\n  source: five cuts by 0.1 freeze a model (measured); ten leave room for a gentler cut\nguard.rewinds:\n  high: 3\n  why: a trial that is saved more often has learnt from the savings\n  source: a rule of prudence of this project, not a measurement\nguard.output_limit:\n  high: 10.0\n  why: a forecast ten standard deviations from the mean is an explosion\n  source: docs/architecture.md, \"The guard\"\nguard.loss_limit:\n  high: 100.0\n  why: a batch whose mean error is ten standard deviations is an explosion\n  source: docs/architecture.md, \"The guard\"\nguard.lr_cut:\n  low: 0.01\n  high: 0.5\n  why: a weaker cut repeats the bad step, a stronger one freezes the model at once\n  source: docs/architecture.md, \"The guard\", 0.1, with room on both sides\nguard.lr_min:\n  high: 1e-6\n  why: a floor above the learning rate would raise it where it should be cut\n  source: docs/architecture.md, \"The guard\", 1e-8, with room\nguard.frozen_lr_ratio:\n  low: 1e-5\n  why: at 0 a model frozen by cuts would pass as stable\n  source: five cuts by 0.1 freeze a model (measured)\nguard.min_movement:\n  low: 1e-6\n  why: at 0 a model in which nothing moved would pass as stable\n  source: about ten times the resolution of float32\nguard.loss_floor:\n  low: 1e-8\n  why: below it every leak would pass\n  source: docs/architecture.md, \"The guard\"\nguard.max_skill:\n  high: 0.9\n  why: a higher ceiling would let the leak pass that this guard was built for\n  source: a loss of 8e-6 on S&P 500 returns is a skill of 0.945 over the zero forecast\nguard.target_max_floor:\n  low: 1e-4\n  why: at 0 the warning about degenerate returns could be silenced\n  source: a tenth of the default 0.001\nguard.target_std_floor:\n  low: 1e-5\n  why: at 0 the warning about degenerate returns could be silenced\n  source: a tenth of the default 0.0001\n"}], "sets": ["tracking.dashboard=false", "storage.files=files"], "stored_at": {"url": "postgresql+psycopg://ballast:***@database/ballast", "origin": "--store"}, "tracked_at": null}');
INSERT INTO public.ballast_trials VALUES ('smoke', 0, '{"models.gru.learning_rate": 0.005469251553809035}', 2968811710, '2026-11-23 11:25:40.547951+00', 'machine:4711:8f3a', NULL, 'accepted', '[]', 'trained 2 epochs, best was 1', 0.8325797319412231, -0.07836401800612847, 1, 2, '2026-11-23 11:25:41.987543+00', 1.4333322120000958, 'e6481442d5b0ab65bf5dd27c6e704b7a5908cd782e43cb722dee97e5e380d8f6', NULL, NULL);
INSERT INTO public.ballast_trials VALUES ('smoke', 1, '{"models.gru.learning_rate": 0.0013803820027945223}', 3964924996, '2026-11-23 11:25:42.059337+00', 'machine:4711:8f3a', NULL, 'accepted', '[]', 'trained 2 epochs, best was 1', 1.815026044845581, -1.3508364465490343, 1, 2, '2026-11-23 11:25:42.118447+00', 0.05556038500071736, 'ec2ba03ee3bfdf05d5f4388d2d15b9e412804f0314cbd6c5adcbcf7be4c21231', NULL, NULL);
INSERT INTO public.ballast_trials VALUES ('smoke', 2, '{"models.gru.learning_rate": 0.006118454196852019}', 3141116543, '2026-11-23 11:25:42.19846+00', 'machine:4711:8f3a', NULL, 'accepted', '[]', 'trained 2 epochs, best was 1', 0.8295410871505737, -0.0744283406409132, 1, 2, '2026-11-23 11:25:42.259006+00', 0.056704228998569306, '28c952a641bf909ac73964e5033df2c693de2c9b7969b4f3c8537ff71415e348', NULL, NULL);
INSERT INTO public.studies VALUES (1, 'smoke');
INSERT INTO public.study_directions VALUES (1, 'MINIMIZE', 1, 0);
INSERT INTO public.trial_intermediate_values VALUES (1, 1, 0, 1.5762590169906616, 'FINITE');
INSERT INTO public.trial_intermediate_values VALUES (2, 1, 1, 0.8325797319412231, 'FINITE');
INSERT INTO public.trial_intermediate_values VALUES (3, 2, 0, 1.9084898233413696, 'FINITE');
INSERT INTO public.trial_intermediate_values VALUES (4, 2, 1, 1.815026044845581, 'FINITE');
INSERT INTO public.trial_intermediate_values VALUES (5, 3, 0, 1.463391661643982, 'FINITE');
INSERT INTO public.trial_intermediate_values VALUES (6, 3, 1, 0.8295410871505737, 'FINITE');
INSERT INTO public.trial_params VALUES (1, 1, 'models.gru.learning_rate', 0.005469251553809035, '{"name": "FloatDistribution", "attributes": {"step": null, "low": 0.0003, "high": 0.01, "log": true}}');
INSERT INTO public.trial_params VALUES (2, 2, 'models.gru.learning_rate', 0.0013803820027945223, '{"name": "FloatDistribution", "attributes": {"step": null, "low": 0.0003, "high": 0.01, "log": true}}');
INSERT INTO public.trial_params VALUES (3, 3, 'models.gru.learning_rate', 0.006118454196852019, '{"name": "FloatDistribution", "attributes": {"step": null, "low": 0.0003, "high": 0.01, "log": true}}');
INSERT INTO public.trial_system_attributes VALUES (1, 1, 'constraints:ballast', '-1.0');
INSERT INTO public.trial_system_attributes VALUES (2, 2, 'constraints:ballast', '-1.0');
INSERT INTO public.trial_system_attributes VALUES (3, 3, 'tpe:relative_params:0', '"{\"models.gru.learning_rate\": 0.006118454196852019}"');
INSERT INTO public.trial_system_attributes VALUES (4, 3, 'constraints:ballast', '-1.0');
INSERT INTO public.trial_user_attributes VALUES (1, 1, 'worker', '"machine:4711:8f3a"');
INSERT INTO public.trial_user_attributes VALUES (2, 1, 'verdict', '"accepted"');
INSERT INTO public.trial_user_attributes VALUES (3, 1, 'skill', '-0.07836401800612847');
INSERT INTO public.trial_user_attributes VALUES (4, 2, 'worker', '"machine:4711:8f3a"');
INSERT INTO public.trial_user_attributes VALUES (5, 2, 'verdict', '"accepted"');
INSERT INTO public.trial_user_attributes VALUES (6, 2, 'skill', '-1.3508364465490343');
INSERT INTO public.trial_user_attributes VALUES (7, 3, 'worker', '"machine:4711:8f3a"');
INSERT INTO public.trial_user_attributes VALUES (8, 3, 'verdict', '"accepted"');
INSERT INTO public.trial_user_attributes VALUES (9, 3, 'skill', '-0.0744283406409132');
INSERT INTO public.trial_values VALUES (1, 1, 0, 0.8325797319412231, 'FINITE');
INSERT INTO public.trial_values VALUES (2, 2, 0, 1.815026044845581, 'FINITE');
INSERT INTO public.trial_values VALUES (3, 3, 0, 0.8295410871505737, 'FINITE');
INSERT INTO public.trials VALUES (1, 0, 1, 'COMPLETE', '2026-11-23 11:25:40.296187', '2026-11-23 11:25:42.016443');
INSERT INTO public.trials VALUES (2, 1, 1, 'COMPLETE', '2026-11-23 11:25:42.036381', '2026-11-23 11:25:42.146868');
INSERT INTO public.trials VALUES (3, 2, 1, 'COMPLETE', '2026-11-23 11:25:42.165657', '2026-11-23 11:25:42.280052');
INSERT INTO public.version_info VALUES (1, 12, '5.0.0');
SELECT pg_catalog.setval('public.ballast_artifacts_id_seq', 3, true);
SELECT pg_catalog.setval('public.ballast_clamps_id_seq', 1, false);
SELECT pg_catalog.setval('public.ballast_findings_id_seq', 1, false);
SELECT pg_catalog.setval('public.ballast_settings_id_seq', 131, true);
SELECT pg_catalog.setval('public.studies_study_id_seq', 1, true);
SELECT pg_catalog.setval('public.study_directions_study_direction_id_seq', 1, true);
SELECT pg_catalog.setval('public.study_system_attributes_study_system_attribute_id_seq', 1, false);
SELECT pg_catalog.setval('public.study_user_attributes_study_user_attribute_id_seq', 1, false);
SELECT pg_catalog.setval('public.trial_heartbeats_trial_heartbeat_id_seq', 1, false);
SELECT pg_catalog.setval('public.trial_intermediate_values_trial_intermediate_value_id_seq', 6, true);
SELECT pg_catalog.setval('public.trial_params_param_id_seq', 3, true);
SELECT pg_catalog.setval('public.trial_system_attributes_trial_system_attribute_id_seq', 4, true);
SELECT pg_catalog.setval('public.trial_user_attributes_trial_user_attribute_id_seq', 9, true);
SELECT pg_catalog.setval('public.trial_values_trial_value_id_seq', 3, true);
SELECT pg_catalog.setval('public.trials_trial_id_seq', 3, true);
ALTER TABLE ONLY public.alembic_version
    ADD CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num);
ALTER TABLE ONLY public.ballast_alembic_version
    ADD CONSTRAINT ballast_alembic_version_pkc PRIMARY KEY (version_num);
ALTER TABLE ONLY public.ballast_artifacts
    ADD CONSTRAINT pk_ballast_artifacts PRIMARY KEY (id);
ALTER TABLE ONLY public.ballast_clamps
    ADD CONSTRAINT pk_ballast_clamps PRIMARY KEY (id);
ALTER TABLE ONLY public.ballast_data
    ADD CONSTRAINT pk_ballast_data PRIMARY KEY (study);
ALTER TABLE ONLY public.ballast_epochs
    ADD CONSTRAINT pk_ballast_epochs PRIMARY KEY (study, trial, epoch);
ALTER TABLE ONLY public.ballast_findings
    ADD CONSTRAINT pk_ballast_findings PRIMARY KEY (id);
ALTER TABLE ONLY public.ballast_settings
    ADD CONSTRAINT pk_ballast_settings PRIMARY KEY (id);
ALTER TABLE ONLY public.ballast_studies
    ADD CONSTRAINT pk_ballast_studies PRIMARY KEY (name);
ALTER TABLE ONLY public.ballast_trials
    ADD CONSTRAINT pk_ballast_trials PRIMARY KEY (study, number);
ALTER TABLE ONLY public.ballast_workers
    ADD CONSTRAINT pk_ballast_workers PRIMARY KEY (study, worker);
ALTER TABLE ONLY public.studies
    ADD CONSTRAINT studies_pkey PRIMARY KEY (study_id);
ALTER TABLE ONLY public.study_directions
    ADD CONSTRAINT study_directions_pkey PRIMARY KEY (study_direction_id);
ALTER TABLE ONLY public.study_directions
    ADD CONSTRAINT study_directions_study_id_objective_key UNIQUE (study_id, objective);
ALTER TABLE ONLY public.study_system_attributes
    ADD CONSTRAINT study_system_attributes_pkey PRIMARY KEY (study_system_attribute_id);
ALTER TABLE ONLY public.study_system_attributes
    ADD CONSTRAINT study_system_attributes_study_id_key_key UNIQUE (study_id, key);
ALTER TABLE ONLY public.study_user_attributes
    ADD CONSTRAINT study_user_attributes_pkey PRIMARY KEY (study_user_attribute_id);
ALTER TABLE ONLY public.study_user_attributes
    ADD CONSTRAINT study_user_attributes_study_id_key_key UNIQUE (study_id, key);
ALTER TABLE ONLY public.trial_heartbeats
    ADD CONSTRAINT trial_heartbeats_pkey PRIMARY KEY (trial_heartbeat_id);
ALTER TABLE ONLY public.trial_heartbeats
    ADD CONSTRAINT trial_heartbeats_trial_id_key UNIQUE (trial_id);
ALTER TABLE ONLY public.trial_intermediate_values
    ADD CONSTRAINT trial_intermediate_values_pkey PRIMARY KEY (trial_intermediate_value_id);
ALTER TABLE ONLY public.trial_intermediate_values
    ADD CONSTRAINT trial_intermediate_values_trial_id_step_key UNIQUE (trial_id, step);
ALTER TABLE ONLY public.trial_params
    ADD CONSTRAINT trial_params_pkey PRIMARY KEY (param_id);
ALTER TABLE ONLY public.trial_params
    ADD CONSTRAINT trial_params_trial_id_param_name_key UNIQUE (trial_id, param_name);
ALTER TABLE ONLY public.trial_system_attributes
    ADD CONSTRAINT trial_system_attributes_pkey PRIMARY KEY (trial_system_attribute_id);
ALTER TABLE ONLY public.trial_system_attributes
    ADD CONSTRAINT trial_system_attributes_trial_id_key_key UNIQUE (trial_id, key);
ALTER TABLE ONLY public.trial_user_attributes
    ADD CONSTRAINT trial_user_attributes_pkey PRIMARY KEY (trial_user_attribute_id);
ALTER TABLE ONLY public.trial_user_attributes
    ADD CONSTRAINT trial_user_attributes_trial_id_key_key UNIQUE (trial_id, key);
ALTER TABLE ONLY public.trial_values
    ADD CONSTRAINT trial_values_pkey PRIMARY KEY (trial_value_id);
ALTER TABLE ONLY public.trial_values
    ADD CONSTRAINT trial_values_trial_id_objective_key UNIQUE (trial_id, objective);
ALTER TABLE ONLY public.trials
    ADD CONSTRAINT trials_pkey PRIMARY KEY (trial_id);
ALTER TABLE ONLY public.version_info
    ADD CONSTRAINT version_info_pkey PRIMARY KEY (version_info_id);
CREATE INDEX ix_ballast_artifacts_study_trial ON public.ballast_artifacts USING btree (study, trial);
CREATE INDEX ix_ballast_clamps_study ON public.ballast_clamps USING btree (study);
CREATE INDEX ix_ballast_findings_study_trial ON public.ballast_findings USING btree (study, trial);
CREATE UNIQUE INDEX ix_ballast_settings_of_study ON public.ballast_settings USING btree (study, key, "position") WHERE (trial IS NULL);
CREATE UNIQUE INDEX ix_ballast_settings_study_trial_key_position ON public.ballast_settings USING btree (study, trial, key, "position");
CREATE INDEX ix_ballast_trials_study_configuration ON public.ballast_trials USING btree (study, configuration);
CREATE INDEX ix_ballast_trials_study_verdict_source_study ON public.ballast_trials USING btree (study, verdict, source_study);
CREATE INDEX ix_ballast_trials_study_verdict_value ON public.ballast_trials USING btree (study, verdict, value);
CREATE UNIQUE INDEX ix_studies_study_name ON public.studies USING btree (study_name);
CREATE INDEX ix_trials_study_id ON public.trials USING btree (study_id);
ALTER TABLE ONLY public.ballast_artifacts
    ADD CONSTRAINT fk_ballast_artifacts_study FOREIGN KEY (study) REFERENCES public.ballast_studies(name);
ALTER TABLE ONLY public.ballast_artifacts
    ADD CONSTRAINT fk_ballast_artifacts_study_trial FOREIGN KEY (study, trial) REFERENCES public.ballast_trials(study, number);
ALTER TABLE ONLY public.ballast_clamps
    ADD CONSTRAINT fk_ballast_clamps_study FOREIGN KEY (study) REFERENCES public.ballast_studies(name);
ALTER TABLE ONLY public.ballast_data
    ADD CONSTRAINT fk_ballast_data_study FOREIGN KEY (study) REFERENCES public.ballast_studies(name);
ALTER TABLE ONLY public.ballast_epochs
    ADD CONSTRAINT fk_ballast_epochs_study_trial FOREIGN KEY (study, trial) REFERENCES public.ballast_trials(study, number);
ALTER TABLE ONLY public.ballast_findings
    ADD CONSTRAINT fk_ballast_findings_study_trial FOREIGN KEY (study, trial) REFERENCES public.ballast_trials(study, number);
ALTER TABLE ONLY public.ballast_settings
    ADD CONSTRAINT fk_ballast_settings_study FOREIGN KEY (study) REFERENCES public.ballast_studies(name);
ALTER TABLE ONLY public.ballast_settings
    ADD CONSTRAINT fk_ballast_settings_study_trial FOREIGN KEY (study, trial) REFERENCES public.ballast_trials(study, number);
ALTER TABLE ONLY public.ballast_trials
    ADD CONSTRAINT fk_ballast_trials_study FOREIGN KEY (study) REFERENCES public.ballast_studies(name);
ALTER TABLE ONLY public.ballast_trials
    ADD CONSTRAINT fk_ballast_trials_study_retry_of FOREIGN KEY (study, retry_of) REFERENCES public.ballast_trials(study, number);
ALTER TABLE ONLY public.ballast_workers
    ADD CONSTRAINT fk_ballast_workers_study FOREIGN KEY (study) REFERENCES public.ballast_studies(name);
ALTER TABLE ONLY public.study_directions
    ADD CONSTRAINT study_directions_study_id_fkey FOREIGN KEY (study_id) REFERENCES public.studies(study_id);
ALTER TABLE ONLY public.study_system_attributes
    ADD CONSTRAINT study_system_attributes_study_id_fkey FOREIGN KEY (study_id) REFERENCES public.studies(study_id);
ALTER TABLE ONLY public.study_user_attributes
    ADD CONSTRAINT study_user_attributes_study_id_fkey FOREIGN KEY (study_id) REFERENCES public.studies(study_id);
ALTER TABLE ONLY public.trial_heartbeats
    ADD CONSTRAINT trial_heartbeats_trial_id_fkey FOREIGN KEY (trial_id) REFERENCES public.trials(trial_id);
ALTER TABLE ONLY public.trial_intermediate_values
    ADD CONSTRAINT trial_intermediate_values_trial_id_fkey FOREIGN KEY (trial_id) REFERENCES public.trials(trial_id);
ALTER TABLE ONLY public.trial_params
    ADD CONSTRAINT trial_params_trial_id_fkey FOREIGN KEY (trial_id) REFERENCES public.trials(trial_id);
ALTER TABLE ONLY public.trial_system_attributes
    ADD CONSTRAINT trial_system_attributes_trial_id_fkey FOREIGN KEY (trial_id) REFERENCES public.trials(trial_id);
ALTER TABLE ONLY public.trial_user_attributes
    ADD CONSTRAINT trial_user_attributes_trial_id_fkey FOREIGN KEY (trial_id) REFERENCES public.trials(trial_id);
ALTER TABLE ONLY public.trial_values
    ADD CONSTRAINT trial_values_trial_id_fkey FOREIGN KEY (trial_id) REFERENCES public.trials(trial_id);
ALTER TABLE ONLY public.trials
    ADD CONSTRAINT trials_study_id_fkey FOREIGN KEY (study_id) REFERENCES public.studies(study_id);
