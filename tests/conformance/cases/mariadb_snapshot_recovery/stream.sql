USE shop;
INSERT INTO a VALUES (3,3);
-- @stop
INSERT INTO a VALUES (4,4);
-- @env MODE=recovery
-- @start
INSERT INTO a VALUES (6,6);
-- @wait
DELETE FROM a;
