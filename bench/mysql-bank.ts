/** pgbench's bank on MariaDB: three updates and an insert a transaction, or a thousand updates. */
import type { RelationMap } from '../src/engines/engine.js';

const COLUMNS: Readonly<Record<string, readonly string[]>> = {
  accounts: ['id int', 'branch int', 'balance int', 'filler char(84)'],
  tellers: ['id int', 'branch int', 'balance int', 'filler char(84)'],
  branches: ['id int', 'balance int', 'filler char(88)'],
  history: [
    'id bigint',
    'teller int',
    'branch int',
    'account int',
    'delta int',
    'at datetime(6)',
    'filler char(22)',
  ],
};

export const MYSQL_BANK_SCHEMA = `${Object.entries(COLUMNS)
  .map(([name, columns]) => `CREATE TABLE ${name} (${columns.join(', ')}, PRIMARY KEY (id));`)
  .join('\n')}
  CREATE TABLE marker (id int PRIMARY KEY);`;

export const MYSQL_BANK_ROWS = `
  INSERT INTO accounts SELECT seq, 1 + seq % 10, 0, '' FROM seq_1_to_400000;
  INSERT INTO tellers SELECT seq, 1 + seq % 10, 0, '' FROM seq_1_to_100;
  INSERT INTO branches SELECT seq, 0, '' FROM seq_1_to_10;`;

/** To be called with a number of transactions; what both leave behind is the same every time but for the clock. */
export const MYSQL_BANK_PROCEDURES = [
  `CREATE PROCEDURE small_transactions(IN n INT)
   BEGIN
     DECLARE i INT DEFAULT 0;
     DECLARE base BIGINT DEFAULT (SELECT COALESCE(MAX(id), 0) FROM history);
     DECLARE a INT; DECLARE t INT; DECLARE b INT;
     WHILE i < n DO
       SET i = i + 1, a = 1 + FLOOR(RAND() * 400000), t = 1 + FLOOR(RAND() * 100), b = 1 + FLOOR(RAND() * 10);
       START TRANSACTION;
       UPDATE accounts SET balance = balance + i WHERE id = a;
       UPDATE tellers SET balance = balance + i WHERE id = t;
       UPDATE branches SET balance = balance + i WHERE id = b;
       INSERT INTO history VALUES (base + i, t, b, a, i, SYSDATE(6), '');
       COMMIT;
     END WHILE;
   END`,
  `CREATE PROCEDURE large_transactions(IN n INT)
   BEGIN
     DECLARE i INT DEFAULT 0;
     WHILE i < n DO
       UPDATE accounts SET balance = balance + 1 WHERE id > (i % 400) * 1000 AND id <= (i % 400 + 1) * 1000;
       SET i = i + 1;
     END WHILE;
   END`,
];

export const MYSQL_BANK_MAPS: readonly RelationMap[] = Object.entries(COLUMNS).map(([name, columns]) => ({
  source: `bank.${name}`,
  target: `bank.${name}`,
  columns: columns.map((column) => {
    const [first, type] = column.split(' ') as [string, string];
    return { name: first, target: first, sourceType: type, targetType: type };
  }),
  key: ['id'],
  leaves: [`bank.${name}`],
  hasOtherUniqueness: false,
}));
