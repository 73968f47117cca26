import type { Style } from '../style.js';

interface Write {
  readonly write: {
    readonly relation: string;
    readonly kind: string;
    readonly key: readonly string[] | null;
    readonly at: string;
  };
  readonly legacy: Readonly<Record<string, string | null>> | null;
  readonly service: Readonly<Record<string, string | null>> | null;
  readonly carrySql: string | null;
  readonly keepSql: string | null;
}

/** Each write with both versions; of a row that is on both sides only what differs. */
export function reconcileText(
  { service, writes }: { readonly service: string; readonly writes: readonly Write[] },
  style: Style,
): string {
  if (writes.length === 0)
    return `no undecided write has reached legacy behind the fence of ${style.bold(service)}`;
  const blocks = writes.map(({ write, legacy, service: owner, carrySql }) => [
    `${style.bold(write.relation)} (${write.key?.join(', ') ?? 'all rows'})   ${write.kind} in legacy at ${write.at}`,
    `  legacy    ${shown(legacy, owner)}`,
    `  ${service.padEnd(8)}  ${shown(owner, legacy)}`,
    ...(carrySql === null ? ['  both are the same now'] : [`  to carry legacy's over: ${carrySql}`]),
  ]);
  return [...blocks.map((lines) => lines.join('\n')), `${writes.length} undecided`].join('\n\n');
}

/** --dry-run: what keeping the owner's rows comes to, and whether it may be done. */
export function keepOwnerText(
  {
    service,
    writes,
    refusal,
  }: {
    readonly service: string;
    readonly writes: readonly Write[];
    readonly refusal: { readonly code: string; readonly message: string } | null;
  },
  style: Style,
): string {
  if (writes.length === 0) return reconcileText({ service, writes }, style);
  const lines = writes.map(
    ({ write, keepSql }) =>
      `  legacy   ${keepSql ?? (write.key === null ? 'no list of rows to read again' : 'nothing: both are the same now')}\n           ${write.relation} (${write.key?.join(', ') ?? 'all rows'}) as ${service} has it`,
  );
  return [
    `Would settle ${writes.length} writes that reached legacy: the rows of ${style.bold(service)} stand`,
    ...lines,
    ...(refusal === null ? [] : [`refused  ${refusal.code}  ${refusal.message}`]),
    'Nothing was changed.',
  ].join('\n');
}

function shown(row: Write['legacy'], other: Write['legacy']): string {
  if (row === null) return 'no such row';
  const entries = Object.entries(row).filter(([name, value]) => other === null || other[name] !== value);
  return entries.length === 0
    ? 'the same'
    : entries.map(([name, value]) => `${name} = ${value ?? 'NULL'}`).join(', ');
}
