/** What Harbor's REST API 2.0 answers (2.15), read without trust: a list's bad entry is left out, a single bad document is a Failure of the caller. */

import type {
  HarborArtifact,
  HarborComponent,
  HarborPermission,
  HarborProject,
  HarborQuota,
  HarborRetention,
  HarborRetentionRule,
  HarborRobot,
  HarborScan,
  HarborTag,
} from './harbor.ts';

export type Fields = Readonly<Record<string, unknown>>;

const digestPattern = /^sha(?:256:[0-9a-f]{64}|512:[0-9a-f]{128})$/;

export function parseJson(body: Buffer): unknown {
  try {
    return JSON.parse(body.toString('utf8'));
  } catch {
    return undefined;
  }
}

export function fieldsOf(value: unknown): Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Fields) : {};
}

/** Harbor writes `null` for an empty list. */
export function listOf(value: unknown): readonly Fields[] {
  return Array.isArray(value) ? value.map(fieldsOf) : [];
}

export function textOf(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined;
}

/** Epoch ms. Harbor's zero value, of the year 1, is no time. */
export function timeOf(value: unknown): number | undefined {
  const at = typeof value === 'string' ? Date.parse(value) : Number.NaN;
  return at > 0 ? at : undefined;
}

export function parseProject(value: Fields): HarborProject | undefined {
  const id = idOf(value['project_id']);
  const name = textOf(value['name']);
  if (id === undefined || name === undefined) return undefined;
  const metadata = Object.fromEntries(
    Object.entries(fieldsOf(value['metadata'])).filter(
      (entry): entry is [string, string] => typeof entry[1] === 'string',
    ),
  );
  return { id, name, upstreamId: idOf(value['registry_id']), isPublic: metadata['public'] === 'true', metadata };
}

/**
 * @param project whose name the answer puts before the repository's. Undefined: no artifact, or of another repository.
 */
export function parseArtifact(value: Fields, project: string, repository: string): HarborArtifact | undefined {
  const digest = parseDigest(value['digest']);
  if (digest === undefined) return undefined;
  const name = textOf(value['repository_name']);
  if (name !== undefined && name !== `${project}/${repository}`) return undefined;
  return {
    digest,
    type: textOf(value['type']) ?? '',
    repository,
    pushedAt: timeOf(value['push_time']) ?? 0,
    pulledAt: timeOf(value['pull_time']),
    tags: listOf(value['tags']).flatMap(parseTag),
    labels: listOf(value['labels']).flatMap((label) => textOf(label['name']) ?? []),
    children: listOf(value['references']).flatMap((reference) => {
      const child = parseDigest(reference['child_digest']);
      if (child === undefined) return [];
      const platform = fieldsOf(reference['platform']);
      return [
        {
          digest: child,
          os: textOf(platform['os']),
          architecture: textOf(platform['architecture']),
          variant: textOf(platform['variant']),
        },
      ];
    }),
    accessories: listOf(value['accessories']).flatMap((accessory) => {
      const type = textOf(accessory['type']);
      const accessoryDigest = parseDigest(accessory['digest']);
      return type === undefined || accessoryDigest === undefined ? [] : [{ type, digest: accessoryDigest }];
    }),
    scan: parseScan(value['scan_overview']),
  };
}

/** Keyed by the report's MIME type, which is the scanner's choice: the first one counts. */
function parseScan(overview: unknown): HarborScan | undefined {
  const report = Object.values(fieldsOf(overview))[0];
  if (report === undefined) return undefined;
  const fields = fieldsOf(report);
  return { status: textOf(fields['scan_status']) ?? '', severity: textOf(fields['severity']) };
}

function parseTag(tag: Fields): HarborTag[] {
  const name = textOf(tag['name']);
  if (name === undefined) return [];
  return [{ name, pushedAt: timeOf(tag['push_time']) ?? 0, pulledAt: timeOf(tag['pull_time']) }];
}

export function parseComponent(value: Fields): HarborComponent | undefined {
  const name = textOf(value['name']);
  if (name === undefined) return undefined;
  return { name, healthy: value['status'] === 'healthy', error: textOf(value['error']) };
}

/** Seen from the project: `.` is the project itself. */
export function parsePermission(value: Fields): HarborPermission | undefined {
  const resource = textOf(value['resource']);
  const action = textOf(value['action']);
  if (resource === undefined || action === undefined) return undefined;
  return { resource: resource === '.' ? 'project' : resource, action };
}

/** Undefined: the summary leaves it out for who may not read it. -1 stands for no limit. */
export function parseQuota(summary: Fields): HarborQuota | undefined {
  const quota = fieldsOf(summary['quota']);
  const used = fieldsOf(quota['used'])['storage'];
  const hard = fieldsOf(quota['hard'])['storage'];
  if (typeof used !== 'number') return undefined;
  return { usedBytes: used, hardBytes: typeof hard === 'number' && hard >= 0 ? hard : undefined };
}

export function parseRobot(value: Fields): HarborRobot | undefined {
  const name = textOf(value['name']);
  if (name === undefined) return undefined;
  const expires = value['expires_at'];
  return {
    name,
    disabled: value['disable'] === true,
    expiresAt: typeof expires === 'number' && expires > 0 ? expires * 1000 : undefined,
  };
}

export function parseRetention(value: Fields): HarborRetention {
  const trigger = fieldsOf(value['trigger']);
  return {
    cron: textOf(fieldsOf(trigger['settings'])['cron']),
    rules: listOf(value['rules']).map(parseRule),
  };
}

function parseRule(rule: Fields): HarborRetentionRule {
  const numbers = Object.entries(fieldsOf(rule['params'])).map(([name, value]) => [name, Number(value)] as const);
  return {
    template: textOf(rule['template']) ?? '',
    parameters: Object.fromEntries(numbers.filter(([, value]) => Number.isFinite(value))),
    repositories: parseSelectors(fieldsOf(rule['scope_selectors'])['repository']),
    tags: parseSelectors(rule['tag_selectors']),
    disabled: rule['disabled'] === true,
  };
}

function parseSelectors(value: unknown): { decoration: string; pattern: string }[] {
  return listOf(value).map((selector) => ({
    decoration: textOf(selector['decoration']) ?? '',
    pattern: textOf(selector['pattern']) ?? '',
  }));
}

function parseDigest(value: unknown): string | undefined {
  return typeof value === 'string' && digestPattern.test(value) ? value : undefined;
}

function idOf(value: unknown): number | undefined {
  return typeof value === 'number' && Number.isSafeInteger(value) && value > 0 ? value : undefined;
}
