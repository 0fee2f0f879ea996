/** The one image that all nodes of the swarm want. */

export const coldImage = {
  reference: 'harbor.example.com/ml/pytorch:2.9',
  /** What the fake runtime and the fake registry tell of it; how long its bytes take is the link's affair. */
  spec: { layers: [1_000_000, 1_000_000, 1_000_000] },
} as const;

/** @param maxNodes undefined: no limit; `withImage` false: nothing is wanted yet */
export function toConfigurationText(maxNodes: number | undefined, withImage: boolean): string {
  return JSON.stringify({
    imageSets: withImage ? [{ name: 'cold', images: [coldImage.reference] }] : [],
    ...(maxNodes === undefined ? {} : { prefetch: { maxNodes } }),
  });
}
