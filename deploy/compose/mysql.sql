-- SPDX-License-Identifier: Apache-2.0
-- What Tailrace needs in the database, and a table to play with.
CREATE USER 'tailrace'@'%' IDENTIFIED BY 'tailrace';
GRANT SELECT, RELOAD, SHOW DATABASES, REPLICATION SLAVE, REPLICATION CLIENT ON *.* TO 'tailrace'@'%';
CREATE TABLE inventory.orders (
  id INT NOT NULL AUTO_INCREMENT PRIMARY KEY,
  item VARCHAR(255) NOT NULL,
  amount INT NOT NULL DEFAULT 1,
  ordered_at TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP
);
INSERT INTO inventory.orders (item, amount) VALUES ('lantern', 2), ('kettle', 1);
