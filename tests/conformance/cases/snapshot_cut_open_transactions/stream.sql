-- @session t1
USE shop; BEGIN; INSERT INTO a VALUES (10,10),(11,11);
-- @session t2
USE shop; XA START 'x1'; INSERT INTO b VALUES (20,'xa'); XA END 'x1'; XA PREPARE 'x1';
-- @session t3
USE shop; BEGIN; UPDATE a SET v=100 WHERE id=1;
-- @session t4
USE shop; XA START 'x2'; INSERT INTO b VALUES (21,'xb'); XA END 'x2'; XA PREPARE 'x2';
-- @session main
INSERT INTO shop.a VALUES (3,3);
-- @stop
INSERT INTO shop.a VALUES (4,4);
-- @start
-- @session t1
INSERT INTO a VALUES (12,12); COMMIT;
-- @session t3
ROLLBACK; BEGIN; UPDATE a SET v=101 WHERE id=1; COMMIT;
-- @session t2
XA COMMIT 'x1';
-- @session t4
XA ROLLBACK 'x2';
-- @session main
INSERT INTO shop.a VALUES (5,5);
