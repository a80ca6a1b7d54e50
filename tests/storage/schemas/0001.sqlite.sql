BEGIN TRANSACTION;
CREATE TABLE alembic_version (
	version_num VARCHAR(32) NOT NULL, 
	CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
);
INSERT INTO "alembic_version" VALUES('v3.2.0.a');
CREATE TABLE ballast_alembic_version (
	version_num VARCHAR(32) NOT NULL, 
	CONSTRAINT ballast_alembic_version_pkc PRIMARY KEY (version_num)
);
INSERT INTO "ballast_alembic_version" VALUES('0001');
CREATE TABLE ballast_artifacts (
	id INTEGER NOT NULL, 
	study TEXT NOT NULL, 
	trial INTEGER, 
	kind TEXT NOT NULL, 
	path TEXT NOT NULL, 
	sha256 TEXT NOT NULL, 
	created_at DATETIME NOT NULL, 
	CONSTRAINT pk_ballast_artifacts PRIMARY KEY (id), 
	CONSTRAINT fk_ballast_artifacts_study_trial FOREIGN KEY(study, trial) REFERENCES ballast_trials (study, number), 
	CONSTRAINT fk_ballast_artifacts_study FOREIGN KEY(study) REFERENCES ballast_studies (name)
);
CREATE TABLE ballast_clamps (
	id INTEGER NOT NULL, 
	study TEXT NOT NULL, 
	"key" TEXT NOT NULL, 
	declared TEXT NOT NULL, 
	effective TEXT NOT NULL, 
	reason TEXT NOT NULL, 
	origin TEXT NOT NULL, 
	CONSTRAINT pk_ballast_clamps PRIMARY KEY (id), 
	CONSTRAINT fk_ballast_clamps_study FOREIGN KEY(study) REFERENCES ballast_studies (name)
);
CREATE TABLE ballast_data (
	study TEXT NOT NULL, 
	source TEXT NOT NULL, 
	sha256 TEXT NOT NULL, 
	rows INTEGER NOT NULL, 
	first_time TEXT NOT NULL, 
	last_time TEXT NOT NULL, 
	columns TEXT NOT NULL, 
	CONSTRAINT pk_ballast_data PRIMARY KEY (study), 
	CONSTRAINT fk_ballast_data_study FOREIGN KEY(study) REFERENCES ballast_studies (name)
);
INSERT INTO "ballast_data" VALUES('smoke','sample:sp500','1c4d0aeed8db9284de8ad71e4063c97f645ad6dd13507f8e305338e96c396ba7',5031,'1999-01-04 00:00:00','2018-12-31 00:00:00','["High", "Low"]');
CREATE TABLE ballast_epochs (
	study TEXT NOT NULL, 
	trial INTEGER NOT NULL, 
	epoch INTEGER NOT NULL, 
	train_loss BLOB NOT NULL, 
	validation_loss BLOB NOT NULL, 
	skill BLOB NOT NULL, 
	learning_rate BLOB NOT NULL, 
	grad_norm_mean BLOB NOT NULL, 
	grad_norm_max BLOB NOT NULL, 
	output_max BLOB NOT NULL, 
	steps INTEGER NOT NULL, 
	skipped_steps INTEGER NOT NULL, 
	movement BLOB NOT NULL, 
	prediction_std_ratio BLOB NOT NULL, 
	seconds BLOB NOT NULL, 
	CONSTRAINT pk_ballast_epochs PRIMARY KEY (study, trial, epoch), 
	CONSTRAINT fk_ballast_epochs_study_trial FOREIGN KEY(study, trial) REFERENCES ballast_trials (study, number)
);
INSERT INTO "ballast_epochs" VALUES('smoke',0,0,9.59975234031677282509e-01,1.30852735042572021484e+00,-6.9481523167274139574e-01,9.07790789419956299644e-03,3.35134162567555904388e-01,5.7446390390396118164e-01,5.97684085369110107421e-01,16,0,3.71528847101535664165e-01,2.0867016911506652832e-01,0.0446591920008359);
INSERT INTO "ballast_epochs" VALUES('smoke',0,1,7.63514124870300348035e-01,8.33254992961883544921e-01,-7.92386215540006322299e-02,9.07790789419956299644e-03,3.76116236671805381774e-01,7.43892610073089599609e-01,1.27449929714202880859e+00,16,0,4.92595304605731143521e-01,3.87125641107559204101e-01,4.07312160004948964342e-02);
INSERT INTO "ballast_epochs" VALUES('smoke',1,0,9.89167544364929152145e-01,1.79183101654052734375e+00,-1.32079405786094472574e+00,3.82074784030626444716e-03,2.92794882785528898239e-01,6.74205958843231201171e-01,1.4495810866355895996e-01,16,0,1.80858722596454579711e-01,4.33999560773372650146e-02,3.61665259988512843847e-02);
INSERT INTO "ballast_epochs" VALUES('smoke',1,1,0.888484890460968,1.22805106639862060546e+00,-5.90581696230646269185e-01,3.82074784030626444716e-03,4.81183417141437530517e-01,9.1595172882080078125e-01,7.2264009714126586914e-01,16,0,4.3087706941788317394e-01,2.27065950632095336914e-01,4.21825550001813098788e-02);
INSERT INTO "ballast_epochs" VALUES('smoke',2,0,9.45858615875244113091e-01,1.25193893909454345703e+00,-6.21521462590239437417e-01,9.72006635397900352335e-03,3.40575940441340208053e-01,7.54583299160003662109e-01,6.42917156219482421875e-01,16,0,4.64259150397985154157e-01,2.37347513437271118164e-01,5.86911709997366415336e-02);
INSERT INTO "ballast_epochs" VALUES('smoke',2,1,7.86633927345275929532e-01,9.2585849761962890625e-01,-1.99179431464594713929e-01,9.72006635397900352335e-03,5.52595380693674087524e-01,1.04546356201171875e+00,1.2885271310806274414e+00,16,0,4.80463873653930173546e-01,3.05628985166549682617e-01,5.11127589998068287968e-02);
CREATE TABLE ballast_findings (
	id INTEGER NOT NULL, 
	study TEXT NOT NULL, 
	trial INTEGER NOT NULL, 
	kind TEXT NOT NULL, 
	epoch INTEGER NOT NULL, 
	step INTEGER, 
	value BLOB NOT NULL, 
	threshold BLOB, 
	message TEXT NOT NULL, 
	action TEXT NOT NULL, 
	lr_before BLOB NOT NULL, 
	lr_after BLOB NOT NULL, 
	parameter TEXT, 
	rows TEXT NOT NULL, 
	cell TEXT, 
	CONSTRAINT pk_ballast_findings PRIMARY KEY (id), 
	CONSTRAINT fk_ballast_findings_study_trial FOREIGN KEY(study, trial) REFERENCES ballast_trials (study, number)
);
CREATE TABLE ballast_settings (
	id INTEGER NOT NULL, 
	study TEXT NOT NULL, 
	trial INTEGER, 
	"key" TEXT NOT NULL, 
	position INTEGER NOT NULL, 
	layer TEXT NOT NULL, 
	origin TEXT NOT NULL, 
	requested TEXT NOT NULL, 
	effective TEXT NOT NULL, 
	reason TEXT NOT NULL, 
	CONSTRAINT pk_ballast_settings PRIMARY KEY (id), 
	CONSTRAINT fk_ballast_settings_study_trial FOREIGN KEY(study, trial) REFERENCES ballast_trials (study, number), 
	CONSTRAINT fk_ballast_settings_study FOREIGN KEY(study) REFERENCES ballast_studies (name)
);
INSERT INTO "ballast_settings" VALUES(1,'smoke',NULL,'study.name',0,'study','smoke.yaml:6','"smoke"','"smoke"','');
INSERT INTO "ballast_settings" VALUES(2,'smoke',NULL,'study.trials',0,'default','search.config.schema','20','20','');
INSERT INTO "ballast_settings" VALUES(3,'smoke',NULL,'study.trials',1,'base','configs/base.yaml:6','20','20','');
INSERT INTO "ballast_settings" VALUES(4,'smoke',NULL,'study.trials',2,'study','smoke.yaml:7','3','3','');
INSERT INTO "ballast_settings" VALUES(5,'smoke',NULL,'study.timeout',0,'default','search.config.schema','null','null','');
INSERT INTO "ballast_settings" VALUES(6,'smoke',NULL,'study.timeout',1,'base','configs/base.yaml:7','null','null','');
INSERT INTO "ballast_settings" VALUES(7,'smoke',NULL,'study.seed',0,'default','search.config.schema','0','0','');
INSERT INTO "ballast_settings" VALUES(8,'smoke',NULL,'study.seed',1,'base','configs/base.yaml:8','0','0','');
INSERT INTO "ballast_settings" VALUES(9,'smoke',NULL,'study.seed',2,'cli','--set study.seed=3','3','3','');
INSERT INTO "ballast_settings" VALUES(10,'smoke',NULL,'study.sampler',0,'default','search.config.schema','"tpe"','"tpe"','');
INSERT INTO "ballast_settings" VALUES(11,'smoke',NULL,'study.sampler',1,'base','configs/base.yaml:9','"tpe"','"tpe"','');
INSERT INTO "ballast_settings" VALUES(12,'smoke',NULL,'study.pruner',0,'default','search.config.schema','"median"','"median"','');
INSERT INTO "ballast_settings" VALUES(13,'smoke',NULL,'study.pruner',1,'base','configs/base.yaml:10','"median"','"median"','');
INSERT INTO "ballast_settings" VALUES(14,'smoke',NULL,'study.startup_trials',0,'default','search.config.schema','6','6','');
INSERT INTO "ballast_settings" VALUES(15,'smoke',NULL,'study.startup_trials',1,'base','configs/base.yaml:11','6','6','');
INSERT INTO "ballast_settings" VALUES(16,'smoke',NULL,'study.startup_trials',2,'study','smoke.yaml:8','2','2','');
INSERT INTO "ballast_settings" VALUES(17,'smoke',NULL,'study.pruner_warmup',0,'default','search.config.schema','3','3','');
INSERT INTO "ballast_settings" VALUES(18,'smoke',NULL,'study.pruner_warmup',1,'base','configs/base.yaml:12','3','3','');
INSERT INTO "ballast_settings" VALUES(19,'smoke',NULL,'study.pruner_patience',0,'default','search.config.schema','3','3','');
INSERT INTO "ballast_settings" VALUES(20,'smoke',NULL,'study.pruner_patience',1,'base','configs/base.yaml:13','3','3','');
INSERT INTO "ballast_settings" VALUES(21,'smoke',NULL,'study.retries',0,'default','search.config.schema','2','2','');
INSERT INTO "ballast_settings" VALUES(22,'smoke',NULL,'study.retries',1,'base','configs/base.yaml:14','2','2','');
INSERT INTO "ballast_settings" VALUES(23,'smoke',NULL,'study.enqueue',0,'default','search.config.schema','[]','[]','');
INSERT INTO "ballast_settings" VALUES(24,'smoke',NULL,'study.enqueue',1,'base','configs/base.yaml:15','[]','[]','');
INSERT INTO "ballast_settings" VALUES(25,'smoke',NULL,'data.source',0,'study','smoke.yaml:11','"sample:sp500"','"sample:sp500"','');
INSERT INTO "ballast_settings" VALUES(26,'smoke',NULL,'data.time',0,'study','smoke.yaml:12','"Date"','"Date"','');
INSERT INTO "ballast_settings" VALUES(27,'smoke',NULL,'data.features',0,'study','smoke.yaml:13','[{"name": "vol", "transform": "log_parkinson", "high": "High", "low": "Low"}, {"name": "vol5", "of": "vol", "transform": "rolling_mean", "window": 5}]','[{"transform": "log_parkinson", "high": "High", "low": "Low", "name": "vol"}, {"transform": "rolling_mean", "of": "vol", "window": 5, "name": "vol5"}]','');
INSERT INTO "ballast_settings" VALUES(28,'smoke',NULL,'data.target.transform',0,'default','trainer.config','"raw"','"raw"','');
INSERT INTO "ballast_settings" VALUES(29,'smoke',NULL,'data.target.transform',1,'study','smoke.yaml:16','"log_parkinson"','"log_parkinson"','');
INSERT INTO "ballast_settings" VALUES(30,'smoke',NULL,'data.target.column',0,'default','trainer.config','null','null','');
INSERT INTO "ballast_settings" VALUES(31,'smoke',NULL,'data.target.of',0,'default','trainer.config','null','null','');
INSERT INTO "ballast_settings" VALUES(32,'smoke',NULL,'data.target.high',0,'default','trainer.config','null','null','');
INSERT INTO "ballast_settings" VALUES(33,'smoke',NULL,'data.target.high',1,'study','smoke.yaml:16','"High"','"High"','');
INSERT INTO "ballast_settings" VALUES(34,'smoke',NULL,'data.target.low',0,'default','trainer.config','null','null','');
INSERT INTO "ballast_settings" VALUES(35,'smoke',NULL,'data.target.low',1,'study','smoke.yaml:16','"Low"','"Low"','');
INSERT INTO "ballast_settings" VALUES(36,'smoke',NULL,'data.target.window',0,'default','trainer.config','null','null','');
INSERT INTO "ballast_settings" VALUES(37,'smoke',NULL,'data.target.kind',0,'study','smoke.yaml:16','"volatility"','"volatility"','');
INSERT INTO "ballast_settings" VALUES(38,'smoke',NULL,'data.target.horizon',0,'default','trainer.config','1','1','');
INSERT INTO "ballast_settings" VALUES(39,'smoke',NULL,'data.target.horizon',1,'study','smoke.yaml:16','1','1','');
INSERT INTO "ballast_settings" VALUES(40,'smoke',NULL,'data.target.clip',0,'default','trainer.config','null','null','');
INSERT INTO "ballast_settings" VALUES(41,'smoke',NULL,'data.seq_len',0,'default','trainer.config','22','22','');
INSERT INTO "ballast_settings" VALUES(42,'smoke',NULL,'data.seq_len',1,'study','smoke.yaml:17','5','5','');
INSERT INTO "ballast_settings" VALUES(43,'smoke',NULL,'data.feature_clip',0,'default','trainer.config','3.0','3.0','');
INSERT INTO "ballast_settings" VALUES(44,'smoke',NULL,'data.split.train_until',0,'default','trainer.config','null','null','');
INSERT INTO "ballast_settings" VALUES(45,'smoke',NULL,'data.split.validation_until',0,'default','trainer.config','null','null','');
INSERT INTO "ballast_settings" VALUES(46,'smoke',NULL,'data.split.fractions',0,'default','trainer.config','null','null','');
INSERT INTO "ballast_settings" VALUES(47,'smoke',NULL,'data.split.fractions',1,'study','smoke.yaml:18','{"train": 0.2, "validation": 0.1}','{"train": 0.2, "validation": 0.1}','');
INSERT INTO "ballast_settings" VALUES(48,'smoke',NULL,'data.split.embargo',0,'default','trainer.config','0','0','');
INSERT INTO "ballast_settings" VALUES(49,'smoke',NULL,'models.gru.learning_rate',0,'default','trainer.config','0.0001','0.0001','');
INSERT INTO "ballast_settings" VALUES(50,'smoke',NULL,'models.gru.learning_rate',1,'base','configs/base.yaml:19','0.0001','0.0001','');
INSERT INTO "ballast_settings" VALUES(51,'smoke',NULL,'models.gru.learning_rate',2,'sampled','smoke.yaml:26','{"low": 0.0003, "high": 0.01, "log": true}','{"low": 0.0003, "high": 0.01, "log": true}','searched: every trial samples its own value');
INSERT INTO "ballast_settings" VALUES(52,'smoke',NULL,'models.gru.batch_size',0,'default','trainer.config','32','32','');
INSERT INTO "ballast_settings" VALUES(53,'smoke',NULL,'models.gru.batch_size',1,'base','configs/base.yaml:20','32','32','');
INSERT INTO "ballast_settings" VALUES(54,'smoke',NULL,'models.gru.batch_size',2,'study','smoke.yaml:21','64','64','');
INSERT INTO "ballast_settings" VALUES(55,'smoke',NULL,'models.gru.hidden_size',0,'default','trainer.config','32','32','');
INSERT INTO "ballast_settings" VALUES(56,'smoke',NULL,'models.gru.hidden_size',1,'base','configs/base.yaml:21','32','32','');
INSERT INTO "ballast_settings" VALUES(57,'smoke',NULL,'models.gru.hidden_size',2,'study','smoke.yaml:21','8','8','');
INSERT INTO "ballast_settings" VALUES(58,'smoke',NULL,'models.gru.num_layers',0,'default','trainer.config','1','1','');
INSERT INTO "ballast_settings" VALUES(59,'smoke',NULL,'models.gru.num_layers',1,'base','configs/base.yaml:22','1','1','');
INSERT INTO "ballast_settings" VALUES(60,'smoke',NULL,'models.gru.dropout',0,'default','trainer.config','0.0','0.0','');
INSERT INTO "ballast_settings" VALUES(61,'smoke',NULL,'models.gru.dropout',1,'base','configs/base.yaml:23','0.0','0.0','');
INSERT INTO "ballast_settings" VALUES(62,'smoke',NULL,'models.gru.weight_decay',0,'default','trainer.config','0.0','0.0','');
INSERT INTO "ballast_settings" VALUES(63,'smoke',NULL,'models.gru.weight_decay',1,'base','configs/base.yaml:24','0.0','0.0','');
INSERT INTO "ballast_settings" VALUES(64,'smoke',NULL,'models.gru.init',0,'default','trainer.config','"gains"','"gains"','');
INSERT INTO "ballast_settings" VALUES(65,'smoke',NULL,'models.gru.init',1,'base','configs/base.yaml:25','"gains"','"gains"','');
INSERT INTO "ballast_settings" VALUES(66,'smoke',NULL,'models.gru.input_gain',0,'default','trainer.config','0.01','0.01','');
INSERT INTO "ballast_settings" VALUES(67,'smoke',NULL,'models.gru.input_gain',1,'base','configs/base.yaml:26','0.01','0.01','');
INSERT INTO "ballast_settings" VALUES(68,'smoke',NULL,'models.gru.hidden_gain',0,'default','trainer.config','0.01','0.01','');
INSERT INTO "ballast_settings" VALUES(69,'smoke',NULL,'models.gru.hidden_gain',1,'base','configs/base.yaml:27','0.01','0.01','');
INSERT INTO "ballast_settings" VALUES(70,'smoke',NULL,'models.gru.head_gain',0,'default','trainer.config','0.001','0.001','');
INSERT INTO "ballast_settings" VALUES(71,'smoke',NULL,'models.gru.head_gain',1,'base','configs/base.yaml:28','0.001','0.001','');
INSERT INTO "ballast_settings" VALUES(72,'smoke',NULL,'training.epochs',0,'default','trainer.config','15','15','');
INSERT INTO "ballast_settings" VALUES(73,'smoke',NULL,'training.epochs',1,'base','configs/base.yaml:31','15','15','');
INSERT INTO "ballast_settings" VALUES(74,'smoke',NULL,'training.epochs',2,'study','smoke.yaml:23','2','2','');
INSERT INTO "ballast_settings" VALUES(75,'smoke',NULL,'training.patience',0,'default','trainer.config','4','4','');
INSERT INTO "ballast_settings" VALUES(76,'smoke',NULL,'training.patience',1,'base','configs/base.yaml:32','4','4','');
INSERT INTO "ballast_settings" VALUES(77,'smoke',NULL,'training.patience',2,'study','smoke.yaml:23','2','2','');
INSERT INTO "ballast_settings" VALUES(78,'smoke',NULL,'training.max_grad_norm',0,'default','trainer.config','1.0','1.0','');
INSERT INTO "ballast_settings" VALUES(79,'smoke',NULL,'training.max_grad_norm',1,'base','configs/base.yaml:33','1.0','1.0','');
INSERT INTO "ballast_settings" VALUES(80,'smoke',NULL,'training.mixed_precision',0,'default','trainer.config','false','false','');
INSERT INTO "ballast_settings" VALUES(81,'smoke',NULL,'training.mixed_precision',1,'base','configs/base.yaml:34','false','false','');
INSERT INTO "ballast_settings" VALUES(82,'smoke',NULL,'training.device',0,'default','trainer.config','"cpu"','"cpu"','');
INSERT INTO "ballast_settings" VALUES(83,'smoke',NULL,'training.device',1,'base','configs/base.yaml:35','"cpu"','"cpu"','');
INSERT INTO "ballast_settings" VALUES(84,'smoke',NULL,'guard.max_bad_steps',0,'default','trainer.config','3','3','');
INSERT INTO "ballast_settings" VALUES(85,'smoke',NULL,'guard.max_bad_steps',1,'base','configs/base.yaml:38','3','3','');
INSERT INTO "ballast_settings" VALUES(86,'smoke',NULL,'guard.rewinds',0,'default','trainer.config','1','1','');
INSERT INTO "ballast_settings" VALUES(87,'smoke',NULL,'guard.rewinds',1,'base','configs/base.yaml:39','1','1','');
INSERT INTO "ballast_settings" VALUES(88,'smoke',NULL,'guard.output_limit',0,'default','trainer.config','10.0','10.0','');
INSERT INTO "ballast_settings" VALUES(89,'smoke',NULL,'guard.output_limit',1,'base','configs/base.yaml:40','10.0','10.0','');
INSERT INTO "ballast_settings" VALUES(90,'smoke',NULL,'guard.loss_limit',0,'default','trainer.config','100.0','100.0','');
INSERT INTO "ballast_settings" VALUES(91,'smoke',NULL,'guard.loss_limit',1,'base','configs/base.yaml:41','100.0','100.0','');
INSERT INTO "ballast_settings" VALUES(92,'smoke',NULL,'guard.lr_cut',0,'default','trainer.config','0.1','0.1','');
INSERT INTO "ballast_settings" VALUES(93,'smoke',NULL,'guard.lr_cut',1,'base','configs/base.yaml:42','0.1','0.1','');
INSERT INTO "ballast_settings" VALUES(94,'smoke',NULL,'guard.lr_min',0,'default','trainer.config','1e-08','1e-08','');
INSERT INTO "ballast_settings" VALUES(95,'smoke',NULL,'guard.lr_min',1,'base','configs/base.yaml:43','1e-08','1e-08','');
INSERT INTO "ballast_settings" VALUES(96,'smoke',NULL,'guard.frozen_lr_ratio',0,'default','trainer.config','0.001','0.001','');
INSERT INTO "ballast_settings" VALUES(97,'smoke',NULL,'guard.frozen_lr_ratio',1,'base','configs/base.yaml:44','0.001','0.001','');
INSERT INTO "ballast_settings" VALUES(98,'smoke',NULL,'guard.min_movement',0,'default','trainer.config','0.001','0.001','');
INSERT INTO "ballast_settings" VALUES(99,'smoke',NULL,'guard.min_movement',1,'base','configs/base.yaml:45','0.001','0.001','');
INSERT INTO "ballast_settings" VALUES(100,'smoke',NULL,'guard.loss_floor',0,'default','trainer.config','1e-08','1e-08','');
INSERT INTO "ballast_settings" VALUES(101,'smoke',NULL,'guard.loss_floor',1,'base','configs/base.yaml:46','1e-08','1e-08','');
INSERT INTO "ballast_settings" VALUES(102,'smoke',NULL,'guard.max_skill',0,'default','trainer.config','null','null','');
INSERT INTO "ballast_settings" VALUES(103,'smoke',NULL,'guard.max_skill',1,'base','configs/base.yaml:47','null','null','');
INSERT INTO "ballast_settings" VALUES(104,'smoke',NULL,'guard.target_max_floor',0,'default','trainer.config','0.001','0.001','');
INSERT INTO "ballast_settings" VALUES(105,'smoke',NULL,'guard.target_max_floor',1,'base','configs/base.yaml:48','0.001','0.001','');
INSERT INTO "ballast_settings" VALUES(106,'smoke',NULL,'guard.target_std_floor',0,'default','trainer.config','0.0001','0.0001','');
INSERT INTO "ballast_settings" VALUES(107,'smoke',NULL,'guard.target_std_floor',1,'base','configs/base.yaml:49','0.0001','0.0001','');
INSERT INTO "ballast_settings" VALUES(108,'smoke',NULL,'storage.url',0,'default','search.config.schema','"sqlite:///ballast.db"','"sqlite:///ballast.db"','');
INSERT INTO "ballast_settings" VALUES(109,'smoke',NULL,'storage.url',1,'base','configs/base.yaml:52','"sqlite:///ballast.db"','"sqlite:///ballast.db"','');
INSERT INTO "ballast_settings" VALUES(110,'smoke',NULL,'storage.url',2,'cli','--store','"sqlite:///0001.db"','"sqlite:///0001.db"','--store comes before the study file');
INSERT INTO "ballast_settings" VALUES(111,'smoke',NULL,'space.models.gru.learning_rate',0,'study','smoke.yaml:26','{"low": 0.0003, "high": 0.01, "log": true}','{"low": 0.0003, "high": 0.01, "log": true}','');
INSERT INTO "ballast_settings" VALUES(112,'smoke',0,'models.gru.learning_rate',0,'sampled','smoke.yaml:26','0.009077907894199563','0.009077907894199563','drawn by tpe');
INSERT INTO "ballast_settings" VALUES(113,'smoke',1,'models.gru.learning_rate',0,'sampled','smoke.yaml:26','0.0038207478403062644','0.0038207478403062644','drawn by tpe');
INSERT INTO "ballast_settings" VALUES(114,'smoke',2,'models.gru.learning_rate',0,'sampled','smoke.yaml:26','0.009720066353979004','0.009720066353979004','drawn by tpe');
CREATE TABLE ballast_studies (
	name TEXT NOT NULL, 
	created_at DATETIME NOT NULL, 
	study_file TEXT NOT NULL, 
	policy_file TEXT NOT NULL, 
	seed BIGINT NOT NULL, 
	fingerprints TEXT NOT NULL, 
	versions TEXT NOT NULL, 
	facts TEXT NOT NULL, 
	CONSTRAINT pk_ballast_studies PRIMARY KEY (name)
);
INSERT INTO "ballast_studies" VALUES('smoke','2026-11-23 05:11:34.823302','configs/studies/smoke.yaml','configs/safe_ranges.yaml',3,'{"space": "cb0d1ab7cb3806ab40d2aa852313346e52c3991ec241d17cf334f521d35137dd", "policy": "aff79f2a74a82ab102e871f9276fc2d04b9959760dba1503a4470024b90e8b21", "settings": "29311f2ed32b31bc5a36da349d9204999e5949c58d1370400e6dba9b97e1b4f9", "data": "cbaa860f9fb31903bf6dc912fb501b5f32c4653422091dfc0d847aa2c4d167fe", "content": "1c4d0aeed8db9284de8ad71e4063c97f645ad6dd13507f8e305338e96c396ba7"}','{"ballast": "0.1.0", "torch": "2.13.0+cpu", "optuna": "5.0.0", "numpy": "2.4.6", "pandas": "3.1.1"}','{"kind": "volatility", "horizon": 1, "rows": {"train": 1000, "validation": 501, "test": 3519}, "baselines": {"zero": 122.15213720329703, "train_mean": 1.9473722804453042, "persistence": 1.5140356198620726, "har": 0.7720766995551696}, "baseline": {"name": "har", "loss": 0.7720766995551696}, "skill_ceiling": 0.3, "feature_clipped": {"vol": 0.0106312292358804, "vol5": 0.012624584717607974}, "target_clipped": 0.0, "sha256": "f98bb2bbe5142333ff53726eba0f8c4783b423864a0a4085f410c910a751975d", "audit": [{"code": "feature_clipped", "severity": "info", "where": "vol", "value": 0.0106312292358804, "threshold": 0.05, "message": "vol: 1.06% of the training and validation values lie beyond ±3 standard deviations and are clipped (usual: at most 5%); nothing to do"}, {"code": "feature_clipped", "severity": "info", "where": "vol5", "value": 0.012624584717607974, "threshold": 0.05, "message": "vol5: 1.26% of the training and validation values lie beyond ±3 standard deviations and are clipped (usual: at most 5%); nothing to do"}]}');
CREATE TABLE ballast_trials (
	study TEXT NOT NULL, 
	number INTEGER NOT NULL, 
	params TEXT NOT NULL, 
	seed BIGINT NOT NULL, 
	started_at DATETIME NOT NULL, 
	worker TEXT NOT NULL, 
	retry_of INTEGER, 
	verdict VARCHAR(16), 
	reasons TEXT NOT NULL, 
	message TEXT, 
	value BLOB, 
	skill BLOB, 
	best_epoch INTEGER, 
	epochs INTEGER NOT NULL, 
	finished_at DATETIME, 
	duration_s BLOB, 
	CONSTRAINT pk_ballast_trials PRIMARY KEY (study, number), 
	CONSTRAINT ck_ballast_trials_finished_with_a_verdict CHECK ((verdict IS NULL) = (finished_at IS NULL)), 
	CONSTRAINT fk_ballast_trials_study_retry_of FOREIGN KEY(study, retry_of) REFERENCES ballast_trials (study, number), 
	CONSTRAINT fk_ballast_trials_study FOREIGN KEY(study) REFERENCES ballast_studies (name), 
	CONSTRAINT ck_ballast_trials_verdict CHECK (verdict IN ('accepted', 'unpromising', 'unstable', 'suspicious', 'interrupted', 'failed'))
);
INSERT INTO "ballast_trials" VALUES('smoke',0,'{"models.gru.learning_rate": 0.009077907894199563}',1576890651,'2026-11-23 05:11:34.978453','machine:4711:8f3a',NULL,'accepted','[]','trained 2 epochs, best was 1',8.33254992961883544921e-01,-7.92386215540006322299e-02,1,2,'2026-11-23 05:11:37.201516',2.223063);
INSERT INTO "ballast_trials" VALUES('smoke',1,'{"models.gru.learning_rate": 0.0038207478403062644}',457190280,'2026-11-23 05:11:37.258035','machine:4711:8f3a',NULL,'accepted','[]','trained 2 epochs, best was 1',1.22805106639862060546e+00,-5.90581696230646269185e-01,1,2,'2026-11-23 05:11:37.370117',0.112082);
INSERT INTO "ballast_trials" VALUES('smoke',2,'{"models.gru.learning_rate": 0.009720066353979004}',960329833,'2026-11-23 05:11:37.434922','machine:4711:8f3a',NULL,'accepted','[]','trained 2 epochs, best was 1',9.2585849761962890625e-01,-1.99179431464594713929e-01,1,2,'2026-11-23 05:11:37.579979',0.145057);
CREATE TABLE studies (
	study_id INTEGER NOT NULL, 
	study_name VARCHAR(512) NOT NULL, 
	PRIMARY KEY (study_id)
);
INSERT INTO "studies" VALUES(1,'smoke');
CREATE TABLE study_directions (
	study_direction_id INTEGER NOT NULL, 
	direction VARCHAR(8) NOT NULL, 
	study_id INTEGER NOT NULL, 
	objective INTEGER NOT NULL, 
	PRIMARY KEY (study_direction_id), 
	UNIQUE (study_id, objective), 
	FOREIGN KEY(study_id) REFERENCES studies (study_id)
);
INSERT INTO "study_directions" VALUES(1,'MINIMIZE',1,0);
CREATE TABLE study_system_attributes (
	study_system_attribute_id INTEGER NOT NULL, 
	study_id INTEGER, 
	"key" VARCHAR(512), 
	value_json TEXT, 
	PRIMARY KEY (study_system_attribute_id), 
	UNIQUE (study_id, "key"), 
	FOREIGN KEY(study_id) REFERENCES studies (study_id)
);
CREATE TABLE study_user_attributes (
	study_user_attribute_id INTEGER NOT NULL, 
	study_id INTEGER, 
	"key" VARCHAR(512), 
	value_json TEXT, 
	PRIMARY KEY (study_user_attribute_id), 
	UNIQUE (study_id, "key"), 
	FOREIGN KEY(study_id) REFERENCES studies (study_id)
);
CREATE TABLE trial_heartbeats (
	trial_heartbeat_id INTEGER NOT NULL, 
	trial_id INTEGER NOT NULL, 
	heartbeat DATETIME NOT NULL, 
	PRIMARY KEY (trial_heartbeat_id), 
	UNIQUE (trial_id), 
	FOREIGN KEY(trial_id) REFERENCES trials (trial_id)
);
CREATE TABLE trial_intermediate_values (
	trial_intermediate_value_id INTEGER NOT NULL, 
	trial_id INTEGER NOT NULL, 
	step INTEGER NOT NULL, 
	intermediate_value FLOAT, 
	intermediate_value_type VARCHAR(7) NOT NULL, 
	PRIMARY KEY (trial_intermediate_value_id), 
	UNIQUE (trial_id, step), 
	FOREIGN KEY(trial_id) REFERENCES trials (trial_id)
);
INSERT INTO "trial_intermediate_values" VALUES(1,1,0,1.30852735042572021484e+00,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(2,1,1,8.33254992961883544921e-01,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(3,2,0,1.79183101654052734375e+00,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(4,2,1,1.22805106639862060546e+00,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(5,3,0,1.25193893909454345703e+00,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(6,3,1,9.2585849761962890625e-01,'FINITE');
CREATE TABLE trial_params (
	param_id INTEGER NOT NULL, 
	trial_id INTEGER, 
	param_name VARCHAR(512), 
	param_value FLOAT, 
	distribution_json TEXT, 
	PRIMARY KEY (param_id), 
	UNIQUE (trial_id, param_name), 
	FOREIGN KEY(trial_id) REFERENCES trials (trial_id)
);
INSERT INTO "trial_params" VALUES(1,1,'models.gru.learning_rate',9.07790789419956299644e-03,'{"name": "FloatDistribution", "attributes": {"step": null, "low": 0.0003, "high": 0.01, "log": true}}');
INSERT INTO "trial_params" VALUES(2,2,'models.gru.learning_rate',3.82074784030626444716e-03,'{"name": "FloatDistribution", "attributes": {"step": null, "low": 0.0003, "high": 0.01, "log": true}}');
INSERT INTO "trial_params" VALUES(3,3,'models.gru.learning_rate',9.72006635397900352335e-03,'{"name": "FloatDistribution", "attributes": {"step": null, "low": 0.0003, "high": 0.01, "log": true}}');
CREATE TABLE trial_system_attributes (
	trial_system_attribute_id INTEGER NOT NULL, 
	trial_id INTEGER, 
	"key" VARCHAR(512), 
	value_json TEXT, 
	PRIMARY KEY (trial_system_attribute_id), 
	UNIQUE (trial_id, "key"), 
	FOREIGN KEY(trial_id) REFERENCES trials (trial_id)
);
INSERT INTO "trial_system_attributes" VALUES(1,1,'constraints:ballast','-1.0');
INSERT INTO "trial_system_attributes" VALUES(2,2,'constraints:ballast','-1.0');
INSERT INTO "trial_system_attributes" VALUES(3,3,'tpe:relative_params:0','"{\"models.gru.learning_rate\": 0.009720066353979004}"');
INSERT INTO "trial_system_attributes" VALUES(4,3,'constraints:ballast','-1.0');
CREATE TABLE trial_user_attributes (
	trial_user_attribute_id INTEGER NOT NULL, 
	trial_id INTEGER, 
	"key" VARCHAR(512), 
	value_json TEXT, 
	PRIMARY KEY (trial_user_attribute_id), 
	UNIQUE (trial_id, "key"), 
	FOREIGN KEY(trial_id) REFERENCES trials (trial_id)
);
INSERT INTO "trial_user_attributes" VALUES(1,1,'worker','"machine:4711:8f3a"');
INSERT INTO "trial_user_attributes" VALUES(2,1,'verdict','"accepted"');
INSERT INTO "trial_user_attributes" VALUES(3,1,'reasons','""');
INSERT INTO "trial_user_attributes" VALUES(4,2,'worker','"machine:4711:8f3a"');
INSERT INTO "trial_user_attributes" VALUES(5,2,'verdict','"accepted"');
INSERT INTO "trial_user_attributes" VALUES(6,2,'reasons','""');
INSERT INTO "trial_user_attributes" VALUES(7,3,'worker','"machine:4711:8f3a"');
INSERT INTO "trial_user_attributes" VALUES(8,3,'verdict','"accepted"');
INSERT INTO "trial_user_attributes" VALUES(9,3,'reasons','""');
CREATE TABLE trial_values (
	trial_value_id INTEGER NOT NULL, 
	trial_id INTEGER NOT NULL, 
	objective INTEGER NOT NULL, 
	value FLOAT, 
	value_type VARCHAR(7) NOT NULL, 
	PRIMARY KEY (trial_value_id), 
	UNIQUE (trial_id, objective), 
	FOREIGN KEY(trial_id) REFERENCES trials (trial_id)
);
INSERT INTO "trial_values" VALUES(1,1,0,8.33254992961883544921e-01,'FINITE');
INSERT INTO "trial_values" VALUES(2,2,0,1.22805106639862060546e+00,'FINITE');
INSERT INTO "trial_values" VALUES(3,3,0,9.2585849761962890625e-01,'FINITE');
CREATE TABLE trials (
	trial_id INTEGER NOT NULL, 
	number INTEGER, 
	study_id INTEGER, 
	state VARCHAR(8) NOT NULL, 
	datetime_start DATETIME, 
	datetime_complete DATETIME, 
	PRIMARY KEY (trial_id), 
	FOREIGN KEY(study_id) REFERENCES studies (study_id)
);
INSERT INTO "trials" VALUES(1,0,1,'COMPLETE','2026-11-23 05:11:34.942720','2026-11-23 05:11:37.228677');
INSERT INTO "trials" VALUES(2,1,1,'COMPLETE','2026-11-23 05:11:37.244238','2026-11-23 05:11:37.392062');
INSERT INTO "trials" VALUES(3,2,1,'COMPLETE','2026-11-23 05:11:37.405452','2026-11-23 05:11:37.603341');
CREATE TABLE version_info (
	version_info_id INTEGER NOT NULL, 
	schema_version INTEGER, 
	library_version VARCHAR(256), 
	PRIMARY KEY (version_info_id), 
	CHECK (version_info_id=1)
);
INSERT INTO "version_info" VALUES(1,12,'5.0.0');
CREATE INDEX ix_ballast_clamps_study ON ballast_clamps (study);
CREATE INDEX ix_ballast_trials_study_verdict_value ON ballast_trials (study, verdict, value);
CREATE UNIQUE INDEX ix_ballast_settings_of_study ON ballast_settings (study, "key", position) WHERE trial IS NULL;
CREATE UNIQUE INDEX ix_ballast_settings_study_trial_key_position ON ballast_settings (study, trial, "key", position);
CREATE INDEX ix_ballast_findings_study_trial ON ballast_findings (study, trial);
CREATE INDEX ix_ballast_artifacts_study_trial ON ballast_artifacts (study, trial);
CREATE UNIQUE INDEX ix_studies_study_name ON studies (study_name);
CREATE INDEX ix_trials_study_id ON trials (study_id);
COMMIT;
