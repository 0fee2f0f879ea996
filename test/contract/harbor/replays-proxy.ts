/** Recorded exchanges of proxy-cache projects: before anything is cached, and with all kinds of upstream. */

import type { UpstreamState } from '../../harness/harbor/harbor.ts';
import { ask, open } from './client.ts';
import { type Replay, toRequest } from './replay.ts';
import { loadRecording } from './recording.ts';
import { makeBoth, makeImage } from './recorded-images.ts';
import { translate, type World } from './recorded-world.ts';

const named = (name: string): Replay => ({ name });

/** What the upstream has; nothing of it is cached yet. */
export async function fillUpstream({ digests, putUpstream }: World): Promise<void> {
  const cold = makeImage('docker', 'cold');
  const single = makeImage('docker', 'single');
  const multi = makeBoth('docker', 'multi');
  const gone = makeImage('docker', 'gone');
  const range = makeImage('docker', 'range', undefined, 100_000);
  const trunc = makeImage('docker', 'trunc', undefined, 2_000_000);
  const lim = makeImage('docker', 'lim', undefined, 100_000);
  const vul = makeImage('docker', 'vul');
  for (const [name, image] of Object.entries({ cold, single, gone, range50: range, trunc, lim, vul })) {
    await putUpstream(`lib/${name}`, 'v1', image);
  }
  await putUpstream('lib/multi', 'v1', multi);
  translate(digests, [
    ['92c717c6ac187d7ff3be9156c572469d9fad856876ee1867403f84be08ea8343', cold.digest],
    ['7f284d7d999af81df19aa33b1ada94a78cefad9bb6a7771ebd8a929c4e95042f', cold.layerDigest],
    ['5ee4b8a1884a4c99276f882c53591c81390df59e358e1bea13088819361f0b3a', single.digest],
    ['5fca9803cfec89f7f116e67d167a9001a7c80f6490c0d2c1b6c3e63046e98a16', single.configDigest],
    ['e7b45c3896188068a3ca7ec520a01333b4bff3f32b3e13e4a867ddf89760fd00', multi.digest],
    ['66671d4fc7afbc4afd68c10998cac18ce9559a9c3147a7a8d4b658e2321b7421', multi.images[0]?.digest],
    ['bc82760d6a37dff25ac10ff634af38d691837f9dd38a2ffe2aa44a464dab867a', gone.digest],
    ['22c34f394b406bc103e0924b1e346b65a61efd029e5dc32aeaf6f704258a02c2', gone.layerDigest],
    ['7f36c0b1ea260dea83986f13147c12b5f108a564362298824d63664ab8e17bf5', range.layerDigest],
    ['1081baca17262274d7e02bc2b02e09862e946c50c4620a1c7e39d9a3fd107a18', trunc.layerDigest],
    ['297c6e8ddffae1147afa5366e8fd167b3609f36b9a3760c729fcfbc990917fa4', lim.layerDigest],
    ['328175463b3e2c372145454d2bdd78c9b3e743a7683599a1e3ea5eedd6f820ee', vul.digest],
  ]);
}

/** In this order: each GET caches. */
export const coldReplays: readonly Replay[] = [
  ...[
    'proxy-blob-head-cold',
    'proxy-manifest-head-tag-cold',
    'proxy-manifest-head-digest-cold',
    'proxy-manifest-get-tag-cold',
    'proxy-manifest-get-digest-cold',
    'proxy-blob-get-cold',
  ].map(named),
  { name: 'proxy-blob-head-warm', before: untilStored },
  ...['proxy-blob-get-warm', 'proxy-blob-404', 'proxy-blob-range-cold'].map(named),
  { name: 'proxy-blob-range-warm', before: untilStored },
  {
    name: 'proxy-blob-truncated-cold',
    before: ({ harbor }) => (harbor.upstream.registry.faults.cutBlobAfterBytes = 500_000),
    after: ({ harbor }) => (harbor.upstream.registry.faults.cutBlobAfterBytes = undefined),
  },
  ...[
    'proxy-hub-301-blob',
    'proxy-hub-301-manifest',
    'proxy-manifest-404-head',
    'proxy-manifest-404-repo',
    'proxy-manifest-404',
    'proxy-project-get-robot',
    'proxy-referrers',
    'proxy-tags-list-absent',
    'proxy-tags-list',
    'proxy-policy-first-pull',
  ].map(named),
  ...['proxy-project-get', 'proxy-project-limited', 'proxy-retention'].map((name): Replay => ({ name, as: 'admin' })),
  limited(),
];

const states = ['down', 401, 403, 404, 429, 500, 'unhealthy'] as const satisfies readonly UpstreamState[];
const cases: Readonly<Record<(typeof states)[number], readonly string[]>> = {
  down: [
    'cached-blob',
    'cached-digest',
    'cached-tag-head',
    'cached-tag',
    'index-digest',
    'index-tag',
    'tags-list',
    'uncached-blob',
    'uncached-digest',
    'uncached-tag-head',
    'uncached-tag',
  ],
  401: ['cached-tag', 'uncached-blob', 'uncached-digest', 'uncached-tag'],
  403: ['cached-tag', 'uncached-blob', 'uncached-digest', 'uncached-tag'],
  404: ['cached-tag', 'uncached-blob', 'uncached-digest', 'uncached-tag'],
  429: ['cached-tag', 'uncached-blob', 'uncached-digest', 'uncached-tag'],
  500: ['cached-tag', 'uncached-blob', 'uncached-digest', 'uncached-tag'],
  unhealthy: ['tags-list', 'uncached-blob', 'uncached-tag'],
};

const inState = (state: UpstreamState): Pick<Replay, 'before' | 'after'> => ({
  before: ({ harbor }) => harbor.upstream.setState(state),
  after: ({ harbor }) => harbor.upstream.setState('healthy'),
});

/** With `lib/single`, `lib/vul` and one platform of `lib/multi` cached. */
export const cachedReplays: readonly Replay[] = [
  ...['proxy-policy-second-pull', 'proxy-manifest-head-tag-cached', 'proxy-artifact-list'].map(named),
  { name: 'proxy-unhealthy-registry', as: 'admin', ...inState('unhealthy') },
  ...states.flatMap((state) =>
    cases[state].map(
      (name): Replay => ({
        name: state === 'unhealthy' ? `proxy-unhealthy-${name}` : `proxy-upstream-${state}-${name}`,
        ...inState(state),
      }),
    ),
  ),
];

/** Pulls as a container runtime does: HEAD of the tag, then by digest. */
export async function pullThrough(
  world: World,
  repository: string,
  digests: readonly string[],
  project = 'px',
): Promise<void> {
  const { harbor, token } = world;
  const name = `${project}/${repository}`;
  const authorization = await token('system', name);
  const accept = '*/*';
  const get = (path: string, method = 'GET') =>
    ask(harbor.url, { method, path: `/v2/${name}/${path}`, headers: { authorization, accept } });
  await get('manifests/v1', 'HEAD');
  for (const digest of digests) {
    const { body } = await get(`manifests/${world.digests.get(digest) ?? digest}`);
    const { config, layers = [] } = JSON.parse(body.toString()) as {
      config?: { digest: string };
      layers?: { digest: string }[];
    };
    for (const blob of config === undefined ? [] : [config, ...layers]) await get(`blobs/${blob.digest}`);
  }
}

async function untilStored({ harbor, digests }: World): Promise<void> {
  const recorded = [
    '7f284d7d999af81df19aa33b1ada94a78cefad9bb6a7771ebd8a929c4e95042f',
    '7f36c0b1ea260dea83986f13147c12b5f108a564362298824d63664ab8e17bf5',
  ];
  const last = harbor.requests.findLast(({ method, path }) => method === 'GET' && path.includes('/blobs/'));
  const wanted = recorded
    .map((hex) => digests.get(`sha256:${hex}`) ?? '')
    .find((digest) => last?.path.endsWith(digest) === true);
  const [, repository = ''] = /^\/v2\/(.+)\/blobs\//.exec(last?.path ?? '') ?? [];
  for (let tries = 0; tries < 500; tries += 1) {
    const url = `http://${harbor.storage.host}`;
    const { status } = await ask(url, { method: 'HEAD', path: `/v2/${repository}/blobs/${wanted ?? ''}` });
    if (status === 200) return;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  throw new Error(`${repository} has no ${wanted ?? 'blob'}`);
}

/** Two GETs hold the project's connections to the upstream meanwhile. */
function limited(): Replay {
  const name = 'proxy-max-upstream-conn-429';
  const end = new AbortController();
  return {
    name,
    before: async (world) => {
      world.harbor.upstream.registry.faults.hangBlobAfterBytes = 10_000;
      const asked = await toRequest(world, loadRecording(name));
      for (let held = 0; held < 2; held += 1) (await open(world.harbor.url, { ...asked, signal: end.signal })).resume();
    },
    after: ({ harbor }) => {
      end.abort();
      harbor.upstream.registry.faults.hangBlobAfterBytes = undefined;
    },
  };
}
