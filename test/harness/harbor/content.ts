/** What tests push: straight into Harbor's registry and database, without HTTP to Harbor itself. */

import { type BuiltImage, type BuiltIndex, mediaTypes } from '../images.ts';
import { pushImage } from '../push.ts';
import { isDigest, type Project, projectOf } from './model.ts';
import { parseConfig } from './proxy-cache.ts';
import type { HarborSystem } from './system.ts';

export interface NewContent {
  readonly manifest: Buffer;
  /** Of the manifest; default an OCI image's. */
  readonly mediaType?: string;
  /** By digest: config and layers. */
  readonly blobs?: ReadonlyMap<string, Buffer>;
  readonly tag?: string;
  readonly pushedAt?: Date;
}

/** @returns the digest that the tag now has */
export async function pushImageTo(
  system: HarborSystem,
  repository: string,
  tag: string,
  image: BuiltImage | BuiltIndex,
  pushedAt?: Date,
): Promise<string> {
  const { id } = findProject(system, repository);
  const { catalogue, storage } = system;
  const digest = await pushImage(
    { origin: `http://${storage.host}`, authorization: undefined },
    repository,
    tag,
    image,
  );
  const images = 'index' in image ? image.images : [image];
  for (const { manifest, config } of images) {
    catalogue.add(repository, id, {
      content: manifest,
      mediaType: mediaTypes.manifest,
      config: parseConfig(config),
      pushedAt,
    });
  }
  if ('index' in image) catalogue.add(repository, id, { content: image.index, mediaType: mediaTypes.index, pushedAt });
  if (!isDigest(tag)) catalogue.tag(repository, tag, digest, pushedAt);
  return digest;
}

/** @returns the digest of the manifest */
export async function putContent(system: HarborSystem, repository: string, content: NewContent): Promise<string> {
  const { id } = findProject(system, repository);
  const { catalogue, storage } = system;
  const { manifest, mediaType = mediaTypes.manifest, blobs = new Map<string, Buffer>(), tag, pushedAt } = content;
  for (const [digest, blob] of blobs) {
    if (!(await storage.hasBlob(repository, digest))) await storage.putBlob(repository, digest, blob, blob.length);
  }
  const { config } = JSON.parse(manifest.toString()) as { config?: { digest: string } };
  const parsed = parseConfig(config === undefined ? undefined : blobs.get(config.digest));
  const { digest } = catalogue.add(repository, id, { content: manifest, mediaType, config: parsed, pushedAt });
  await storage.putManifest(repository, digest, manifest, mediaType);
  if (tag !== undefined) catalogue.tag(repository, tag, digest, pushedAt);
  return digest;
}

function findProject(system: HarborSystem, repository: string): Project {
  const name = projectOf(repository);
  const project = system.project(name);
  if (project === undefined) throw new Error(`no project ${name}: add it first`);
  return project;
}
