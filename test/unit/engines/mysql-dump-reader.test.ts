import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { readDumpText } from '../../../src/engines/dump-text.js';
import { mysqlDumpReader } from '../../../src/engines/mysql/mysql-dump-reader.js';
import { MysqlSplitter } from '../../../src/engines/mysql/mysql-dump-splitter.js';
import type { DatabaseSchema, Relation } from '../../../src/model/database-schema.js';

let folder: string;
beforeAll(() => {
  folder = fs.mkdtempSync(path.join(os.tmpdir(), 'dbps-dump-'));
});
afterAll(() => fs.rmSync(folder, { recursive: true }));

async function read(script: string): Promise<DatabaseSchema> {
  const file = path.join(folder, 'shop.sql');
  fs.writeFileSync(file, script);
  return mysqlDumpReader.read({ name: file, text: readDumpText(file) });
}

const relation = (schema: DatabaseSchema, id: string): Relation => {
  const found = schema.relations.find((candidate) => candidate.id === id);
  if (found === undefined) throw new Error(`no ${id} in ${schema.relations.map((r) => r.id).join(', ')}`);
  return found;
};

const DUMP = `/*M!999999\\- enable the sandbox mode */
-- MariaDB dump 10.19  Distrib 10.11.6-MariaDB, for debian-linux-gnu (x86_64)
--
-- Host: localhost    Database: shop
-- ------------------------------------------------------
-- Server version	10.11.6-MariaDB-0+deb12u1
/*!40101 SET NAMES utf8mb4 */;
DROP TABLE IF EXISTS \`orders\`;
/*!40101 SET @saved_cs_client     = @@character_set_client */;
CREATE TABLE \`orders\` (
  \`id\` int(10) unsigned NOT NULL AUTO_INCREMENT,
  \`customer_id\` bigint(20) NOT NULL COMMENT 'who; bought',
  \`state\` enum('new','it''s (paid)') COLLATE utf8mb4_bin DEFAULT 'new',
  \`total\` decimal(10,2) DEFAULT NULL,
  \`doubled\` decimal(12,2) GENERATED ALWAYS AS (\`total\` * 2) STORED,
  \`note\` varchar(255) DEFAULT 'a;b',
  \`at\` timestamp NOT NULL DEFAULT current_timestamp() ON UPDATE current_timestamp(),
  PRIMARY KEY (\`id\`),
  UNIQUE KEY \`note_prefix\` (\`note\`(20)),
  KEY \`k\` (\`customer_id\`,\`at\`) USING BTREE,
  FULLTEXT KEY \`ft\` (\`note\`),
  CONSTRAINT \`fk_customer\` FOREIGN KEY (\`customer_id\`) REFERENCES \`customers\` (\`id\`) ON DELETE CASCADE ON UPDATE NO ACTION,
  CONSTRAINT \`positive\` CHECK (\`total\` >= 0)
) ENGINE=InnoDB AUTO_INCREMENT=5 DEFAULT CHARSET=utf8mb4 COMMENT='what was bought'
/*!50100 PARTITION BY RANGE (\`id\`)
(PARTITION p0 VALUES LESS THAN (1000) ENGINE = InnoDB) */;
LOCK TABLES \`orders\` WRITE;
INSERT INTO \`orders\` VALUES (1,2,'new;','CREATE TABLE \`no\` (\\'x)');
UNLOCK TABLES;
CREATE TABLE customers (id bigint PRIMARY KEY, email varchar(100) UNIQUE, active boolean DEFAULT TRUE);
/*!50001 CREATE VIEW \`open\` AS SELECT 1 AS \`id\`*/;
DELIMITER ;;
/*!50003 CREATE*/ /*!50017 DEFINER=\`root\`@\`localhost\`*/ /*!50003 TRIGGER \`touch\` AFTER INSERT ON \`orders\` FOR EACH ROW BEGIN
  UPDATE customers SET active = 1 WHERE id = NEW.customer_id;
END */;;
CREATE PROCEDURE \`p\`(a int) BEGIN INSERT INTO orders SELECT * FROM customers; END ;;
DELIMITER ;
/*!50001 DROP VIEW IF EXISTS \`open\`*/;
/*!50001 CREATE ALGORITHM=UNDEFINED */
/*!50013 DEFINER=\`root\`@\`localhost\` SQL SECURITY DEFINER */
/*!50001 VIEW \`open\` AS select \`o\`.\`id\` AS \`id\` from (\`orders\` \`o\` join \`customers\` \`c\`) */;
-- Dump completed on 2026-11-22
`;

describe('mysqldump and mariadb-dump', () => {
  test('columns, keys, references, partitions, comments', async () => {
    const schema = await read(DUMP);
    expect(schema).toMatchObject({
      engine: 'mysql',
      product: 'MariaDB 10.11.6',
      version: 101106,
      unsupported: [],
    });
    const orders = relation(schema, 'shop.orders');
    expect(orders).toMatchObject({
      kind: 'table',
      partitionBy: 'RANGE (`id`)',
      comment: 'what was bought',
    });
    expect(orders.columns).toMatchObject([
      { name: 'id', type: 'int unsigned', baseType: 'int', isNullable: false, autoIncrement: true },
      { name: 'customer_id', type: 'bigint', comment: 'who; bought' },
      { type: "enum('new','it''s (paid)')", baseType: 'enum', default: "'new'", collation: 'utf8mb4_bin' },
      { type: 'decimal(10,2)', isNullable: true },
      { generated: { expression: '`total` * 2', stored: true } },
      { default: "'a;b'" },
      { default: 'current_timestamp()', onUpdate: 'current_timestamp()' },
    ]);
    expect(orders.keys.map((key) => key.name)).toEqual(['PRIMARY']);
    expect(orders.indexes.map((index) => [index.name, index.columns.length, index.predicate])).toEqual([
      ['PRIMARY', 1, undefined],
      ['ft', 1, undefined],
      ['k', 2, undefined],
      ['note_prefix', 1, 'prefix'],
    ]);
    expect(orders.foreignKeys).toMatchObject([
      { name: 'fk_customer', parent: 'shop.customers', parentColumns: ['id'], onDelete: 'cascade' },
    ]);
    expect(orders.checks).toMatchObject([{ name: 'positive' }]);
    expect(relation(schema, 'shop.customers').columns[2]).toMatchObject({ type: 'tinyint(1)' });
  });

  test('views, triggers and routines know what they touch', async () => {
    const schema = await read(DUMP);
    expect(relation(schema, 'shop.open')).toMatchObject({
      kind: 'view',
      reads: ['shop.customers', 'shop.orders'],
    });
    expect(relation(schema, 'shop.orders').triggers).toMatchObject([
      { name: 'touch', timing: 'after', events: ['insert'], writes: ['shop.customers'] },
    ]);
    expect(schema.routines).toMatchObject([
      { id: 'shop.p', kind: 'procedure', reads: ['shop.customers'], writes: ['shop.orders'] },
    ]);
  });

  test('keys added later, as phpMyAdmin writes them', async () => {
    const schema = await read(`USE app;
      CREATE TABLE a (id int NOT NULL, b_id int);
      CREATE TABLE b (id int NOT NULL);
      ALTER TABLE \`a\` ADD PRIMARY KEY (\`id\`), ADD KEY \`ix\` (\`b_id\`);
      ALTER TABLE b ADD PRIMARY KEY (id);
      ALTER TABLE a MODIFY id int NOT NULL AUTO_INCREMENT, AUTO_INCREMENT=3;
      ALTER TABLE a ADD CONSTRAINT fk FOREIGN KEY (b_id) REFERENCES b (id);
      CREATE UNIQUE INDEX u ON b (id);
      RENAME TABLE b TO c;`);
    const a = relation(schema, 'app.a');
    expect(a.keys).toMatchObject([{ kind: 'primary', columns: ['id'] }]);
    expect(a.columns[0]).toMatchObject({ autoIncrement: true });
    expect(a.foreignKeys).toHaveLength(1);
    expect(relation(schema, 'app.c').indexes.map((index) => index.name)).toEqual(['PRIMARY', 'u']);
  });
});

describe('bad input', () => {
  test('a truncated dump says so and keeps what came before', async () => {
    const schema = await read(DUMP.slice(0, DUMP.indexOf('PRIMARY KEY (`id`),')));
    expect(schema.relations).toEqual([]);
    // The statement that was cut off, and the closing line that every dump has.
    expect(schema.unsupported.map((found) => found.kind)).toEqual(['truncated dump', 'truncated dump']);
    expect(schema.unsupported[0]).toMatchObject({ line: 10 });
  });

  test('an unreadable statement is named with its line, the rest is read', async () => {
    const schema = await read(
      'CREATE TABLE a (id int);\nCREATE TABLE (oops;\nFROB x;\nCREATE TABLE c (id int);\n',
    );
    expect(schema.relations.map((found) => found.name)).toEqual(['a', 'c']);
    expect(schema.unsupported.map((found) => found.line)).toEqual([2, 3]);
  });

  test('where the pieces are cut makes no difference', () => {
    const split = (sizes: readonly number[]) => {
      const splitter = new MysqlSplitter();
      const found = [];
      for (let at = 0, index = 0; at < DUMP.length; index += 1) {
        const size = sizes[Math.min(index, sizes.length - 1)] as number;
        found.push(...splitter.push(DUMP.slice(at, at + size)));
        at += size;
      }
      return [...found, ...splitter.end()].map(({ text, line }) => [text.trim(), line]);
    };
    const whole = split([DUMP.length]);
    expect(whole.length).toBeGreaterThan(11);
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 90 }), { minLength: 1, maxLength: 30 }), (sizes) => {
        expect(split(sizes)).toEqual(whole);
      }),
    );
  });
});
