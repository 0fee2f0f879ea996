/** Artifacts, accessories and labels as the REST API shows them. */

import { createHash } from 'node:crypto';
import type { Catalogue } from './catalogue.ts';
import { type Artifact, type Label, projectOf, type Repository, type Scan, type Tag } from './model.ts';
import { scanOf } from './policy.ts';

const never = '0001-01-01T00:00:00.000Z';
const icon = 'sha256:0048162a053eef4d4ce3fe7518615bef084403614f8bca43b40ae2e762e11e06';
const reportType = 'application/vnd.security.vulnerability.report; version=1.1';

export interface Shown {
  readonly tags: boolean;
  readonly labels: boolean;
  readonly scan: boolean;
  readonly accessories: boolean;
  /** Additions depend on a registered scanner. */
  readonly hasScanner: boolean;
}

export function parseShown(query: URLSearchParams, hasScanner: boolean): Shown {
  const is = (flag: string): boolean => query.get(flag) === 'true';
  return {
    tags: !query.has('with_tag') || is('with_tag'),
    labels: is('with_label'),
    scan: is('with_scan_overview'),
    accessories: is('with_accessory'),
    hasScanner,
  };
}

export function toTime(at: Date | undefined): string {
  return at === undefined ? never : at.toISOString();
}

export function toArtifactBody(catalogue: Catalogue, artifact: Artifact, shown: Shown): unknown {
  const { digest, repository, children, config } = artifact;
  const held = catalogue.repositories.get(repository);
  const accessories = shown.accessories ? catalogue.accessoriesOf(artifact) : [];
  const tags = shown.tags ? catalogue.tagsOf(artifact) : [];
  const scan = shown.scan ? scanOf(catalogue, artifact) : undefined;
  const links = toLinks(artifact, shown.hasScanner);
  const isIndex = children.length > 0;
  return {
    accessories: accessories.length === 0 ? null : accessories.map((one) => toAccessoryBody(catalogue, one)),
    ...(Object.keys(links).length === 0 ? {} : { addition_links: links }),
    ...(isIndex ? {} : { artifact_type: artifact.artifactType ?? '' }),
    digest,
    ...(config === undefined ? {} : { extra_attrs: toExtraAttributes(config) }),
    icon,
    id: artifact.id,
    labels: shown.labels && artifact.labels.length > 0 ? artifact.labels.map(toLabelBody) : null,
    manifest_media_type: artifact.mediaType,
    media_type: isIndex ? artifact.mediaType : (artifact.configMediaType ?? ''),
    project_id: held?.projectId,
    pull_time: toTime(artifact.pulledAt),
    push_time: toTime(artifact.pushedAt),
    references: isIndex ? toReferences(catalogue, artifact) : null,
    repository_id: held?.id,
    repository_name: repository,
    ...(scan === undefined ? {} : { scan_overview: toScanOverview(artifact, scan) }),
    size: catalogue.sizeOf(artifact),
    tags: tags.length === 0 ? null : tags.map((tag) => toTagBody(tag, artifact, held)),
    type: 'IMAGE',
  };
}

function toReferences(catalogue: Catalogue, { id, repository, children }: Artifact): unknown {
  return children.map(({ digest, platform }) => ({
    child_digest: digest,
    child_id: catalogue.find(repository, digest)?.id ?? 0,
    parent_id: id,
    platform: { OsFeatures: null, ...(platform ?? { architecture: '', os: '' }) },
    urls: null,
  }));
}

function toLinks({ repository, digest, children }: Artifact, hasScanner: boolean): Record<string, unknown> {
  const project = projectOf(repository);
  const name = encodeURIComponent(encodeURIComponent(repository.slice(project.length + 1)));
  const base = `/api/v2.0/projects/${project}/repositories/${name}/artifacts`;
  const link = (href: string): unknown => ({ absolute: false, href: `${base}/${href}` });
  return {
    ...(children.length > 0 ? {} : { build_history: link(`${digest}/additions/build_history`) }),
    // The digest is missing in the first: so Harbor has it.
    ...(hasScanner
      ? { sboms: link('/additions/sbom'), vulnerabilities: link(`${digest}/additions/vulnerabilities`) }
      : {}),
  };
}

function toExtraAttributes(config: Readonly<Record<string, unknown>>): unknown {
  const { architecture = '', author = '', config: run = {}, created = '', os = '' } = config;
  return { architecture, author, config: run, created, os };
}

export function toTagBody(tag: Tag, { id }: Artifact, repository: Repository | undefined): unknown {
  return {
    artifact_id: id,
    id: tag.id,
    immutable: tag.immutable,
    name: tag.name,
    pull_time: toTime(tag.pulledAt),
    push_time: toTime(tag.pushedAt),
    repository_id: repository?.id,
  };
}

export function toLabelBody({ id, name, createdAt, projectId }: Label): unknown {
  return {
    color: '#0065AB',
    creation_time: toTime(createdAt),
    id,
    name,
    ...(projectId === undefined ? {} : { project_id: projectId }),
    scope: projectId === undefined ? 'g' : 'p',
    update_time: toTime(createdAt),
  };
}

export function toAccessoryBody(catalogue: Catalogue, accessory: Artifact): unknown {
  const { digest = '', type = '' } = accessory.subject ?? {};
  return {
    artifact_id: accessory.id,
    creation_time: toTime(accessory.pushedAt),
    digest: accessory.digest,
    icon,
    id: accessory.id,
    size: catalogue.sizeOf(accessory),
    subject_artifact_digest: digest,
    subject_artifact_id: catalogue.find(accessory.repository, digest)?.id ?? 0,
    subject_artifact_repo: accessory.repository,
    type,
  };
}

/** Severity and summary come with success only. */
function toScanOverview({ digest, pushedAt }: Artifact, scan: Scan): unknown {
  const { status, severity = 'None', counts = {}, mimeType = reportType } = scan;
  const report = { report_id: createHash('sha256').update(digest).digest('base64'), scan_status: status };
  if (status === 'Success') {
    const total = Object.values(counts).reduce((sum, count) => sum + count, 0);
    return {
      [mimeType]: {
        complete_percent: 100,
        duration: 4,
        end_time: toTime(pushedAt),
        ...report,
        scanner: { name: 'FakeScan', vendor: 'Lab', version: '1.0' },
        severity,
        start_time: toTime(pushedAt),
        summary: { fixable: 0, summary: counts, total },
      },
    };
  }
  const isOver = status === 'Error' || status === 'Stopped';
  const times = { end_time: toTime(isOver ? pushedAt : undefined), start_time: toTime(isOver ? pushedAt : undefined) };
  return { [mimeType]: { ...(isOver ? { duration: 4 } : {}), ...times, ...report } };
}

/** `additions/vulnerabilities`: keyed by the report's type. */
export function toVulnerabilities({ digest, pushedAt }: Artifact, scan: Scan): unknown {
  const { severity = 'None', counts = {}, mimeType = reportType } = scan;
  const vulnerabilities = Object.entries(counts).flatMap(([word, count]) =>
    Array.from({ length: count }, (_, at) => ({
      id: `CVE-2026-${word.length}${String(at).padStart(3, '0')}`,
      package: 'libx',
      version: '1',
      fix_version: '',
      severity: word,
      status: '',
      description: 'x',
      links: ['https://cve.example/1'],
      artifact_digests: [digest],
      preferred_cvss: { score_v3: null, score_v2: null, vector_v3: '', vector_v2: '' },
      cwe_ids: [''],
      vendor_attributes: null,
    })),
  );
  const scanner = { name: 'FakeScan', vendor: 'Lab', version: '1.0' };
  return { [mimeType]: { generated_at: toTime(pushedAt), scanner, severity, vulnerabilities } };
}
