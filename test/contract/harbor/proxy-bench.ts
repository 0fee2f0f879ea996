/** Projects with an upstream that is counted: what the tests of proxy-cache projects share. */

import { afterAll, beforeAll, beforeEach } from 'vitest';
import { type BuiltImage, buildImage, buildIndex, buildLayer } from '../../harness/images.ts';
import type { Reply } from './client.ts';
import { askAs, type HarborSubject, type SubjectMaker } from './subject.ts';

/** A real Harbor looks every 20 seconds only. */
export const patientMs = 180_000;

export interface Uploaded {
  readonly index: string;
  readonly image: BuiltImage;
  readonly other: BuiltImage;
}

export class ProxyBench {
  /** Of the test that runs; a proxy project. */
  project = '';
  #subject: HarborSubject | undefined;
  #seeds = 0;

  /** Inside of a suite: one subject for it, one project for each test. */
  constructor(make: SubjectMaker) {
    beforeAll(async () => {
      this.#subject = await make();
    });
    afterAll(() => this.subject.remove(), patientMs);
    beforeEach(async () => {
      await this.subject.setUpstream('healthy');
      this.project = (await this.subject.project({ proxy: true })).name;
      const { faults, requests } = this.subject.upstream;
      Object.assign(faults, { bytesPerSecond: undefined, cutBlobAfterBytes: undefined, hangBlobAfterBytes: undefined });
      requests.length = 0;
    });
  }

  get subject(): HarborSubject {
    if (this.#subject === undefined) throw new Error('there is no Harbor yet');
    return this.#subject;
  }

  /** Of this project, as the administrator. */
  get(path: string, method = 'GET', headers = {}): Promise<Reply> {
    return askAs(this.subject, this.subject.admin, { method, path: `/v2/${this.project}/${path}`, headers });
  }

  /** HEADs, GETs of manifests and GETs of blobs at the upstream since the last time. */
  cost(): [heads: number, manifests: number, blobs: number] {
    const { requests } = this.subject.upstream;
    const heads = requests.filter(({ method }) => method === 'HEAD').length;
    const gets = requests.filter(({ method }) => method === 'GET');
    const manifests = gets.filter(({ path }) => path.includes('/manifests/')).length;
    const blobs = gets.filter(({ path }) => path.includes('/blobs/')).length;
    requests.length = 0;
    return [heads, manifests, blobs];
  }

  makeImage(architecture = 'amd64', sizeBytes = 3_000): BuiltImage {
    this.#seeds += 1;
    const layers = [buildLayer({ seed: `proxy-${process.pid}-${this.#seeds}`, sizeBytes })];
    return buildImage({ layers, platform: { os: 'linux', architecture } });
  }

  /** To the upstream, for amd64 and arm64. @returns the digest of the index, the image for amd64 and the other one */
  async upload(repository: string, sizeBytes?: number): Promise<Uploaded> {
    const image = this.makeImage('amd64', sizeBytes);
    const other = this.makeImage('arm64', sizeBytes);
    const both = buildIndex([image, other]);
    await this.subject.upstream.push(repository, 'v1', both);
    return { index: both.indexDigest, image, other };
  }

  async pullBlobs(repository: string, { configDigest, layers }: BuiltImage): Promise<void> {
    const digests = [configDigest, ...layers.map((layer) => layer.digest)];
    for (const digest of digests) await this.get(`${repository}/blobs/${digest}`);
  }

  /** What the API says, which does not ask the upstream. */
  async isLocal(repository: string, reference: string): Promise<boolean> {
    const name = encodeURIComponent(encodeURIComponent(repository));
    const path = `/api/v2.0/projects/${this.project}/repositories/${name}/artifacts/${reference}`;
    return (await askAs(this.subject, this.subject.admin, { method: 'GET', path })).status === 200;
  }

  /** As a container runtime pulls one platform. @returns once the child is local */
  async cache(repository: string): Promise<Uploaded> {
    const { index, image, other } = await this.upload(repository);
    await this.get(`${repository}/manifests/v1`, 'HEAD');
    await this.get(`${repository}/manifests/${index}`);
    await this.get(`${repository}/manifests/${image.manifestDigest}`);
    await this.pullBlobs(repository, image);
    await until(() => this.isLocal(repository, image.manifestDigest));
    this.cost();
    return { index, image, other };
  }

  /** An image without an index. @returns its digest, once image and tag are local */
  async cacheSingle(repository: string): Promise<string> {
    const image = this.makeImage();
    await this.subject.upstream.push(repository, 'v1', image);
    await this.get(`${repository}/manifests/v1`);
    await this.pullBlobs(repository, image);
    const { manifestDigest } = image;
    await until(async () => (await this.isLocal(repository, manifestDigest)) && this.isLocal(repository, 'v1'));
    return manifestDigest;
  }
}

/** Asks again and again. @throws Error after a generous time */
export async function until(isTrue: () => Promise<boolean>): Promise<void> {
  const end = Date.now() + patientMs / 2;
  while (!(await isTrue())) {
    if (Date.now() > end) throw new Error('it did not come about');
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}
