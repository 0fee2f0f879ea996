/**
 * Which of an index's images runs on this node: the rules of containerd/platforms (`Normalize` and `Only`, v0.2 and v1),
 * which Docker and the CRI plugin use too, so that the agent looks at the manifest that the runtime will pull.
 */

export interface Platform {
  readonly os: string;
  readonly architecture: string;
  readonly variant?: string | undefined;
  /** Only Windows images carry one that matters. */
  readonly osVersion?: string | undefined;
}

/** Node's names for what Go names otherwise (`process.arch`, `process.platform`). */
const nodeArchitectures: Readonly<Record<string, string>> = {
  x64: 'amd64',
  ia32: '386',
  ppc64: 'ppc64le',
  mipsel: 'mipsle',
};

/** The platform of a process from `process.platform` and `process.arch`. */
export function toPlatform(nodePlatform: string, nodeArchitecture: string): Platform {
  return normalisePlatform({
    os: nodePlatform === 'win32' ? 'windows' : nodePlatform,
    architecture: nodeArchitectures[nodeArchitecture] ?? nodeArchitecture,
  });
}

/** `linux/arm64`, `linux/arm/v7`; the variant is left out where it is the architecture's default. */
export function formatPlatform(platform: Platform): string {
  const { os, architecture, variant } = normalisePlatform(platform);
  return [os, architecture, ...(variant === undefined ? [] : [variant])].join('/');
}

/** What `formatPlatform` writes, or anybody in its form; what is missing is empty and runs nowhere. */
export function parsePlatform(text: string): Platform {
  const [os = '', architecture = '', variant] = text.split('/');
  return normalisePlatform({ os, architecture, variant });
}

/** One spelling for each platform; default variants (amd64/v1, arm64/v8) are left out, arm's (v7) is written. */
export function normalisePlatform(platform: Platform): Platform {
  const os = platform.os.toLowerCase();
  const [architecture, variant] = normaliseArchitecture(
    platform.architecture.toLowerCase(),
    (platform.variant ?? '').toLowerCase(),
  );
  return {
    os: os === 'macos' ? 'darwin' : os,
    architecture,
    variant: variant === '' ? undefined : variant,
    osVersion: platform.osVersion === '' ? undefined : platform.osVersion,
  };
}

function normaliseArchitecture(architecture: string, variant: string): [string, string] {
  switch (architecture) {
    case 'i386':
      return ['386', ''];
    case 'x86_64':
    case 'x86-64':
    case 'amd64':
      return ['amd64', variant === 'v1' ? '' : variant];
    case 'aarch64':
    case 'arm64':
      return ['arm64', variant === '8' || variant === 'v8' ? '' : variant];
    case 'armhf':
      return ['arm', 'v7'];
    case 'armel':
      return ['arm', 'v6'];
    case 'arm':
      if (variant === '') return ['arm', 'v7'];
      return ['arm', /^[5-8]$/.test(variant) ? `v${variant}` : variant];
    default:
      return [architecture, variant];
  }
}

/**
 * What a node can run, best first: amd64/v3 also runs amd64/v2, amd64 and 386; arm64 also runs arm/v8 down to v5.
 */
export function toRunnablePlatforms(node: Platform): Platform[] {
  const own = normalisePlatform(node);
  const version = /^v(\d+)$/.exec(own.variant ?? '')?.[1];
  const lower = (from: number, to: number): Platform[] =>
    Array.from({ length: Math.max(0, from - to + 1) }, (_, step) =>
      normalisePlatform({ ...own, variant: `v${from - step}` }),
    );
  switch (own.architecture) {
    case 'amd64':
      return [own, ...lower(Number(version ?? 1) - 1, 1), { ...own, architecture: '386', variant: undefined }];
    case 'arm':
      return [own, ...(version === undefined ? [] : lower(Number(version) - 1, 5))];
    case 'arm64': {
      const below = Number(version ?? 8) > 8 ? [{ ...own, variant: undefined }] : [];
      return [own, ...below, ...toRunnablePlatforms({ ...own, architecture: 'arm', variant: 'v8' })];
    }
    default:
      return [own];
  }
}

/** How well an image fits: 0 is best, undefined means that it does not run here. */
export function rankPlatform(node: Platform, image: Platform): number | undefined {
  const candidate = normalisePlatform(image);
  const rank = toRunnablePlatforms(node).findIndex(
    (one) =>
      one.os === candidate.os &&
      one.architecture === candidate.architecture &&
      one.variant === candidate.variant &&
      isSameWindowsBuild(one, candidate),
  );
  return rank < 0 ? undefined : rank;
}

/** A Windows container needs its host's build, the third number of `10.0.20348.2113`; no version fits all. */
function isSameWindowsBuild(node: Platform, image: Platform): boolean {
  if (node.os !== 'windows' || node.osVersion === undefined || image.osVersion === undefined) return true;
  const build = (version: string) => version.split('.').slice(0, 3).join('.');
  return build(node.osVersion) === build(image.osVersion);
}

/**
 * The entries of an index that may run here, best first and stable among equals. Entries without a platform come last:
 * only their own config tells. Attestations (`unknown/unknown`) and platforms that do not run here are left out.
 */
export function toPlatformCandidates<Entry extends { readonly platform: Platform | undefined }>(
  node: Platform,
  entries: readonly Entry[],
): Entry[] {
  const ranked = entries.flatMap((entry) => {
    if (entry.platform === undefined) return [{ entry, rank: Number.MAX_SAFE_INTEGER }];
    const rank = rankPlatform(node, entry.platform);
    return rank === undefined ? [] : [{ entry, rank }];
  });
  return ranked.sort((a, b) => a.rank - b.rank).map(({ entry }) => entry);
}
