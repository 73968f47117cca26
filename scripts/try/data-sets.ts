/** The databases that are tried, and a split of each that its users could have chosen. */

import type { ShopEngine } from '../../src/demo/shop-engines.js';

export interface DataSet {
  readonly name: string;
  /** Of the shared database, and of every service that `targets` does not name; default postgres. */
  readonly engine?: ShopEngine;
  readonly targets?: Readonly<Record<string, ShopEngine>>;
  /** The shared database's name, where its views insist on one; default the set's. */
  readonly database?: string;
  /** Rows to be made for a schema that comes without. */
  readonly rows?: Readonly<Record<string, number>>;
  readonly files: readonly string[];
  readonly services: Readonly<Record<string, readonly string[]>>;
  /** The one that is taken back and brought forward again. */
  readonly rollBack: string;
  readonly decommission: string;
  readonly leaveOut?: readonly RegExp[];
  readonly replace?: readonly (readonly [RegExp, string])[];
  /** What the owner of the database does before moving, because a finding asks for it. */
  readonly prepare?: readonly string[];
  /** What only the server's owner may grant, because a finding asks for it. */
  readonly prepareAsSuperuser?: readonly string[];
  /** Tables that triggers fill from another: nobody writes them, and at the end they say of these columns what the other says. */
  readonly derived?: Readonly<Record<string, readonly [from: string, columns: readonly string[]]>>;
  /** Dates that a rule sends to different children. */
  readonly moments?: readonly string[];
}

const PAYMENT_MONTHS = ['01', '02', '03', '04', '05', '06'].map((month) => `payment_p2007_${month}`);

const CHINOOK_ON_MYSQL = {
  engine: 'mysql',
  files: ['chinook/mysql.sql'],
  services: {
    catalog: ['Artist', 'Album', 'Track', 'Genre', 'MediaType'],
    playlists: ['Playlist', 'PlaylistTrack'],
    sales: ['Customer', 'Employee', 'Invoice', 'InvoiceLine'],
  },
  rollBack: 'sales',
  decommission: 'playlists',
  leaveOut: [/^(DROP|CREATE) DATABASE [^;]*;/gm, /^USE [^;]*;/gm],
} as const;

const CHINOOK_ON_POSTGRES = {
  files: ['chinook/postgres.sql'],
  services: {
    catalog: ['artist', 'album', 'track', 'genre', 'media_type'],
    playlists: ['playlist', 'playlist_track'],
    sales: ['customer', 'employee', 'invoice', 'invoice_line'],
  },
  rollBack: 'sales',
  decommission: 'playlists',
  leaveOut: [/^(DROP|CREATE) DATABASE [^;]*;/gm],
} as const;

const FILM_SERVICES = {
  catalog: ['actor', 'category', 'film', 'film_actor', 'film_category', 'language'],
  customers: ['customer', 'address', 'city', 'country'],
  stores: ['staff', 'store', 'inventory'],
};

export const DATA_SETS: readonly DataSet[] = [
  {
    name: 'sakila',
    files: ['sakila/postgres-schema.sql', 'sakila/postgres-data.sql'],
    services: { ...FILM_SERVICES, rentals: ['rental', 'payment', ...PAYMENT_MONTHS] },
    rollBack: 'rentals',
    decommission: 'customers',
    // The language is there already, and belongs to the server.
    leaveOut: [/^(CREATE OR REPLACE|ALTER) PROCEDURAL LANGUAGE [^;]*;/gm, /^COMMENT ON SCHEMA [^;]*;/gm],
    // Children inherit no key, and a row without one cannot be told from another in the log.
    prepare: PAYMENT_MONTHS.map((table) => `ALTER TABLE ${table} ADD PRIMARY KEY (payment_id)`),
    // INSERT … ON CONFLICT is refused on a table with rules, unless the session is a replica's.
    prepareAsSuperuser: ['GRANT SET ON PARAMETER session_replication_role TO dbps'],
    moments: ['2005-07-01', '2007-01-15', '2007-02-15', '2007-03-15', '2007-06-15', '2008-01-01'],
  },
  { name: 'chinook', ...CHINOOK_ON_POSTGRES },
  {
    name: 'northwind',
    files: ['northwind/postgres.sql'],
    services: {
      catalog: ['categories', 'products', 'suppliers'],
      sales: [
        'orders',
        'order_details',
        'shippers',
        'customers',
        'customer_customer_demo',
        'customer_demographics',
      ],
      staff: ['employees', 'employee_territories', 'territories', 'region', 'us_states'],
    },
    rollBack: 'sales',
    decommission: 'staff',
  },
  { name: 'chinook-on-mysql', ...CHINOOK_ON_MYSQL },
  // One service each way; the one that changes its engine is also rolled back.
  { name: 'chinook-to-mysql', ...CHINOOK_ON_POSTGRES, targets: { sales: 'mysql' } },
  { name: 'chinook-to-postgres', ...CHINOOK_ON_MYSQL, targets: { sales: 'postgres' } },
  {
    name: 'sakila-on-mysql',
    engine: 'mysql',
    database: 'sakila',
    files: ['sakila/mysql-schema.sql'],
    services: {
      ...FILM_SERVICES,
      catalog: [...FILM_SERVICES.catalog, 'film_text'],
      rentals: ['rental', 'payment'],
    },
    rollBack: 'rentals',
    decommission: 'customers',
    leaveOut: [/^(DROP|CREATE) SCHEMA [^;]*;/gm, /^USE [^;]*;/gm],
    derived: { film_text: ['film', ['film_id', 'title', 'description']] },
    rows: {
      actor: 200,
      address: 600,
      category: 16,
      city: 300,
      country: 100,
      customer: 600,
      film: 1000,
      film_actor: 3000,
      film_category: 1000,
      inventory: 3000,
      language: 6,
      payment: 5000,
      rental: 5000,
      staff: 20,
      store: 20,
    },
  },
];

/** Goes through plan, generate and load only: it comes without rows. */
export const SCHEMA_ONLY: DataSet = {
  name: 'pagila',
  files: ['pagila/postgres-schema.sql'],
  services: {
    ...FILM_SERVICES,
    catalog: [...FILM_SERVICES.catalog, 'film_embedding'],
    rentals: ['rental', 'payment'],
  },
  rollBack: '',
  decommission: '',
  // pgvector is not among the servers' own extensions: its column becomes an array, its index goes.
  leaveOut: [
    /^CREATE EXTENSION IF NOT EXISTS vector [^;]*;/gm,
    /^COMMENT ON EXTENSION vector [^;]*;/gm,
    /^CREATE INDEX film_embedding_embedding_hnsw_idx [^;]*;/gm,
    /^(ALTER|COMMENT ON) SCHEMA public [^;]*;/gm,
  ],
  // Virtual columns and uuidv7 are PostgreSQL 18's; the servers here are 17.
  replace: [
    [/public\.vector\(20\)/g, 'real[]'],
    [/\) VIRTUAL\b/g, ') STORED'],
    [/uuidv7\(\)/g, 'gen_random_uuid()'],
  ],
};
