/** What keeps an image from being pulled here, however long one waits. Pure. */

import type { DesiredImage } from './desired-images.ts';
import type { ManifestSummary } from './manifest.ts';
import type { RefusedImage } from './pull-plan.ts';
import type { PullPolicy } from './pull-planner.ts';

export function findRefusal(
  { reference, imageSets, resolved }: DesiredImage,
  manifest: ManifestSummary | undefined,
  policy: Pick<PullPolicy, 'isAllowed' | 'maxImageSizeBytes'>,
): RefusedImage | undefined {
  if (!policy.isAllowed(reference)) {
    const message = 'neither prefetch.allow nor, without it, the hosts in registries match it';
    return { reference, imageSets, code: 'policy', detail: 'not_allowed', message };
  }
  if (resolved?.refusal !== undefined) {
    const { code, detail = 'policy_blocked', message } = resolved.refusal;
    return { reference, imageSets, code, detail, message };
  }
  const bytes = manifest === undefined ? resolved?.child?.sizeBytes || undefined : toCompressedBytes(manifest);
  if (policy.maxImageSizeBytes !== undefined && bytes !== undefined && bytes > policy.maxImageSizeBytes) {
    const message = `its compressed size of ${bytes} bytes is above prefetch.maxImageSize (${policy.maxImageSizeBytes})`;
    return { reference, imageSets, code: 'policy', detail: 'image_too_large', message };
  }
  return undefined;
}

function toCompressedBytes({ configBytes, layers }: ManifestSummary): number {
  return configBytes + layers.reduce((sum, layer) => sum + layer.sizeBytes, 0);
}
