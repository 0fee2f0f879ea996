/** What a project's policy refuses: 412 for signatures and vulnerabilities, the words as Harbor 2.15.2 has them. */

import { type Answer, toError } from './answers.ts';
import type { Catalogue } from './catalogue.ts';
import type { Artifact, Project, Scan } from './model.ts';

const ranks: Readonly<Record<string, number>> = {
  none: 0,
  unknown: 0,
  negligible: 1,
  low: 2,
  medium: 3,
  high: 4,
  critical: 5,
};
const unknownRank = 99;

export function rankOf(severity: string): number {
  return ranks[severity.toLowerCase()] ?? unknownRank;
}

/** The scan that Harbor shows: its own, or the worst of the children's for an index. */
export function scanOf(catalogue: Catalogue, artifact: Artifact): Scan | undefined {
  if (artifact.scan !== undefined || artifact.children.length === 0) return artifact.scan;
  const scans = catalogue.childrenOf(artifact).flatMap(({ scan }) => scan ?? []);
  const unfinished = scans.find(({ status }) => status !== 'Success');
  if (unfinished !== undefined) return unfinished;
  const worst = scans.toSorted((a, b) => rankOf(b.severity ?? 'none') - rankOf(a.severity ?? 'none'))[0];
  if (worst === undefined) return undefined;
  const counts: Record<string, number> = {};
  for (const scan of scans)
    for (const [severity, count] of Object.entries(scan.counts ?? {}))
      counts[severity] = (counts[severity] ?? 0) + count;
  return { ...worst, counts };
}

/** @returns undefined where the pull passes */
export function planRefusal(
  project: Project,
  artifact: Artifact,
  catalogue: Catalogue,
  hasScanner: boolean,
): Answer | undefined {
  const { metadata } = project;
  const kinds = catalogue.accessoriesOf(artifact).flatMap(({ subject }) => subject?.type ?? []);
  const isSignature = artifact.subject !== undefined;
  if (metadata['enable_content_trust_cosign'] === 'true' && !isSignature && !kinds.includes('signature.cosign')) {
    return refuse('The image is not signed by cosign.');
  }
  if (metadata['enable_content_trust'] === 'true' && !isSignature && !kinds.includes('signature.notation')) {
    return refuse('The image is not signed by notation.');
  }
  if (metadata['prevent_vul'] !== 'true' || isSignature) return undefined;
  return planVulnerabilityRefusal(metadata['severity'] ?? 'low', artifact, scanOf(catalogue, artifact), hasScanner);
}

function planVulnerabilityRefusal(
  threshold: string,
  { children }: Artifact,
  scan: Scan | undefined,
  hasScanner: boolean,
): Answer | undefined {
  const title = `${threshold.slice(0, 1).toUpperCase()}${threshold.slice(1).toLowerCase()}`;
  const rule = `cannot be pulled due to configured policy in 'Prevent images with vulnerability severity of "${title}" or higher from running.' To continue with pull, please contact your project administrator`;
  if (scan === undefined) {
    return hasScanner ? refuse(`current image without vulnerability scanning ${rule} for help.`) : undefined;
  }
  // An index passes from here on: its children are judged when they are pulled.
  if (children.length > 0) return undefined;
  if (scan.status !== 'Success') {
    return refuse(`current image with "${scan.status}" status of vulnerability scanning ${rule} for help.`);
  }
  if (rankOf(scan.severity ?? 'None') < rankOf(threshold)) return undefined;
  const count = Object.values(scan.counts ?? {}).reduce((sum, one) => sum + one, 0);
  const thing = count > 1 ? 'vulnerabilities' : 'vulnerability';
  return refuse(
    `current image with ${count} ${thing} ${rule} to exempt matched vulnerabilities through configuring the CVE allowlist.`,
  );
}

function refuse(message: string): Answer {
  return toError(412, 'PROJECTPOLICYVIOLATION', message);
}
