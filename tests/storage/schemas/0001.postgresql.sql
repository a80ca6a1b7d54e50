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
    facts text NOT NULL
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
    CONSTRAINT ck_ballast_trials_finished_with_a_verdict CHECK (((verdict IS NULL) = (finished_at IS NULL))),
    CONSTRAINT ck_ballast_trials_verdict CHECK (((verdict)::text = ANY ((ARRAY['accepted'::character varying, 'unpromising'::character varying, 'unstable'::character varying, 'suspicious'::character varying, 'interrupted'::character varying, 'failed'::character varying])::text[])))
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
INSERT INTO public.alembic_version VALUES
	('v3.2.0.a');
INSERT INTO public.ballast_alembic_version VALUES
	('0001');
INSERT INTO public.ballast_data VALUES
	('smoke', 'sample:sp500', '1c4d0aeed8db9284de8ad71e4063c97f645ad6dd13507f8e305338e96c396ba7', 5031, '1999-01-04 00:00:00', '2018-12-31 00:00:00', '["High", "Low"]');
INSERT INTO public.ballast_epochs VALUES
	('smoke', 0, 0, 0.9599752340316773, 1.3085273504257202, -0.6948152316727414, 0.009077907894199563, 0.3351341625675559, 0.5744639039039612, 0.5976840853691101, 16, 0, 0.37152884710153566, 0.20867016911506653, 0.09657016300116084),
	('smoke', 0, 1, 0.7635141248703003, 0.8332549929618835, -0.07923862155400063, 0.009077907894199563, 0.3761162366718054, 0.7438926100730896, 1.2744992971420288, 16, 0, 0.49259530460573114, 0.3871256411075592, 0.1174975939993601),
	('smoke', 1, 0, 0.9891675443649292, 1.7918310165405273, -1.3207940578609447, 0.0038207478403062644, 0.2927948827855289, 0.6742059588432312, 0.14495810866355896, 16, 0, 0.18085872259645458, 0.043399956077337265, 0.08336534999943979),
	('smoke', 1, 1, 0.888484890460968, 1.2280510663986206, -0.5905816962306463, 0.0038207478403062644, 0.48118341714143753, 0.9159517288208008, 0.7226400971412659, 16, 0, 0.4308770694178832, 0.22706595063209534, 0.08388409799954388),
	('smoke', 2, 0, 0.9458586158752441, 1.2519389390945435, -0.6215214625902394, 0.009720066353979004, 0.3405759404413402, 0.7545832991600037, 0.6429171562194824, 16, 0, 0.46425915039798515, 0.23734751343727112, 0.09686557100030768),
	('smoke', 2, 1, 0.7866339273452759, 0.9258584976196289, -0.19917943146459471, 0.009720066353979004, 0.5525953806936741, 1.0454635620117188, 1.2885271310806274, 16, 0, 0.4804638736539302, 0.3056289851665497, 0.10560057600014261);
INSERT INTO public.ballast_settings VALUES
	(1, 'smoke', NULL, 'study.name', 0, 'study', 'smoke.yaml:6', '"smoke"', '"smoke"', ''),
	(2, 'smoke', NULL, 'study.trials', 0, 'default', 'search.config.schema', '20', '20', ''),
	(3, 'smoke', NULL, 'study.trials', 1, 'base', 'configs/base.yaml:6', '20', '20', ''),
	(4, 'smoke', NULL, 'study.trials', 2, 'study', 'smoke.yaml:7', '3', '3', ''),
	(5, 'smoke', NULL, 'study.timeout', 0, 'default', 'search.config.schema', 'null', 'null', ''),
	(6, 'smoke', NULL, 'study.timeout', 1, 'base', 'configs/base.yaml:7', 'null', 'null', ''),
	(7, 'smoke', NULL, 'study.seed', 0, 'default', 'search.config.schema', '0', '0', ''),
	(8, 'smoke', NULL, 'study.seed', 1, 'base', 'configs/base.yaml:8', '0', '0', ''),
	(9, 'smoke', NULL, 'study.seed', 2, 'cli', '--set study.seed=3', '3', '3', ''),
	(10, 'smoke', NULL, 'study.sampler', 0, 'default', 'search.config.schema', '"tpe"', '"tpe"', ''),
	(11, 'smoke', NULL, 'study.sampler', 1, 'base', 'configs/base.yaml:9', '"tpe"', '"tpe"', ''),
	(12, 'smoke', NULL, 'study.pruner', 0, 'default', 'search.config.schema', '"median"', '"median"', ''),
	(13, 'smoke', NULL, 'study.pruner', 1, 'base', 'configs/base.yaml:10', '"median"', '"median"', ''),
	(14, 'smoke', NULL, 'study.startup_trials', 0, 'default', 'search.config.schema', '6', '6', ''),
	(15, 'smoke', NULL, 'study.startup_trials', 1, 'base', 'configs/base.yaml:11', '6', '6', ''),
	(16, 'smoke', NULL, 'study.startup_trials', 2, 'study', 'smoke.yaml:8', '2', '2', ''),
	(17, 'smoke', NULL, 'study.pruner_warmup', 0, 'default', 'search.config.schema', '3', '3', ''),
	(18, 'smoke', NULL, 'study.pruner_warmup', 1, 'base', 'configs/base.yaml:12', '3', '3', ''),
	(19, 'smoke', NULL, 'study.pruner_patience', 0, 'default', 'search.config.schema', '3', '3', ''),
	(20, 'smoke', NULL, 'study.pruner_patience', 1, 'base', 'configs/base.yaml:13', '3', '3', ''),
	(21, 'smoke', NULL, 'study.retries', 0, 'default', 'search.config.schema', '2', '2', ''),
	(22, 'smoke', NULL, 'study.retries', 1, 'base', 'configs/base.yaml:14', '2', '2', ''),
	(23, 'smoke', NULL, 'study.enqueue', 0, 'default', 'search.config.schema', '[]', '[]', ''),
	(24, 'smoke', NULL, 'study.enqueue', 1, 'base', 'configs/base.yaml:15', '[]', '[]', ''),
	(25, 'smoke', NULL, 'data.source', 0, 'study', 'smoke.yaml:11', '"sample:sp500"', '"sample:sp500"', ''),
	(26, 'smoke', NULL, 'data.time', 0, 'study', 'smoke.yaml:12', '"Date"', '"Date"', ''),
	(27, 'smoke', NULL, 'data.features', 0, 'study', 'smoke.yaml:13', '[{"name": "vol", "transform": "log_parkinson", "high": "High", "low": "Low"}, {"name": "vol5", "of": "vol", "transform": "rolling_mean", "window": 5}]', '[{"transform": "log_parkinson", "high": "High", "low": "Low", "name": "vol"}, {"transform": "rolling_mean", "of": "vol", "window": 5, "name": "vol5"}]', ''),
	(28, 'smoke', NULL, 'data.target.transform', 0, 'default', 'trainer.config', '"raw"', '"raw"', ''),
	(29, 'smoke', NULL, 'data.target.transform', 1, 'study', 'smoke.yaml:16', '"log_parkinson"', '"log_parkinson"', ''),
	(30, 'smoke', NULL, 'data.target.column', 0, 'default', 'trainer.config', 'null', 'null', ''),
	(31, 'smoke', NULL, 'data.target.of', 0, 'default', 'trainer.config', 'null', 'null', ''),
	(32, 'smoke', NULL, 'data.target.high', 0, 'default', 'trainer.config', 'null', 'null', ''),
	(33, 'smoke', NULL, 'data.target.high', 1, 'study', 'smoke.yaml:16', '"High"', '"High"', ''),
	(34, 'smoke', NULL, 'data.target.low', 0, 'default', 'trainer.config', 'null', 'null', ''),
	(35, 'smoke', NULL, 'data.target.low', 1, 'study', 'smoke.yaml:16', '"Low"', '"Low"', ''),
	(36, 'smoke', NULL, 'data.target.window', 0, 'default', 'trainer.config', 'null', 'null', ''),
	(37, 'smoke', NULL, 'data.target.kind', 0, 'study', 'smoke.yaml:16', '"volatility"', '"volatility"', ''),
	(38, 'smoke', NULL, 'data.target.horizon', 0, 'default', 'trainer.config', '1', '1', ''),
	(39, 'smoke', NULL, 'data.target.horizon', 1, 'study', 'smoke.yaml:16', '1', '1', ''),
	(40, 'smoke', NULL, 'data.target.clip', 0, 'default', 'trainer.config', 'null', 'null', ''),
	(41, 'smoke', NULL, 'data.seq_len', 0, 'default', 'trainer.config', '22', '22', ''),
	(42, 'smoke', NULL, 'data.seq_len', 1, 'study', 'smoke.yaml:17', '5', '5', ''),
	(43, 'smoke', NULL, 'data.feature_clip', 0, 'default', 'trainer.config', '3.0', '3.0', ''),
	(44, 'smoke', NULL, 'data.split.train_until', 0, 'default', 'trainer.config', 'null', 'null', ''),
	(45, 'smoke', NULL, 'data.split.validation_until', 0, 'default', 'trainer.config', 'null', 'null', ''),
	(46, 'smoke', NULL, 'data.split.fractions', 0, 'default', 'trainer.config', 'null', 'null', ''),
	(47, 'smoke', NULL, 'data.split.fractions', 1, 'study', 'smoke.yaml:18', '{"train": 0.2, "validation": 0.1}', '{"train": 0.2, "validation": 0.1}', ''),
	(48, 'smoke', NULL, 'data.split.embargo', 0, 'default', 'trainer.config', '0', '0', ''),
	(49, 'smoke', NULL, 'models.gru.learning_rate', 0, 'default', 'trainer.config', '0.0001', '0.0001', ''),
	(50, 'smoke', NULL, 'models.gru.learning_rate', 1, 'base', 'configs/base.yaml:19', '0.0001', '0.0001', ''),
	(51, 'smoke', NULL, 'models.gru.learning_rate', 2, 'sampled', 'smoke.yaml:26', '{"low": 0.0003, "high": 0.01, "log": true}', '{"low": 0.0003, "high": 0.01, "log": true}', 'searched: every trial samples its own value'),
	(52, 'smoke', NULL, 'models.gru.batch_size', 0, 'default', 'trainer.config', '32', '32', ''),
	(53, 'smoke', NULL, 'models.gru.batch_size', 1, 'base', 'configs/base.yaml:20', '32', '32', ''),
	(54, 'smoke', NULL, 'models.gru.batch_size', 2, 'study', 'smoke.yaml:21', '64', '64', ''),
	(55, 'smoke', NULL, 'models.gru.hidden_size', 0, 'default', 'trainer.config', '32', '32', ''),
	(56, 'smoke', NULL, 'models.gru.hidden_size', 1, 'base', 'configs/base.yaml:21', '32', '32', ''),
	(57, 'smoke', NULL, 'models.gru.hidden_size', 2, 'study', 'smoke.yaml:21', '8', '8', ''),
	(58, 'smoke', NULL, 'models.gru.num_layers', 0, 'default', 'trainer.config', '1', '1', ''),
	(59, 'smoke', NULL, 'models.gru.num_layers', 1, 'base', 'configs/base.yaml:22', '1', '1', ''),
	(60, 'smoke', NULL, 'models.gru.dropout', 0, 'default', 'trainer.config', '0.0', '0.0', ''),
	(61, 'smoke', NULL, 'models.gru.dropout', 1, 'base', 'configs/base.yaml:23', '0.0', '0.0', ''),
	(62, 'smoke', NULL, 'models.gru.weight_decay', 0, 'default', 'trainer.config', '0.0', '0.0', ''),
	(63, 'smoke', NULL, 'models.gru.weight_decay', 1, 'base', 'configs/base.yaml:24', '0.0', '0.0', ''),
	(64, 'smoke', NULL, 'models.gru.init', 0, 'default', 'trainer.config', '"gains"', '"gains"', ''),
	(65, 'smoke', NULL, 'models.gru.init', 1, 'base', 'configs/base.yaml:25', '"gains"', '"gains"', ''),
	(66, 'smoke', NULL, 'models.gru.input_gain', 0, 'default', 'trainer.config', '0.01', '0.01', ''),
	(67, 'smoke', NULL, 'models.gru.input_gain', 1, 'base', 'configs/base.yaml:26', '0.01', '0.01', ''),
	(68, 'smoke', NULL, 'models.gru.hidden_gain', 0, 'default', 'trainer.config', '0.01', '0.01', ''),
	(69, 'smoke', NULL, 'models.gru.hidden_gain', 1, 'base', 'configs/base.yaml:27', '0.01', '0.01', ''),
	(70, 'smoke', NULL, 'models.gru.head_gain', 0, 'default', 'trainer.config', '0.001', '0.001', ''),
	(71, 'smoke', NULL, 'models.gru.head_gain', 1, 'base', 'configs/base.yaml:28', '0.001', '0.001', ''),
	(72, 'smoke', NULL, 'training.epochs', 0, 'default', 'trainer.config', '15', '15', ''),
	(73, 'smoke', NULL, 'training.epochs', 1, 'base', 'configs/base.yaml:31', '15', '15', ''),
	(74, 'smoke', NULL, 'training.epochs', 2, 'study', 'smoke.yaml:23', '2', '2', ''),
	(75, 'smoke', NULL, 'training.patience', 0, 'default', 'trainer.config', '4', '4', ''),
	(76, 'smoke', NULL, 'training.patience', 1, 'base', 'configs/base.yaml:32', '4', '4', ''),
	(77, 'smoke', NULL, 'training.patience', 2, 'study', 'smoke.yaml:23', '2', '2', ''),
	(78, 'smoke', NULL, 'training.max_grad_norm', 0, 'default', 'trainer.config', '1.0', '1.0', ''),
	(79, 'smoke', NULL, 'training.max_grad_norm', 1, 'base', 'configs/base.yaml:33', '1.0', '1.0', ''),
	(80, 'smoke', NULL, 'training.mixed_precision', 0, 'default', 'trainer.config', 'false', 'false', ''),
	(81, 'smoke', NULL, 'training.mixed_precision', 1, 'base', 'configs/base.yaml:34', 'false', 'false', ''),
	(82, 'smoke', NULL, 'training.device', 0, 'default', 'trainer.config', '"cpu"', '"cpu"', ''),
	(83, 'smoke', NULL, 'training.device', 1, 'base', 'configs/base.yaml:35', '"cpu"', '"cpu"', ''),
	(84, 'smoke', NULL, 'guard.max_bad_steps', 0, 'default', 'trainer.config', '3', '3', ''),
	(85, 'smoke', NULL, 'guard.max_bad_steps', 1, 'base', 'configs/base.yaml:38', '3', '3', ''),
	(86, 'smoke', NULL, 'guard.rewinds', 0, 'default', 'trainer.config', '1', '1', ''),
	(87, 'smoke', NULL, 'guard.rewinds', 1, 'base', 'configs/base.yaml:39', '1', '1', ''),
	(88, 'smoke', NULL, 'guard.output_limit', 0, 'default', 'trainer.config', '10.0', '10.0', ''),
	(89, 'smoke', NULL, 'guard.output_limit', 1, 'base', 'configs/base.yaml:40', '10.0', '10.0', ''),
	(90, 'smoke', NULL, 'guard.loss_limit', 0, 'default', 'trainer.config', '100.0', '100.0', ''),
	(91, 'smoke', NULL, 'guard.loss_limit', 1, 'base', 'configs/base.yaml:41', '100.0', '100.0', ''),
	(92, 'smoke', NULL, 'guard.lr_cut', 0, 'default', 'trainer.config', '0.1', '0.1', ''),
	(93, 'smoke', NULL, 'guard.lr_cut', 1, 'base', 'configs/base.yaml:42', '0.1', '0.1', ''),
	(94, 'smoke', NULL, 'guard.lr_min', 0, 'default', 'trainer.config', '1e-08', '1e-08', ''),
	(95, 'smoke', NULL, 'guard.lr_min', 1, 'base', 'configs/base.yaml:43', '1e-08', '1e-08', ''),
	(96, 'smoke', NULL, 'guard.frozen_lr_ratio', 0, 'default', 'trainer.config', '0.001', '0.001', ''),
	(97, 'smoke', NULL, 'guard.frozen_lr_ratio', 1, 'base', 'configs/base.yaml:44', '0.001', '0.001', ''),
	(98, 'smoke', NULL, 'guard.min_movement', 0, 'default', 'trainer.config', '0.001', '0.001', ''),
	(99, 'smoke', NULL, 'guard.min_movement', 1, 'base', 'configs/base.yaml:45', '0.001', '0.001', ''),
	(100, 'smoke', NULL, 'guard.loss_floor', 0, 'default', 'trainer.config', '1e-08', '1e-08', ''),
	(101, 'smoke', NULL, 'guard.loss_floor', 1, 'base', 'configs/base.yaml:46', '1e-08', '1e-08', ''),
	(102, 'smoke', NULL, 'guard.max_skill', 0, 'default', 'trainer.config', 'null', 'null', ''),
	(103, 'smoke', NULL, 'guard.max_skill', 1, 'base', 'configs/base.yaml:47', 'null', 'null', ''),
	(104, 'smoke', NULL, 'guard.target_max_floor', 0, 'default', 'trainer.config', '0.001', '0.001', ''),
	(105, 'smoke', NULL, 'guard.target_max_floor', 1, 'base', 'configs/base.yaml:48', '0.001', '0.001', ''),
	(106, 'smoke', NULL, 'guard.target_std_floor', 0, 'default', 'trainer.config', '0.0001', '0.0001', ''),
	(107, 'smoke', NULL, 'guard.target_std_floor', 1, 'base', 'configs/base.yaml:49', '0.0001', '0.0001', ''),
	(108, 'smoke', NULL, 'storage.url', 0, 'default', 'search.config.schema', '"sqlite:///ballast.db"', '"sqlite:///ballast.db"', ''),
	(109, 'smoke', NULL, 'storage.url', 1, 'base', 'configs/base.yaml:52', '"sqlite:///ballast.db"', '"sqlite:///ballast.db"', ''),
	(110, 'smoke', NULL, 'storage.url', 2, 'cli', '--store', '"postgresql://ballast:***@127.0.0.1:39865/kept"', '"postgresql://ballast:***@127.0.0.1:39865/kept"', '--store comes before the study file'),
	(111, 'smoke', NULL, 'space.models.gru.learning_rate', 0, 'study', 'smoke.yaml:26', '{"low": 0.0003, "high": 0.01, "log": true}', '{"low": 0.0003, "high": 0.01, "log": true}', ''),
	(112, 'smoke', 0, 'models.gru.learning_rate', 0, 'sampled', 'smoke.yaml:26', '0.009077907894199563', '0.009077907894199563', 'drawn by tpe'),
	(113, 'smoke', 1, 'models.gru.learning_rate', 0, 'sampled', 'smoke.yaml:26', '0.0038207478403062644', '0.0038207478403062644', 'drawn by tpe'),
	(114, 'smoke', 2, 'models.gru.learning_rate', 0, 'sampled', 'smoke.yaml:26', '0.009720066353979004', '0.009720066353979004', 'drawn by tpe');
INSERT INTO public.ballast_studies VALUES
	('smoke', '2026-11-23 05:11:47.999561+00', 'configs/studies/smoke.yaml', 'configs/safe_ranges.yaml', 3, '{"space": "cb0d1ab7cb3806ab40d2aa852313346e52c3991ec241d17cf334f521d35137dd", "policy": "aff79f2a74a82ab102e871f9276fc2d04b9959760dba1503a4470024b90e8b21", "settings": "29311f2ed32b31bc5a36da349d9204999e5949c58d1370400e6dba9b97e1b4f9", "data": "cbaa860f9fb31903bf6dc912fb501b5f32c4653422091dfc0d847aa2c4d167fe", "content": "1c4d0aeed8db9284de8ad71e4063c97f645ad6dd13507f8e305338e96c396ba7"}', '{"ballast": "0.1.0", "torch": "2.13.0+cpu", "optuna": "5.0.0", "numpy": "2.4.6", "pandas": "3.1.1"}', '{"kind": "volatility", "horizon": 1, "rows": {"train": 1000, "validation": 501, "test": 3519}, "baselines": {"zero": 122.15213720329703, "train_mean": 1.9473722804453042, "persistence": 1.5140356198620726, "har": 0.7720766995551696}, "baseline": {"name": "har", "loss": 0.7720766995551696}, "skill_ceiling": 0.3, "feature_clipped": {"vol": 0.0106312292358804, "vol5": 0.012624584717607974}, "target_clipped": 0.0, "sha256": "f98bb2bbe5142333ff53726eba0f8c4783b423864a0a4085f410c910a751975d", "audit": [{"code": "feature_clipped", "severity": "info", "where": "vol", "value": 0.0106312292358804, "threshold": 0.05, "message": "vol: 1.06% of the training and validation values lie beyond ±3 standard deviations and are clipped (usual: at most 5%); nothing to do"}, {"code": "feature_clipped", "severity": "info", "where": "vol5", "value": 0.012624584717607974, "threshold": 0.05, "message": "vol5: 1.26% of the training and validation values lie beyond ±3 standard deviations and are clipped (usual: at most 5%); nothing to do"}]}');
INSERT INTO public.ballast_trials VALUES
	('smoke', 0, '{"models.gru.learning_rate": 0.009077907894199563}', 1576890651, '2026-11-23 05:11:48.218474+00', 'machine:4711:8f3a', NULL, 'accepted', '[]', 'trained 2 epochs, best was 1', 0.8332549929618835, -0.07923862155400063, 1, 2, '2026-11-23 05:11:52.743732+00', 4.525258),
	('smoke', 1, '{"models.gru.learning_rate": 0.0038207478403062644}', 457190280, '2026-11-23 05:11:52.984006+00', 'machine:4711:8f3a', NULL, 'accepted', '[]', 'trained 2 epochs, best was 1', 1.2280510663986206, -0.5905816962306463, 1, 2, '2026-11-23 05:11:53.245836+00', 0.26183),
	('smoke', 2, '{"models.gru.learning_rate": 0.009720066353979004}', 960329833, '2026-11-23 05:11:53.476634+00', 'machine:4711:8f3a', NULL, 'accepted', '[]', 'trained 2 epochs, best was 1', 0.9258584976196289, -0.19917943146459471, 1, 2, '2026-11-23 05:11:53.809248+00', 0.332614);
INSERT INTO public.studies VALUES
	(1, 'smoke');
INSERT INTO public.study_directions VALUES
	(1, 'MINIMIZE', 1, 0);
INSERT INTO public.trial_intermediate_values VALUES
	(1, 1, 0, 1.3085273504257202, 'FINITE'),
	(2, 1, 1, 0.8332549929618835, 'FINITE'),
	(3, 2, 0, 1.7918310165405273, 'FINITE'),
	(4, 2, 1, 1.2280510663986206, 'FINITE'),
	(5, 3, 0, 1.2519389390945435, 'FINITE'),
	(6, 3, 1, 0.9258584976196289, 'FINITE');
INSERT INTO public.trial_params VALUES
	(1, 1, 'models.gru.learning_rate', 0.009077907894199563, '{"name": "FloatDistribution", "attributes": {"step": null, "low": 0.0003, "high": 0.01, "log": true}}'),
	(2, 2, 'models.gru.learning_rate', 0.0038207478403062644, '{"name": "FloatDistribution", "attributes": {"step": null, "low": 0.0003, "high": 0.01, "log": true}}'),
	(3, 3, 'models.gru.learning_rate', 0.009720066353979004, '{"name": "FloatDistribution", "attributes": {"step": null, "low": 0.0003, "high": 0.01, "log": true}}');
INSERT INTO public.trial_system_attributes VALUES
	(1, 1, 'constraints:ballast', '-1.0'),
	(2, 2, 'constraints:ballast', '-1.0'),
	(3, 3, 'tpe:relative_params:0', '"{\"models.gru.learning_rate\": 0.009720066353979004}"'),
	(4, 3, 'constraints:ballast', '-1.0');
INSERT INTO public.trial_user_attributes VALUES
	(2, 1, 'verdict', '"accepted"'),
	(3, 1, 'reasons', '""'),
	(5, 2, 'verdict', '"accepted"'),
	(6, 2, 'reasons', '""'),
	(8, 3, 'verdict', '"accepted"'),
	(9, 3, 'reasons', '""'),
	(1, 1, 'worker', '"machine:4711:8f3a"'),
	(4, 2, 'worker', '"machine:4711:8f3a"'),
	(7, 3, 'worker', '"machine:4711:8f3a"');
INSERT INTO public.trial_values VALUES
	(1, 1, 0, 0.8332549929618835, 'FINITE'),
	(2, 2, 0, 1.2280510663986206, 'FINITE'),
	(3, 3, 0, 0.9258584976196289, 'FINITE');
INSERT INTO public.trials VALUES
	(1, 0, 1, 'COMPLETE', '2026-11-23 05:11:48.14976', '2026-11-23 05:11:52.847351'),
	(2, 1, 1, 'COMPLETE', '2026-11-23 05:11:52.923365', '2026-11-23 05:11:53.325458'),
	(3, 2, 1, 'COMPLETE', '2026-11-23 05:11:53.387552', '2026-11-23 05:11:53.915946');
INSERT INTO public.version_info VALUES
	(1, 12, '5.0.0');
SELECT pg_catalog.setval('public.ballast_artifacts_id_seq', 1, false);
SELECT pg_catalog.setval('public.ballast_clamps_id_seq', 1, false);
SELECT pg_catalog.setval('public.ballast_findings_id_seq', 1, false);
SELECT pg_catalog.setval('public.ballast_settings_id_seq', 114, true);
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
