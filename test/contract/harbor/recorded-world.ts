/** A double with the projects, images and robots that the recordings were made with, and the names that differ. */

import { Backend } from '../../harness/harbor/backend.ts';
import {
  type Harbor,
  type HarborOptions,
  type Login,
  parseRights,
  startHarbor,
  toBasic,
} from '../../harness/harbor/harbor.ts';
import { ask } from './client.ts';
import type { Names } from './comparison.ts';
import { arm64v8, makeBoth, makeImage, makeSignature, type SampleImage, type SampleIndex } from './recorded-images.ts';

export type User = 'admin' | 'pull' | 'list' | 'system' | 'tiny' | 'disabled' | 'bad';

export interface World extends Names {
  readonly harbor: Harbor;
  readonly digests: Map<string, string>;
  login(user: User): Login;
  /** Straight to storage. */
  put(repository: string, tag: string | undefined, content: SampleImage | SampleIndex): Promise<void>;
  putUpstream(repository: string, tag: string, content: SampleImage | SampleIndex): Promise<void>;
  /** @returns the value of an Authorization header */
  token(user: User | undefined, ...repositories: readonly string[]): Promise<string>;
  remove(): Promise<void>;
}

const everyRight = [
  'project:read',
  'label:read',
  'label:list',
  'quota:read',
  'repository:read',
  'repository:list',
  'repository:pull',
  'scan:read',
  'artifact:read',
  'artifact:list',
  'artifact-addition:read',
  'tag:list',
  'accessory:list',
  'metadata:read',
];

export async function makeWorld(options: HarborOptions = {}): Promise<World> {
  const harbor = await startHarbor(options);
  const digests = new Map<string, string>();
  const storage = new Backend(harbor.storage.host);
  const upstream = new Backend(harbor.upstream.registry.host);
  const hub = await harbor.addUpstream('docker-hub');
  // In the order of the recordings: project ids are in paths and scopes.
  for (const name of ['library', 'app', 'pub', 'other', 'hidden']) {
    harbor.addProject(name, { public: name === 'library' || name === 'pub' });
  }
  harbor.addProject('tiny', { quotaBytes: 5_000 });
  harbor.addProject('12345');
  harbor.addProject('mnt');
  harbor.addProject('px', { proxyOf: harbor.upstream });
  harbor.addProject('pxlim', { proxyOf: harbor.upstream, metadata: { max_upstream_conn: '2' } });
  harbor.addProject('hub', { proxyOf: hub });
  harbor.addProject('pol', { metadata: { prevent_vul: 'true', severity: 'high' } });
  harbor.addProject('trust', { metadata: { enable_content_trust_cosign: 'true' } });
  harbor.addProject('nota', { metadata: { enable_content_trust: 'true' } });
  harbor.addProject('pxvul', { proxyOf: harbor.upstream, metadata: { prevent_vul: 'true', severity: 'low' } });
  const inTheFuture = new Date(Date.now() + 30 * 86_400_000);
  const robots = {
    pull: harbor.addRobot({
      project: 'app',
      name: 'pull',
      permissions: parseRights('repository:pull'),
      description: 'pull only',
      expiresAt: inTheFuture,
    }),
    list: harbor.addRobot({ project: 'app', name: 'list', permissions: parseRights(...everyRight) }),
    tiny: harbor.addRobot({ project: 'tiny', name: 'tiny', permissions: parseRights('project:read') }),
    disabled: harbor.addRobot({
      project: 'app',
      name: 'off',
      permissions: parseRights('repository:pull'),
      disabled: true,
    }),
    demo: harbor.addRobot({
      project: 'app',
      name: 'demo',
      permissions: parseRights('repository:pull'),
      expiresAt: inTheFuture,
    }),
    system: harbor.addRobot({
      name: 'resolver',
      permissions: [
        { kind: 'project', namespace: '*', access: parseRights(...everyRight) },
        {
          kind: 'system',
          namespace: '/',
          access: parseRights('project:list', 'catalog:read', 'registry:read', 'robot:read'),
        },
      ],
    }),
  };
  const login = (user: User): Login => {
    if (user === 'admin') return harbor.admin;
    return user === 'bad' ? { ...harbor.loginOf(robots.pull), password: 'wrong' } : harbor.loginOf(robots[user]);
  };
  const push = async (
    backend: Backend,
    repository: string,
    tag: string,
    content: SampleImage | SampleIndex,
  ): Promise<void> => {
    for (const image of 'images' in content ? content.images : [content]) {
      for (const [digest, blob] of image.blobs) await backend.putBlob(repository, digest, blob, blob.length);
      await backend.putManifest(repository, image.digest, image.manifest, image.mediaType);
    }
    await backend.putManifest(repository, tag, content.manifest, content.mediaType);
  };
  return {
    harbor,
    digests,
    host: harbor.host,
    storageHost: harbor.storageHost.host,
    login,
    async put(repository, tag, content) {
      if ('images' in content) for (const image of content.images) await harbor.put(repository, image);
      await harbor.put(repository, { ...content, ...(tag === undefined ? {} : { tag }) });
    },
    putUpstream: (repository, tag, content) => push(upstream, repository, tag, content),
    async token(user, ...repositories) {
      const scope = repositories.map((repository) => `&scope=repository:${repository}:pull`).join('');
      const headers = user === undefined ? {} : { authorization: toBasic(login(user)) };
      const path = `/service/token?service=harbor-registry${scope}`;
      const { body } = await ask(harbor.url, { method: 'GET', path, headers });
      return `Bearer ${(JSON.parse(body.toString()) as { token: string }).token}`;
    },
    async remove() {
      storage.close();
      upstream.close();
      await harbor.remove();
    },
  };
}

/** The content of ordinary projects. */
export async function fillProjects({ harbor, digests, put }: World): Promise<void> {
  const both = makeBoth('oci', 'web', arm64v8);
  const [amd, arm] = both.images;
  const docker = makeBoth('docker', 'dock');
  await put('app/web', 'v1', both);
  await put('app/team/a/web', 'v1', both);
  harbor.moveTag('app/team/a/web', 'v2', amd?.digest ?? '');
  await put('app/dock', 'v1', docker);
  await put('pub/web', 'v1', both);
  await put('other/web', 'v1', amd ?? both);
  const known: readonly (readonly [string, string | undefined])[] = [
    ['bcee6f87397f0c0763edd4b059c890a20c8ffb2a195c2d0d934e108f0dff7e46', both.digest],
    ['25ed15f4d5dd45b3a4499772a4cb4e6bf8a5055f7f5eead358d39424eaa66a50', amd?.digest],
    ['5c3551c70afa637c09a70aa855cfedd241b311e748767bf2fafa92a5e1b77f5a', arm?.digest],
    ['01f3f56196c626dcede89be927bc09586d7fac7b7aa478c51aee5d4756c53d74', amd?.layerDigest],
    ['44bd488b3d894f4cd4a7ce66f85f7365328aef4f31f97bb53b6eba1e43f8fa3d', docker.digest],
  ];
  translate(digests, known);
  const edge = harbor.addLabel('prefetch');
  const own = harbor.addLabel(
    'edge',
    harbor.projects.find(({ name }) => name === 'app'),
  );
  harbor.artifact('app/team/a/web', 'v1').labels.push(edge, own);
  harbor.artifact('app/web', 'v1').labels.push(edge, own);
}

/** The content of projects whose policy refuses pulls. */
export async function fillPolicyProjects({ harbor, digests, put }: World): Promise<void> {
  const sets = {
    bad: makeBoth('docker', 'bad'),
    good: makeBoth('docker', 'good'),
    unscanned: makeBoth('docker', 'unscanned'),
  };
  for (const [name, index] of Object.entries(sets)) await put(`pol/${name}`, 'v1', index);
  const fail = makeImage('docker', 'fail');
  await put('pol/fail', 'v1', fail);
  const web = makeBoth('oci', 'trusted');
  await put('trust/web', 'v1', web);
  await put('nota/web', 'v1', web);
  translate(digests, [
    ['16c2800f7feabae9a913165084599d3f64223d8a071d0759a53d4518cefee2a8', sets.bad.images[0]?.digest],
    ['a9614324a7e4fa0464e6b81969e463b3c7d45fbbeafab66062a6741ac11e6236', sets.bad.digest],
    ['f434be1d49d5cd38a3d919611eb4f757e160e86b8e4bcb709c77a96489e89b43', sets.good.digest],
    ['256477b52fa583f7311db0b5e2354c637d4e0a59960dc10a09a5c82779a31b42', sets.good.images[0]?.digest],
    ['0ae0182736d5fe530bcc695019d936bc133f1143754e010b948226be05761e87', sets.unscanned.images[0]?.digest],
    ['d3f9a51c05b2d75cba704cc4e5930632ebca1c6ecdccff5d72f0d41d6098f92b', sets.unscanned.images[0]?.configDigest],
    ['cd4eff915dac352e60f26aba1a87d922eac375f363ac96d4b82c0bb38d367c3c', fail.digest],
    ['c0a3fa4ec5bd91ff03bc7b60fb825bc1dfb1b2157985d8bef5b05c7352d85caa', web.digest],
    ['d482f404e240acb6a56f71eb62ec126bd29d90bda197f641650d9ebc7e20b3f9', web.images[0]?.digest],
  ]);
  for (const { digest } of sets.bad.images) {
    harbor.artifact('pol/bad', digest).scan = {
      status: 'Success',
      severity: 'Critical',
      counts: { Critical: 1, Low: 1 },
    };
  }
  for (const { digest } of sets.good.images)
    harbor.artifact('pol/good', digest).scan = { status: 'Success', severity: 'None' };
  harbor.artifact('pol/fail', 'v1').scan = { status: 'Error' };
}

/** Signs the index of `trust/web` alone. */
export async function signTrusted({ harbor, digests, put }: World): Promise<void> {
  const { digest } = harbor.artifact('trust/web', 'v1');
  const signature = makeSignature('trusted');
  await put('trust/web', digest.replace(':', '-').concat('.sig'), signature);
  translate(digests, [['c4f672be1fe7938e7bc217375f6f731118f779f06e895aa0ad479ed42c74db8d', signature.digest]]);
}

export function translate(
  digests: Map<string, string>,
  known: readonly (readonly [string, string | undefined])[],
): void {
  for (const [recorded, own] of known) if (own !== undefined) digests.set(`sha256:${recorded}`, own);
}
