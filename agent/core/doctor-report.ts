/** What `stevedore doctor` finds on a node: pure data for people and JSON. */

/** From best to worst. */
export const findingLevels = ['ok', 'not_checked', 'warning', 'failure'] as const;
export type FindingLevel = (typeof findingLevels)[number];

export const doctorChecks = [
  'configuration',
  'api_server',
  'runtime',
  'image_filesystem',
  'state_folder',
  'harbor',
  'harbor_health',
  'clock',
  'credential',
  'robot',
  'project',
  'permissions',
  'proxy_project',
  'upstream',
  'retention',
  'token_realm',
  'pull_by_agent',
  'pull_by_runtime',
  'api_permissions',
  'node_policy',
  'kubelet',
  'containerd_config',
  'registry_mirrors',
  'decompressor',
  'content_store',
] as const;
export type DoctorCheck = (typeof doctorChecks)[number];

export interface Finding {
  readonly check: DoctorCheck;
  readonly level: FindingLevel;
  /** What was looked at, where there are several: a registry, a project, a file. */
  readonly subject?: string;
  readonly message: string;
  /** What to do about it. */
  readonly advice?: string;
}

export type Tell = (finding: Finding) => void;

export interface DoctorReport {
  readonly version: 1;
  readonly worst: FindingLevel;
  readonly findings: readonly Finding[];
}

export function toDoctorReport(findings: readonly Finding[]): DoctorReport {
  return { version: 1, worst: worstLevel(findings), findings };
}

/** `ok` where there is nothing. */
export function worstLevel(findings: readonly Finding[]): FindingLevel {
  return findings.reduce<FindingLevel>(
    (worst, { level }) => (findingLevels.indexOf(level) > findingLevels.indexOf(worst) ? level : worst),
    'ok',
  );
}
