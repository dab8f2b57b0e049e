CREATE DATABASE shop; USE shop;
CREATE TABLE a (id INT PRIMARY KEY, v VARCHAR(20));
INSERT INTO a VALUES (1,'one'),(2,'two'),(3,'three');
