import type { PrefetchSettings } from '../core/configuration.ts';
import type { DesiredImage } from '../core/desired-images.ts';
import type { PullPlan } from '../core/pull-plan.ts';
import type { RuntimeCapabilities } from '../runtime/runtime.ts';
import type { PullOrder } from './pulls.ts';

/** The pulls that a plan starts now, with what is desired of them. */
export function nextPulls(
  plan: PullPlan,
  desired: readonly DesiredImage[],
): { readonly image: DesiredImage; readonly missingBytes: number | undefined }[] {
  const byReference = new Map(desired.map((image) => [image.reference, image]));
  return plan.pulls.flatMap(({ reference, state, downloadBytes }) => {
    const image = byReference.get(reference);
    return state === 'next' && image !== undefined ? [{ image, missingBytes: downloadBytes }] : [];
  });
}

/** Where progress shows, silence is the limit; where it does not, only the whole can be limited. */
export function toLimits(
  { progress, resume }: RuntimeCapabilities,
  { stallTimeoutMs, pullTimeoutMs }: PrefetchSettings,
): Pick<PullOrder, 'resumes' | 'stallTimeoutMs' | 'pullTimeoutMs'> {
  return progress
    ? { resumes: resume, stallTimeoutMs, pullTimeoutMs: undefined }
    : { resumes: resume, stallTimeoutMs: undefined, pullTimeoutMs };
}
