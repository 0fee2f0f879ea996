import type { Resolutions } from '../core/resolution.ts';

/** What a round came to, for metrics. Pure. */
export function countRound({ images, patterns }: Resolutions): {
  readonly images: number;
  readonly patterns: number;
  readonly failed: number;
  readonly refused: number;
} {
  const records = [...images.values()];
  const failures = [...records, ...patterns.values()].filter(({ failure }) => failure !== undefined);
  const refused = records.filter(
    ({ refusal, platforms }) => refusal !== undefined || platforms.some((platform) => platform.refusal !== undefined),
  );
  return { images: images.size, patterns: patterns.size, failed: failures.length, refused: refused.length };
}

/** Nobody warms: there is nothing to wait for. Pure. */
export function withoutWarming({ images, patterns }: Resolutions): Resolutions {
  const unneeded = [...images].map(([reference, image]) => {
    const platforms = image.platforms.map((platform) =>
      platform.warm === 'cold' ? { ...platform, warm: 'unneeded' as const } : platform,
    );
    return [reference, { ...image, platforms }] as const;
  });
  return { images: new Map(unneeded), patterns };
}
