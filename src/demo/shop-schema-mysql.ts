/**
 * The same shop as in shop-schema.ts, as a team on MySQL or MariaDB would have built it. Two things are other than there: deletes do not cascade, since
 * the storage engine would do that without a word in the log and without firing the triggers on the items (dbps refuses such keys, TRG312); and
 * an index has no condition.
 */

const TABLE = 'ENGINE=InnoDB DEFAULT CHARSET=utf8mb4';

export const MYSQL_SHOP_SCHEMA: readonly string[] = [
  `CREATE TABLE users (
  id bigint NOT NULL AUTO_INCREMENT PRIMARY KEY,
  email varchar(190) NOT NULL COMMENT 'personal data',
  name varchar(200) NOT NULL,
  preferences json NOT NULL DEFAULT '{}',
  visits int NOT NULL DEFAULT 0,
  created_at timestamp(6) NOT NULL DEFAULT CURRENT_TIMESTAMP(6),
  UNIQUE KEY users_email (email)
) ${TABLE} COMMENT='people who may sign in'`,
  `CREATE TABLE addresses (
  id bigint NOT NULL AUTO_INCREMENT PRIMARY KEY,
  user_id bigint NOT NULL,
  street varchar(200) NOT NULL,
  city varchar(80) NOT NULL,
  is_default tinyint(1) NOT NULL DEFAULT 0,
  KEY addresses_user_id (user_id),
  CONSTRAINT addresses_user FOREIGN KEY (user_id) REFERENCES users (id)
) ${TABLE}`,
  `CREATE TABLE categories (
  id int NOT NULL AUTO_INCREMENT PRIMARY KEY,
  parent_id int,
  name varchar(200) NOT NULL,
  CONSTRAINT categories_parent FOREIGN KEY (parent_id) REFERENCES categories (id)
) ${TABLE}`,
  `CREATE TABLE products (
  id int NOT NULL AUTO_INCREMENT PRIMARY KEY,
  category_id int NOT NULL,
  name varchar(200) NOT NULL,
  price decimal(10,2) NOT NULL,
  description mediumtext NOT NULL,
  attributes json NOT NULL DEFAULT '{}',
  views int NOT NULL DEFAULT 0,
  updated_at timestamp(6) NOT NULL DEFAULT CURRENT_TIMESTAMP(6),
  KEY products_category_id (category_id),
  FULLTEXT KEY products_words (name, description),
  CONSTRAINT products_category FOREIGN KEY (category_id) REFERENCES categories (id),
  CONSTRAINT products_price CHECK (price > 0)
) ${TABLE}`,
  `CREATE TABLE inventory (
  product_id int NOT NULL PRIMARY KEY,
  on_hand int NOT NULL,
  sold int NOT NULL DEFAULT 0,
  CONSTRAINT inventory_product FOREIGN KEY (product_id) REFERENCES products (id)
) ${TABLE}`,
  `CREATE TABLE tags (
  id int NOT NULL AUTO_INCREMENT PRIMARY KEY,
  label varchar(100) NOT NULL,
  UNIQUE KEY tags_label (label)
) ${TABLE}`,
  `CREATE TABLE product_tags (
  product_id int NOT NULL,
  tag_id int NOT NULL,
  PRIMARY KEY (product_id, tag_id),
  CONSTRAINT product_tags_product FOREIGN KEY (product_id) REFERENCES products (id),
  CONSTRAINT product_tags_tag FOREIGN KEY (tag_id) REFERENCES tags (id)
) ${TABLE}`,
  `CREATE TABLE reviews (
  id bigint NOT NULL AUTO_INCREMENT PRIMARY KEY,
  product_id int NOT NULL,
  user_id bigint NOT NULL,
  request_id varchar(80) NOT NULL,
  rating smallint NOT NULL,
  helpful int NOT NULL DEFAULT 0,
  body mediumtext NOT NULL,
  KEY reviews_product_id (product_id),
  CONSTRAINT reviews_product FOREIGN KEY (product_id) REFERENCES products (id),
  CONSTRAINT reviews_user FOREIGN KEY (user_id) REFERENCES users (id),
  CONSTRAINT reviews_rating CHECK (rating BETWEEN 1 AND 5)
) ${TABLE}`,
  `CREATE TABLE orders (
  id bigint NOT NULL AUTO_INCREMENT PRIMARY KEY,
  user_id bigint NOT NULL,
  request_id varchar(80) NOT NULL,
  status enum('placed', 'paid', 'shipped', 'cancelled') NOT NULL DEFAULT 'placed',
  total decimal(12,2) NOT NULL DEFAULT 0,
  placed_at timestamp(6) NOT NULL DEFAULT CURRENT_TIMESTAMP(6),
  KEY orders_user_id (user_id),
  KEY orders_open (status, placed_at),
  CONSTRAINT orders_user FOREIGN KEY (user_id) REFERENCES users (id)
) ${TABLE}`,
  `CREATE TABLE order_items (
  order_id bigint NOT NULL,
  line int NOT NULL,
  product_id int NOT NULL,
  quantity int NOT NULL,
  unit_price decimal(10,2) NOT NULL,
  amount decimal(12,2) GENERATED ALWAYS AS (quantity * unit_price) STORED,
  PRIMARY KEY (order_id, line),
  CONSTRAINT order_items_order FOREIGN KEY (order_id) REFERENCES orders (id),
  CONSTRAINT order_items_product FOREIGN KEY (product_id) REFERENCES products (id),
  CONSTRAINT order_items_quantity CHECK (quantity > 0)
) ${TABLE}`,
  `CREATE TABLE shipments (
  id bigint NOT NULL AUTO_INCREMENT PRIMARY KEY,
  order_id bigint NOT NULL,
  tracking varchar(80) NOT NULL,
  shipped_at datetime(3) NOT NULL DEFAULT CURRENT_TIMESTAMP(3),
  KEY shipments_order_id (order_id),
  CONSTRAINT shipments_order FOREIGN KEY (order_id) REFERENCES orders (id)
) ${TABLE}`,
  `CREATE TABLE order_events (
  id bigint NOT NULL AUTO_INCREMENT,
  at datetime(6) NOT NULL DEFAULT CURRENT_TIMESTAMP(6),
  order_id bigint NOT NULL,
  kind varchar(40) NOT NULL,
  payload json NOT NULL DEFAULT '{}',
  PRIMARY KEY (id, at),
  KEY order_events_order_id (order_id)
) ${TABLE}
PARTITION BY RANGE COLUMNS (at) (
  PARTITION past VALUES LESS THAN ('2026-01-01'),
  PARTITION year_2026 VALUES LESS THAN ('2027-01-01'),
  PARTITION later VALUES LESS THAN (MAXVALUE)
)`,
  `CREATE TABLE payments (
  id bigint NOT NULL AUTO_INCREMENT PRIMARY KEY,
  order_id bigint NOT NULL,
  request_id varchar(80) NOT NULL,
  amount decimal(12,2) NOT NULL,
  refunded decimal(12,2) NOT NULL DEFAULT 0,
  paid_at timestamp(6) NOT NULL DEFAULT CURRENT_TIMESTAMP(6),
  KEY payments_order_id (order_id),
  CONSTRAINT payments_order FOREIGN KEY (order_id) REFERENCES orders (id)
) ${TABLE}`,
  `CREATE TABLE refunds (
  id bigint NOT NULL AUTO_INCREMENT PRIMARY KEY,
  payment_id bigint NOT NULL,
  request_id varchar(80) NOT NULL,
  amount decimal(12,2) NOT NULL,
  CONSTRAINT refunds_payment FOREIGN KEY (payment_id) REFERENCES payments (id)
) ${TABLE}`,
  // Three future services in one query: it stays behind, and has to go before legacy can.
  `CREATE VIEW order_overview AS
  SELECT o.id, o.status, o.total, u.name AS customer, sum(p.amount - p.refunded) AS paid
    FROM orders o JOIN users u ON u.id = o.user_id LEFT JOIN payments p ON p.order_id = o.id
   GROUP BY o.id, o.status, o.total, u.name`,
];

const totalChanges = (event: string, body: string): string =>
  `CREATE TRIGGER order_total_${event.toLowerCase()} AFTER ${event} ON order_items FOR EACH ROW ${body}`;
const ADD = 'UPDATE orders SET total = total + NEW.quantity * NEW.unit_price WHERE id = NEW.order_id;';
const SUBTRACT = 'UPDATE orders SET total = total - OLD.quantity * OLD.unit_price WHERE id = OLD.order_id;';

/** After the rows, or loading them would count every total twice. */
export const MYSQL_SHOP_TRIGGERS: readonly string[] = [
  totalChanges('INSERT', ADD),
  totalChanges('UPDATE', `BEGIN ${SUBTRACT} ${ADD} END`),
  totalChanges('DELETE', SUBTRACT),
];

/** As many rows as shopRows makes, with the same values where the types are. */
export function mysqlShopRows(scale: number): readonly string[] {
  const n = (rows: number): number => Math.max(20, Math.round(rows * scale));
  const users = n(25_000);
  const products = n(8_000);
  const orders = n(40_000);
  const payments = Math.min(orders, n(35_000));
  const tags = 40;
  const pick = (of: number, salt: number): string => `1 + (n * ${7919 + salt * 2}) % ${of}`;
  const upTo = (last: number): string => `FROM numbers WHERE n <= ${last}`;
  const two = (first: number): string => `(SELECT ${first} AS k UNION ALL SELECT ${first + 1}) pair`;
  const after = (start: string, minutes: string): string =>
    `timestamp '${start} 00:00:00' + INTERVAL ${minutes} MINUTE`;
  const most = Math.max(orders, n(30_000), 200);
  return [
    // An hour that a local clock skips would be no valid timestamp.
    "SET SESSION time_zone = '+00:00'",
    'CREATE TEMPORARY TABLE numbers (n bigint NOT NULL PRIMARY KEY)',
    numbersUpTo(most),
    `INSERT INTO users (email, name, preferences, created_at)
  SELECT concat('user', n, '@example.com'), concat('User ', n), json_object('theme', n % 3, 'langs', json_array('en', n % 7)),
         ${after('2024-01-01', 'n * 17')} ${upTo(users)}`,
    `INSERT INTO addresses (user_id, street, city, is_default)
  SELECT ${pick(users, 0)}, concat(n, ' Main Street'), concat('Größenau ', n % 100), n % 2 = 0 ${upTo(n(30_000))}`,
    `INSERT INTO categories (id, parent_id, name)
  SELECT n, CASE WHEN n > 10 THEN n DIV 10 END, concat('Category ', n) ${upTo(200)} ORDER BY n`,
    `INSERT INTO products (id, category_id, name, price, description, attributes, updated_at)
  SELECT n, 1 + n % 200, concat('Product ', n), 1 + (n % 9973) / 100,
         CASE WHEN n % 20 = 0 THEN repeat(md5(n), 200) ELSE concat('A product, number ', n) END,
         json_object('color', elt(1 + n % 3, 'red', 'green', 'blue'), 'weight', n % 100),
         ${after('2025-01-01', 'n')} ${upTo(products)}`,
    `INSERT INTO inventory (product_id, on_hand) SELECT n, 1000 + n % 500 ${upTo(products)}`,
    `INSERT INTO tags (id, label) SELECT n, concat('tag ', n) ${upTo(tags)}`,
    `INSERT INTO product_tags
  SELECT n, 1 + (n + k * 7) % ${tags} FROM numbers CROSS JOIN ${two(0)} WHERE n <= ${products}`,
    `INSERT INTO reviews (product_id, user_id, request_id, rating, body)
  SELECT ${pick(products, 1)}, ${pick(users, 2)}, concat('loaded-', n), 1 + n % 5, repeat('Quite good. ', 1 + n % 40)
    ${upTo(n(12_000))}`,
    `INSERT INTO orders (id, user_id, request_id, status, total, placed_at)
  SELECT n, ${pick(users, 3)}, concat('loaded-', n), elt(1 + n % 4, 'placed', 'paid', 'shipped', 'cancelled'),
         2 * (5 + n % 50) + (7 + n % 30), ${after('2025-01-01', 'n * 13')} ${upTo(orders)}`,
    `INSERT INTO order_items (order_id, line, product_id, quantity, unit_price)
  SELECT n, k, 1 + (n * 31 + k) % ${products}, 3 - k, CASE k WHEN 1 THEN 5 + n % 50 ELSE 7 + n % 30 END
    FROM numbers CROSS JOIN ${two(1)} WHERE n <= ${orders}`,
    `INSERT INTO shipments (order_id, tracking, shipped_at)
  SELECT ${pick(orders, 4)}, md5(n), ${after('2025-02-01', 'n * 11')} ${upTo(n(20_000))}`,
    `INSERT INTO order_events (at, order_id, kind, payload)
  SELECT ${after('2025-06-01', 'n * 21')}, ${pick(orders, 5)}, 'loaded', json_object('n', n) ${upTo(n(25_000))}`,
    `INSERT INTO payments (id, order_id, request_id, amount, paid_at)
  SELECT n, n, concat('loaded-', n), 2 * (5 + n % 50) + (7 + n % 30), ${after('2025-01-02', 'n * 13')} ${upTo(payments)}`,
    `INSERT INTO refunds (payment_id, request_id, amount)
  SELECT ${pick(payments, 6)}, concat('loaded-', n), 1 + n % 5 ${upTo(n(1_000))}`,
    'DROP TEMPORARY TABLE numbers',
  ];
}

/** Neither server has generate_series, and how deep a query may recurse is set under two names. */
function numbersUpTo(most: number): string {
  const digits = Array.from({ length: 10 }, (_, d) => `SELECT ${d} AS d`).join(' UNION ALL ');
  const places = Array.from({ length: String(most).length }, (_, place) => place);
  const sum = places.map((place) => `p${place}.d * ${10 ** place}`).join(' + ');
  const joined = places.map((place) => `(${digits}) p${place}`).join(' CROSS JOIN ');
  return `INSERT INTO numbers SELECT * FROM (SELECT 1 + ${sum} AS n FROM ${joined}) made WHERE n <= ${most}`;
}
