/**
 * Where a database is and how to get in. Redacts itself: turning it into a string, JSON or an inspected
 * value never shows the password, so no log line, error or report can leak it by accident.
 */
import { inspect } from 'node:util';
import type { EngineName } from './database-schema.js';

export interface ConnectionParts {
  readonly engine: EngineName;
  readonly host: string;
  readonly port: number;
  readonly user: string;
  readonly database: string;
  /** Called for each new connection, so that expiring tokens stay fresh. */
  readonly password: () => Promise<string | undefined>;
  readonly tls:
    false | { readonly ca?: string; readonly cert?: string; readonly key?: string; readonly verify: boolean };
  /** Further driver parameters from the URL's query: application_name, connect_timeout, options. */
  readonly parameters: Readonly<Record<string, string>>;
}

export class ConnectionTarget {
  readonly engine: EngineName;
  readonly host: string;
  readonly port: number;
  readonly user: string;
  readonly database: string;
  readonly tls: ConnectionParts['tls'];
  readonly parameters: Readonly<Record<string, string>>;
  readonly #password: () => Promise<string | undefined>;

  constructor(parts: ConnectionParts) {
    this.engine = parts.engine;
    this.host = parts.host;
    this.port = parts.port;
    this.user = parts.user;
    this.database = parts.database;
    this.tls = parts.tls;
    this.parameters = parts.parameters;
    this.#password = parts.password;
  }

  /** The one way to the secret: only engines/ and state/ (drivers) call it. */
  revealPassword(): Promise<string | undefined> {
    return this.#password();
  }

  /** The same server and user with another database, e.g. to create the service's own. */
  withDatabase(database: string): ConnectionTarget {
    return new ConnectionTarget({ ...this.parts(), database });
  }

  private parts(): ConnectionParts {
    return {
      engine: this.engine,
      host: this.host,
      port: this.port,
      user: this.user,
      database: this.database,
      tls: this.tls,
      parameters: this.parameters,
      password: this.#password,
    };
  }

  /** `postgres://user:***@host:5432/database`; no query parameters, they may hold secrets too. */
  toString(): string {
    const host = this.host.includes(':') ? `[${this.host}]` : this.host;
    return `${this.engine}://${encodeURIComponent(this.user)}:***@${host}:${this.port}/${encodeURIComponent(this.database)}`;
  }

  toJSON(): string {
    return this.toString();
  }

  [inspect.custom](): string {
    return this.toString();
  }
}
