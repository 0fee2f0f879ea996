/** The artifacts that Harbor's database knows: repositories, tags, labels, scans and times. Content itself lies in the registry. */

import { toDigest } from '../images.ts';
import { type Artifact, isDigest, type Repository, type Tag } from './model.ts';

export interface NewArtifact {
  readonly content: Buffer;
  readonly mediaType: string;
  /** Of an image: what its config says. */
  readonly config?: Readonly<Record<string, unknown>> | undefined;
  readonly pushedAt?: Date | undefined;
}

interface Document {
  readonly artifactType?: string;
  readonly annotations?: Readonly<Record<string, string>>;
  readonly subject?: { readonly digest: string };
  readonly config?: { readonly mediaType: string; readonly digest: string; readonly size: number };
  readonly layers?: readonly { readonly digest: string; readonly size: number }[];
  readonly manifests?: readonly {
    readonly digest: string;
    readonly platform?: Artifact['children'][number]['platform'];
  }[];
}

export class Catalogue {
  readonly repositories = new Map<string, Repository>();
  #nextId = 1;

  /** @returns undefined where Harbor says 404 */
  find(repository: string, reference: string): Artifact | undefined {
    const held = this.repositories.get(repository);
    return held?.artifacts.get(isDigest(reference) ? reference : (held.tags.get(reference)?.digest ?? ''));
  }

  /** The words of Harbor's 404. */
  absence(repository: string, reference: string): string {
    if (isDigest(reference)) return `artifact ${repository}@${reference} not found`;
    const known = this.repositories.has(repository);
    return known ? `artifact ${repository}:${reference} not found` : `repository ${repository} not found`;
  }

  tagsOf(artifact: Artifact): readonly Tag[] {
    const tags = this.repositories.get(artifact.repository)?.tags.values() ?? [];
    return [...tags].filter(({ digest }) => digest === artifact.digest);
  }

  accessoriesOf({ repository, digest }: Pick<Artifact, 'repository' | 'digest'>): readonly Artifact[] {
    const all = this.repositories.get(repository)?.artifacts.values() ?? [];
    return [...all].filter(({ subject }) => subject?.digest === digest);
  }

  parentsOf({ repository, digest }: Artifact): readonly Artifact[] {
    const all = this.repositories.get(repository)?.artifacts.values() ?? [];
    return [...all].filter(({ children }) => children.some((child) => child.digest === digest));
  }

  childrenOf({ repository, children }: Artifact): readonly Artifact[] {
    return children.flatMap(({ digest }) => this.find(repository, digest) ?? []);
  }

  /** Bytes that Harbor shows: the manifest and what it refers to. */
  sizeOf(artifact: Artifact): number {
    const blobs = artifact.blobs.reduce((sum, { size }) => sum + size, 0);
    return this.childrenOf(artifact).reduce((sum, child) => sum + this.sizeOf(child), artifact.manifestBytes + blobs);
  }

  knowsBlob(digest: string): boolean {
    for (const { artifacts } of this.repositories.values())
      for (const { blobs } of artifacts.values()) if (blobs.some((blob) => blob.digest === digest)) return true;
    return false;
  }

  /** Known ones are left as they are. */
  add(repository: string, projectId: number, artifact: NewArtifact): Artifact {
    const { content, mediaType, config, pushedAt = new Date() } = artifact;
    const held = this.#repository(repository, projectId, pushedAt);
    const digest = toDigest(content);
    const known = held.artifacts.get(digest);
    if (known !== undefined) return known;
    const document = JSON.parse(content.toString()) as Document;
    const { annotations, subject } = document;
    const added: Artifact = {
      id: this.#nextId++,
      repository,
      digest,
      mediaType,
      manifestBytes: content.length,
      blobs: [...(document.config === undefined ? [] : [document.config]), ...(document.layers ?? [])],
      children: (document.manifests ?? []).map((child) => ({ digest: child.digest, platform: child.platform })),
      configMediaType: document.config?.mediaType,
      artifactType: document.artifactType ?? document.config?.mediaType,
      config,
      annotations,
      subject: subject === undefined ? undefined : { digest: subject.digest, type: toAccessoryType(document) },
      pushedAt,
      pulledAt: undefined,
      labels: [],
      scan: undefined,
    };
    held.artifacts.set(digest, added);
    held.updatedAt = pushedAt;
    return added;
  }

  /** cosign's older signatures are tags: `sha256-HEX.sig`. The tag itself is not listed then. */
  tag(repository: string, name: string, digest: string, at = new Date()): void {
    const held = this.repositories.get(repository);
    const artifact = held?.artifacts.get(digest);
    if (held === undefined || artifact === undefined) throw new Error(`no ${repository}@${digest} to tag`);
    const signed = /^sha256-([0-9a-f]{64})\.sig$/.exec(name)?.[1];
    if (signed !== undefined) {
      const subject = { digest: `sha256:${signed}`, type: 'signature.cosign' };
      held.artifacts.set(digest, { ...artifact, subject });
    }
    const known = held.tags.get(name);
    if (known?.digest === digest) return;
    const id = known?.id ?? this.#nextId++;
    held.tags.set(name, { id, name, digest, pushedAt: at, pulledAt: undefined, immutable: false });
    held.updatedAt = at;
  }

  remove(repository: string, digest: string): void {
    const held = this.repositories.get(repository);
    held?.artifacts.delete(digest);
    for (const tag of held?.tags.values() ?? []) if (tag.digest === digest) held?.tags.delete(tag.name);
  }

  /** A GET of a manifest: the parents move as well (since 2.15.1), the tag only when it was asked by. */
  notePull(artifact: Artifact, reference: string, at = new Date()): void {
    artifact.pulledAt = at;
    for (const parent of this.parentsOf(artifact)) parent.pulledAt = at;
    const held = this.repositories.get(artifact.repository);
    if (held === undefined) return;
    held.pullCount += 1;
    const tag = held.tags.get(reference);
    if (tag !== undefined) tag.pulledAt = at;
  }

  #repository(name: string, projectId: number, at: Date): Repository {
    const known = this.repositories.get(name);
    if (known !== undefined) return known;
    const id = this.#nextId++;
    const made: Repository = {
      id,
      name,
      projectId,
      createdAt: at,
      updatedAt: at,
      pullCount: 0,
      artifacts: new Map(),
      tags: new Map(),
    };
    this.repositories.set(name, made);
    return made;
  }
}

function toAccessoryType({ artifactType, config, layers }: Document): string {
  const types = [
    artifactType,
    config?.mediaType,
    ...(layers ?? []).map((layer) => (layer as { mediaType?: string }).mediaType),
  ];
  if (types.includes('application/vnd.cncf.notary.signature')) return 'signature.notation';
  if (types.some((type) => /cosign.*sig|cosign.simplesigning/.test(type ?? ''))) return 'signature.cosign';
  if (types.some((type) => type?.startsWith('application/vnd.goharbor.harbor.sbom'))) return 'sbom.harbor';
  return 'subject.accessory';
}
