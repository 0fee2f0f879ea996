/** How bad Harbor's scanners found an image to be, against what a pattern allows. Pure. */

import { type Severity, severities } from './repository-pattern.ts';

/** As in Harbor's `scan_overview`. */
export interface ScanResult {
  /** `Success`, `Pending`, `Scheduled`, `Running`, `Error`, `Stopped`. */
  readonly status: string;
  /** As Harbor writes it: `High`; undefined: not finished. */
  readonly severity: string | undefined;
}

/** Why an artifact is not taken. */
export interface SeverityVerdict {
  readonly reason: 'severity' | 'not_scanned';
  readonly message: string;
}

/** Above every word that Harbor 2.15 knows: whatever a newer one means by it, nobody here allowed it. */
const unrecognised: number = severities.length;

/**
 * None 0, Negligible and Unknown 1, … Critical 5, everything else above. Harbor itself ranks Unknown with None; but it stands for a
 * vulnerability that nobody has rated yet, and whoever allows none allows no such one.
 */
export function rankSeverity(word: string): number {
  const lower = word.toLowerCase();
  if (lower === 'unknown') return severities.indexOf('negligible');
  const rank = (severities as readonly string[]).indexOf(lower);
  return rank < 0 ? unrecognised : rank;
}

/**
 * What an artifact's scan breaks of a pattern's `maxSeverity`, or undefined. An index carries the worst of its children.
 * @param scan undefined: never scanned.
 */
export function exceeds(
  maxSeverity: Severity,
  scan: ScanResult | undefined,
  unscanned: 'refuse' | 'allow',
): SeverityVerdict | undefined {
  if (scan === undefined) {
    return unscanned === 'allow' ? undefined : { reason: 'not_scanned', message: 'it was never scanned' };
  }
  // A severity beside another status is of an earlier scan: it may still forbid, but never allow.
  const { severity, status } = scan;
  if (severity !== undefined && rankSeverity(severity) > rankSeverity(maxSeverity)) {
    return {
      reason: 'severity',
      message: `its severity is ${printable(severity)}, and at most ${maxSeverity} is allowed`,
    };
  }
  if (status === 'Success' && severity !== undefined) return undefined;
  if (unscanned === 'allow') return undefined;
  const what = status === 'Success' ? 'its scan gave no severity' : `its scan is not finished (${printable(status)})`;
  return { reason: 'not_scanned', message: what };
}

function printable(word: string): string {
  return word.replace(/[^\x20-\x7e]/g, '?').slice(0, 40);
}
