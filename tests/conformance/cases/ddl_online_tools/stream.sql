-- @errors on
USE shop;
CREATE /* gh-ost */ TABLE `shop`.`_t_ghc` (id BIGINT UNSIGNED AUTO_INCREMENT, last_update TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP, hint VARCHAR(64) charset ascii NOT NULL, value VARCHAR(4096) charset ascii NOT NULL, PRIMARY KEY(id), UNIQUE KEY hint_uidx(hint)) auto_increment=256 comment='gh-ost changelog';
SET SESSION timestamp = 1700000000;
INSERT /* gh-ost */ INTO `shop`.`_t_ghc` (id, hint, value) VALUES (NULLIF(2, 0), 'state', 'GhostTableMigrated') ON DUPLICATE KEY UPDATE last_update=NOW(), value=VALUES(value);
create /* gh-ost */ table `shop`.`_t_gho` like `shop`.`t`;
alter /* gh-ost */ table `shop`.`_t_gho` add column w int not null default 5 after id, modify v varchar(40);
INSERT INTO t (v) VALUES ('three');
insert /* gh-ost `shop`.`t` */ ignore into `shop`.`_t_gho` (`id`, `v`) (select `id`, `v` from `shop`.`t` force index (`PRIMARY`) lock in share mode);
create /* gh-ost */ table `shop`.`_t_del` (id int auto_increment primary key) engine=InnoDB comment='ghost-cut-over-sentry';
drop /* gh-ost */ table if exists `shop`.`_t_del`;
rename /* gh-ost */ table `shop`.`t` to `shop`.`_t_del`, `shop`.`_t_gho` to `shop`.`t`;
INSERT INTO t (v) VALUES ('four'); UPDATE t SET w = 6 WHERE id = 1;
drop /* gh-ost */ table if exists `shop`.`_t_ghc`; drop /* gh-ost */ table if exists `shop`.`_t_del`;
CREATE TABLE `shop`.`_t_new` (`id` int NOT NULL AUTO_INCREMENT, `w` int NOT NULL DEFAULT '5', `v` varchar(40) DEFAULT NULL, PRIMARY KEY (`id`)) ENGINE=InnoDB AUTO_INCREMENT=5 DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_0900_ai_ci;
ALTER TABLE `shop`.`_t_new` drop column v, add column z json, ENGINE=InnoDB;
CREATE TRIGGER `pt_osc_shop_t_del` AFTER DELETE ON `shop`.`t` FOR EACH ROW BEGIN DECLARE CONTINUE HANDLER FOR 1146 begin end; DELETE IGNORE FROM `shop`.`_t_new` WHERE `shop`.`_t_new`.`id` <=> OLD.`id`; END;
DELIMITER //
CREATE TRIGGER `pt_osc_shop_t_del` AFTER DELETE ON `shop`.`t` FOR EACH ROW BEGIN DECLARE CONTINUE HANDLER FOR 1146 begin end; DELETE IGNORE FROM `shop`.`_t_new` WHERE `shop`.`_t_new`.`id` <=> OLD.`id`; END//
CREATE TRIGGER `pt_osc_shop_t_upd` AFTER UPDATE ON `shop`.`t` FOR EACH ROW BEGIN DELETE IGNORE FROM `shop`.`_t_new` WHERE !(OLD.`id` <=> NEW.`id`) AND `shop`.`_t_new`.`id` <=> OLD.`id`; REPLACE INTO `shop`.`_t_new` (`id`, `w`) VALUES (NEW.`id`, NEW.`w`); END//
CREATE TRIGGER `pt_osc_shop_t_ins` AFTER INSERT ON `shop`.`t` FOR EACH ROW BEGIN REPLACE INTO `shop`.`_t_new` (`id`, `w`) VALUES (NEW.`id`, NEW.`w`); END//
DELIMITER ;
INSERT INTO t (v) VALUES ('five'); UPDATE t SET w = 7 WHERE id = 2; DELETE FROM t WHERE id = 1;
INSERT LOW_PRIORITY IGNORE INTO `shop`.`_t_new` (`id`, `w`) SELECT `id`, `w` FROM `shop`.`t` LOCK IN SHARE MODE /*pt-online-schema-change 1 copy table*/;
ANALYZE TABLE `shop`.`_t_new` /* pt-online-schema-change */;
RENAME TABLE `shop`.`t` TO `shop`.`_t_old`, `shop`.`_t_new` TO `shop`.`t`;
DROP TABLE IF EXISTS `shop`.`_t_old`;
DROP TRIGGER IF EXISTS `shop`.`pt_osc_shop_t_del`; DROP TRIGGER IF EXISTS `shop`.`pt_osc_shop_t_upd`; DROP TRIGGER IF EXISTS `shop`.`pt_osc_shop_t_ins`;
INSERT INTO t (w) VALUES (55);
CREATE TABLE pt (id INT PRIMARY KEY, v INT) PARTITION BY RANGE (id) (PARTITION p0 VALUES LESS THAN (10), PARTITION p1 VALUES LESS THAN (20)); CREATE TABLE ex (id INT PRIMARY KEY, v INT);
INSERT INTO pt VALUES (1,1),(11,1); INSERT INTO ex VALUES (2,2);
ALTER TABLE pt EXCHANGE PARTITION p0 WITH TABLE ex; INSERT INTO pt VALUES (3,3); INSERT INTO ex VALUES (4,4);
ALTER TABLE pt TRUNCATE PARTITION p1; ALTER TABLE pt DROP PARTITION p1; ALTER TABLE pt ADD PARTITION (PARTITION p2 VALUES LESS THAN (30)); ALTER TABLE pt REORGANIZE PARTITION p2 INTO (PARTITION p21 VALUES LESS THAN (25), PARTITION p22 VALUES LESS THAN (30)); ALTER TABLE pt ANALYZE PARTITION ALL; ALTER TABLE pt REBUILD PARTITION p0; ALTER TABLE pt OPTIMIZE PARTITION p0; INSERT INTO pt VALUES (26,1);
-- @wait
INSERT INTO t (w) VALUES (56);
