/** What TOML and YAML give, taken without trust. */

export type Table = Readonly<Record<string, unknown>>;

export function asTable(value: unknown): Table {
  return isTable(value) ? value : {};
}

export function asList(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}

export function textsOf(value: unknown): readonly string[] {
  return asList(value).filter((one) => typeof one === 'string');
}

/** Key by key, the later one wins; what is below a key is replaced. */
export function mergeTables(tables: readonly Table[]): Table {
  return tables.reduce<Table>((all, one) => ({ ...all, ...one }), {});
}

/** Key by key all the way down. */
export function mergeDeep(one: Table, other: Table): Table {
  const merged: Record<string, unknown> = { ...one };
  for (const [key, value] of Object.entries(other)) {
    const before = merged[key];
    merged[key] = isTable(before) && isTable(value) ? mergeDeep(before, value) : value;
  }
  return merged;
}

function isTable(value: unknown): value is Table {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
