/**
 * The legacy relations as files: for each, its rows as COPY text, compressed, and a manifest that names columns, rows and digests. Written
 * after the final barrier, when legacy equals the owner and nothing applies to it any more. `gunzip -c FILE | psql -c "COPY … FROM STDIN"`
 * brings one back; a file of format `tab-text` LOAD DATA does, with its default escapes (binary columns as \x and hex digits: `UNHEX(SUBSTR(@v, 3))`).
 * Streams from socket to disk: memory stays flat.
 */
import { createHash } from 'node:crypto';
import { createReadStream, createWriteStream } from 'node:fs';
import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { pipeline } from 'node:stream/promises';
import { createGunzip, createGzip } from 'node:zlib';
import type { Chunk, Database, RelationMap, Value } from '../engines/engine.js';
import type { RelationId } from '../model/relation-id.js';
import { RowDigest } from './row-digest.js';

/** A row a line, tabs between fields, backslashes before what would be mistaken: the engine's own text where it has one. */
type ArchiveFormat = 'postgres-text' | 'tab-text';
const MANIFEST = 'manifest.json';

export interface ArchivedRelation {
  readonly relation: RelationId;
  readonly file: string;
  readonly format: ArchiveFormat;
  /** In the order of the fields; generated columns are left out. */
  readonly columns: readonly string[];
  readonly rows: number;
  /** Uncompressed. */
  readonly bytes: number;
  /** Of the rows in no order: migration/row-digest.ts. */
  readonly digest: string;
  /** Of the compressed file, for whoever stores it. */
  readonly sha256: string;
}

export interface ArchiveManifest {
  readonly dbpsArchive: 1;
  readonly service: string;
  readonly planHash: string;
  readonly database: string;
  readonly createdAt: string;
  readonly relations: readonly ArchivedRelation[];
}

export interface ArchiveInput {
  readonly directory: string;
  readonly service: string;
  readonly planHash: string;
  readonly legacy: Database;
  readonly maps: readonly RelationMap[];
  readonly createdAt: string;
  readonly onRelation: (relation: RelationId, rows: number, bytes: number) => void;
  readonly signal: AbortSignal;
}

export function archiveDirectory(directory: string, service: string, planHash: string): string {
  return path.join(directory, `${service}-${planHash}`);
}

/** Overwrites what an interrupted attempt left; the manifest comes last and by rename, so that it speaks only of whole files. */
export async function writeArchive(input: ArchiveInput): Promise<ArchiveManifest> {
  const directory = archiveDirectory(input.directory, input.service, input.planHash);
  await mkdir(directory, { recursive: true, mode: 0o700 });
  await rm(path.join(directory, MANIFEST), { force: true });
  const relations: ArchivedRelation[] = [];
  for (const [index, map] of input.maps.entries()) {
    input.signal.throwIfAborted();
    const archived = await archiveRelation(directory, index, map, input);
    relations.push(archived);
    input.onRelation(map.source, archived.rows, archived.bytes);
  }
  const manifest: ArchiveManifest = {
    dbpsArchive: 1,
    service: input.service,
    planHash: input.planHash,
    database: input.legacy.target.toString(),
    createdAt: input.createdAt,
    relations,
  };
  const partial = path.join(directory, `${MANIFEST}.partial`);
  await writeFile(partial, `${JSON.stringify(manifest, null, 2)}\n`, { mode: 0o600, flush: true });
  await rename(partial, path.join(directory, MANIFEST));
  return manifest;
}

/** null: there is none, or it is not whole. */
export async function readManifest(directory: string): Promise<ArchiveManifest | null> {
  try {
    return JSON.parse(await readFile(path.join(directory, MANIFEST), 'utf8')) as ArchiveManifest;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw error;
  }
}

/** Reads the file back from disk. */
export async function digestFile(file: string, signal: AbortSignal): Promise<string> {
  const digest = new RowDigest();
  await pipeline(
    createReadStream(file),
    createGunzip(),
    async (data: AsyncIterable<Buffer>) => {
      for await (const buffer of data) digest.update(buffer);
    },
    { signal },
  );
  return digest.digest();
}

/** Reads the relation again. */
export async function digestRelation(
  database: Database,
  map: RelationMap,
  signal: AbortSignal,
): Promise<string> {
  const digest = new RowDigest();
  for await (const data of rowsOf(database, map, signal)) digest.update(data);
  return digest.digest();
}

async function archiveRelation(
  directory: string,
  index: number,
  map: RelationMap,
  { legacy, signal }: ArchiveInput,
): Promise<ArchivedRelation> {
  const file = `${String(index + 1).padStart(4, '0')}-${map.source.replaceAll(/[^\w.-]/g, '_')}.copy.gz`;
  const digest = new RowDigest();
  const sha256 = createHash('sha256');
  await pipeline(
    async function* () {
      for await (const data of rowsOf(legacy, map, signal)) {
        digest.update(data);
        yield data;
      }
    },
    createGzip({ level: 6 }),
    async function* (compressed: AsyncIterable<Buffer>) {
      for await (const data of compressed) {
        sha256.update(data);
        yield data;
      }
    },
    createWriteStream(path.join(directory, file), { mode: 0o600, flush: true }),
    { signal },
  );
  return {
    relation: map.source,
    file,
    format: formatOf(legacy),
    columns: map.columns.map(({ name }) => name),
    rows: digest.rows,
    bytes: digest.bytes,
    digest: digest.digest(),
    sha256: sha256.digest('hex'),
  };
}

async function* rowsOf(database: Database, map: RelationMap, signal: AbortSignal): AsyncGenerator<Buffer> {
  const whole: Chunk = { relation: map.source, index: 0, from: null, to: null, estimatedRows: 0 };
  const format = formatOf(database) === 'tab-text' ? 'rows' : 'postgres-text';
  const reader = await database.snapshot.readChunk(map, whole, format, signal);
  try {
    for await (const data of reader.data) yield Buffer.isBuffer(data) ? data : tabText(data);
    await reader.finish();
  } catch (error) {
    await reader.cancel();
    throw error;
  }
}

function formatOf(database: Database): ArchiveFormat {
  return database.snapshot.formats.includes('postgres-text') ? 'postgres-text' : 'tab-text';
}

const ESCAPES: Readonly<Record<string, string>> = {
  '\\': '\\\\',
  '\t': '\\t',
  '\n': '\\n',
  '\0': '\\0',
};

function tabText(rows: readonly (readonly Value[])[]): Buffer {
  const field = (value: Value) =>
    typeof value === 'string' ? value.replaceAll(/[\\\t\n\0]/g, (char) => ESCAPES[char] ?? char) : '\\N';
  return Buffer.from(rows.map((row) => `${row.map(field).join('\t')}\n`).join(''));
}
