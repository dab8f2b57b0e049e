SET time_zone='+00:00'; USE shop; INSERT INTO t VALUES (2,'x','123e4567-e89b-12d3-a456-4266554400ff',POINT(1,2),VEC_FromText('[1,2]'),'ab','2106-01-01 00:00:00','a','x,y','é','ü'); UPDATE t SET v='é', ve=VEC_FromText('[3,4]') WHERE id=2; ALTER TABLE t ADD n INT FIRST; UPDATE t SET n=1; DELETE FROM t WHERE id=1;
-- @wait
DELETE FROM t;
