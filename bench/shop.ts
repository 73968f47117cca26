/** The shop of the peers' study: 4.25 million rows at scale 1, wide and narrow, with jsonb, text that needs escapes, and NULLs. */
export const TABLES = ['order_items', 'orders', 'users', 'products'] as const;

export const CREATE = `
CREATE TABLE users (id bigint NOT NULL, email text NOT NULL, name text NOT NULL, profile jsonb, created_at timestamptz NOT NULL, updated_at timestamptz);
CREATE TABLE products (id bigint NOT NULL, sku text NOT NULL, name text NOT NULL, description text, price numeric(12,2) NOT NULL, attrs jsonb, created_at timestamptz NOT NULL);
CREATE TABLE orders (id bigint NOT NULL, user_id bigint NOT NULL, status text NOT NULL, total numeric(14,2) NOT NULL, shipping jsonb, note text, placed_at timestamptz NOT NULL);
CREATE TABLE order_items (id bigint NOT NULL, order_id bigint NOT NULL, product_id bigint NOT NULL, qty integer NOT NULL, unit_price numeric(12,2) NOT NULL, options jsonb, note text, created_at timestamptz NOT NULL);
`;

export const INDEXES = `
ALTER TABLE users ADD PRIMARY KEY (id);
ALTER TABLE products ADD PRIMARY KEY (id);
ALTER TABLE orders ADD PRIMARY KEY (id);
ALTER TABLE order_items ADD PRIMARY KEY (id);
CREATE UNIQUE INDEX users_email ON users (email);
CREATE UNIQUE INDEX products_sku ON products (sku);
CREATE INDEX orders_user ON orders (user_id);
CREATE INDEX orders_placed ON orders (placed_at);
CREATE INDEX items_order ON order_items (order_id);
CREATE INDEX items_product ON order_items (product_id);
`;

export const FOREIGN_KEYS = [
  'ALTER TABLE public.orders ADD CONSTRAINT orders_user_fk FOREIGN KEY (user_id) REFERENCES public.users (id)',
  'ALTER TABLE public.order_items ADD CONSTRAINT items_order_fk FOREIGN KEY (order_id) REFERENCES public.orders (id)',
  'ALTER TABLE public.order_items ADD CONSTRAINT items_product_fk FOREIGN KEY (product_id) REFERENCES public.products (id)',
] as const;

export function fill(scale: number): {
  readonly sql: string;
  readonly rows: Readonly<Record<string, number>>;
} {
  const n = (rows: number) => Math.max(30, Math.round(rows * scale));
  const [users, products, orders, items] = [n(200_000), n(50_000), n(1_000_000), 3 * n(1_000_000)];
  return {
    rows: { users, products, orders, order_items: items },
    sql: `
INSERT INTO users SELECT g, 'user' || g || '@example.com', 'Name ' || md5(g::text), jsonb_build_object('lang', (array['en','de','fr'])[1+g%3], 'score', g%1000, 'tags', jsonb_build_array('a'||g%7,'b'||g%11)), timestamptz '2020-01-01' + g*interval '7 min', CASE WHEN g%3=0 THEN timestamptz '2024-01-01' + g*interval '1 sec' END FROM generate_series(1,${users}) g;
INSERT INTO products SELECT g, 'SKU-' || lpad(g::text,8,'0'), 'Product ' || md5(g::text), repeat(md5((g*7)::text) || ' ',8), (g%10000)/100.0+1, jsonb_build_object('color',(array['red','blue','green'])[1+g%3],'w',g%50,'dims',jsonb_build_object('x',g%9,'y',g%8)), timestamptz '2019-01-01' + g*interval '1 hour' FROM generate_series(1,${products}) g;
INSERT INTO orders SELECT g, 1+(g::bigint*7919)%${users}, (array['new','paid','shipped','done'])[1+g%4], ((g::bigint*31)%1000000)/100.0, jsonb_build_object('city','City'||g%500,'zip',lpad((g%99999)::text,5,'0'),'street',md5(g::text)), CASE WHEN g%5=0 THEN 'note with\ttab and ' || chr(10) || 'newline ' || md5((g*3)::text) END, timestamptz '2021-01-01' + g*interval '97 sec' FROM generate_series(1,${orders}) g;
INSERT INTO order_items SELECT g, 1+(g-1)/3, 1+(g::bigint*104729)%${products}, 1+g%9, ((g::bigint*17)%100000)/100.0, CASE WHEN g%4=0 THEN jsonb_build_object('gift',g%8=0,'size',(array['S','M','L'])[1+g%3]) END, CASE WHEN g%3=0 THEN 'item note ' || md5(g::text) END, timestamptz '2021-01-01' + g*interval '32 sec' FROM generate_series(1,${items}) g;
${INDEXES}${FOREIGN_KEYS.join(';\n')};
VACUUM ANALYZE;`,
  };
}
