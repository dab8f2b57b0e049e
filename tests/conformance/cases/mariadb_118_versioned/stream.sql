SET time_zone='+00:00'; USE shop; SET timestamp=1700000100;
INSERT INTO e (id,v) VALUES (2,2); SET timestamp=1700000200; UPDATE e SET v=3; SET timestamp=1700000300; DELETE FROM e WHERE id=1;
-- @wait
INSERT INTO e (id,v) VALUES (3,3);
