/** What tests do to a fake runtime behind the agent's back, and what they see of it; fake-runtime.ts adds the port. */

import type { Failure } from '../../agent/core/failure.ts';
import { normaliseReference, parseReference, storedName } from '../../agent/core/image-reference.ts';
import type { Leftover, LeftoverKind } from '../../agent/core/leftovers.ts';
import type { ImageFilesystem } from '../../agent/core/node-images.ts';
import type { RuntimeKind } from '../../agent/runtime/runtime.ts';
import { FakeContainers } from './fake-containers.ts';
import { FakeDisk } from './fake-disk.ts';
import { FakeEvents } from './fake-events.ts';
import { FakeGate } from './fake-gate.ts';
import type { FakeCall, FakeMethod } from './fake-gate.ts';
import { fakeImage } from './fake-image.ts';
import type { FakeImage, FakeImageSpec } from './fake-image.ts';
import { fakeKinds } from './fake-kinds.ts';
import { FakeLeftovers } from './fake-leftovers.ts';
import type { FakeLeftoverSpec } from './fake-leftovers.ts';
import { FakePuller } from './fake-puller.ts';
import { FakeRegistryContent } from './fake-registry-content.ts';
import { FakeRemover } from './fake-remover.ts';
import type { RemovalStep } from './fake-remover.ts';
import { FakeStore } from './fake-store.ts';
import { Pulse } from './pulse.ts';

export interface FakeRuntimeOptions {
  readonly like?: RuntimeKind;
  readonly platform?: string;
  readonly registry?: FakeRegistryContent;
  /** Time that each layer takes to unpack, with a sign of progress ten times a second; 0: at once. */
  readonly unpackMs?: number;
}

export class FakeControls {
  readonly kind: RuntimeKind;
  readonly registry: FakeRegistryContent;
  /** Ids of images that the runtime itself needs. */
  readonly infrastructure = new Set<string>();
  /** The image filesystem: images, partial downloads and leftovers take room on it, and so may others. */
  readonly disk: FakeDisk;
  protected readonly store: FakeStore;
  protected readonly puller: FakePuller;
  protected readonly remover: FakeRemover;
  protected readonly containers: FakeContainers;
  protected readonly leftovers: FakeLeftovers;
  protected readonly pulse = new Pulse();
  protected readonly gate = new FakeGate(this.pulse);
  protected readonly events = new FakeEvents(this.pulse);

  constructor(options: FakeRuntimeOptions = {}) {
    this.kind = options.like ?? 'containerd';
    this.registry = options.registry ?? new FakeRegistryContent();
    const { store, capabilities, refusesInUse, tellsRemovedNames } = fakeKinds[this.kind];
    this.store = new FakeStore(store);
    this.leftovers = new FakeLeftovers(this.kind);
    this.disk = new FakeDisk(() => {
      const { bytes, files } = this.store.diskUsage();
      return { bytes: bytes + this.leftovers.bytes, files };
    });
    this.puller = new FakePuller(this.store, this.registry, this.pulse, {
      platform: options.platform ?? 'linux/amd64',
      unpackMs: options.unpackMs ?? 0,
      resumes: capabilities.resume,
      reportsProgress: capabilities.progress,
      availBytes: () => this.disk.availBytes,
    });
    this.containers = new FakeContainers({
      emit: (event) => this.events.emit(event),
      imageOnEveryEvent: this.kind === 'docker',
      findImageId: (name) => this.store.find(name)?.id,
    });
    this.remover = new FakeRemover(this.store, this.containers, {
      kind: this.kind,
      refusesInUse,
      onAdded: (name) => this.events.emit({ kind: 'image', action: 'add', name }),
      onRemoved: (name, imageId) =>
        this.events.emit({ kind: 'image', action: 'remove', name: tellsRemovedNames ? name : imageId }),
    });
  }

  /** Puts an image there without a pull, as if somebody had imported it. */
  addImage(reference: string, spec: FakeImageSpec): FakeImage {
    const name = storedName(parseReference(reference));
    const image = this.registry.find(name) ?? fakeImage(name, spec);
    this.store.unpackAll(image);
    this.save(image, [name]);
    return image;
  }

  /** Removes an image behind the agent's back, with all its names. */
  vanish(reference: string): void {
    const { id } = this.#named(reference);
    const { tellsRemovedNames } = fakeKinds[this.kind];
    for (const removed of this.store.remove(id)) {
      this.events.emit({ kind: 'image', action: 'remove', name: tellsRemovedNames ? removed : id });
    }
  }

  /** Gives an image a further name behind the agent's back. */
  tag(reference: string, name: string): void {
    this.save(this.#named(reference), [normaliseReference(name)]);
  }

  /** Takes one name of an image away behind the agent's back; the image goes with its last. */
  untag(reference: string): void {
    this.store.names.take(storedName(parseReference(reference)));
    this.store.collect();
  }

  /** Takes a part of the image away, so that it is listed but not whole. */
  damage(reference: string, part: 'config' | 'layer' = 'layer'): void {
    this.store.damage(this.#named(reference), part);
  }

  /** Pins a name as somebody else than the agent; one that the agent has pinned stays the agent's. */
  pinByOther(reference: string): void {
    if (this.kind === 'docker') throw new Error('docker has no pins');
    this.store.names.pin(storedName(parseReference(reference)), 'others');
  }

  /** The pin of a name goes, whoever set it, as when the kubelet pulls the tag. */
  losePin(reference: string): void {
    const name = storedName(parseReference(reference));
    this.store.names.unpin(name, 'us');
    this.store.names.unpin(name, 'others');
  }

  /**
   * Called, and awaited, within every removal: before anything goes and after each name. A container that is created there may name the
   * image by any name that it had. A callback that throws ends the removal there as a kill of the agent would.
   */
  onRemovalStep(callback: (step: RemovalStep) => unknown): void {
    this.remover.onStep = callback;
  }

  /** Leaves the image as a kill in the middle of its removal would, after this many of its names (tags go first). */
  cutRemoval(imageId: string, names = 1): void {
    const image = this.store.get(imageId);
    if (image === undefined) throw new Error(`the fake holds no ${imageId}`);
    this.remover.cut(image, names);
  }

  addLeftover(spec: FakeLeftoverSpec): Leftover {
    return this.leftovers.add(spec);
  }

  /** From now on something uses it. */
  useLeftover(kind: LeftoverKind, id: string): void {
    this.leftovers.use(kind, id);
  }

  /** As statfs would tell it now. */
  filesystem(): ImageFilesystem {
    return this.disk.read();
  }

  /** The pull of this reference waits when that many bytes of its blobs are here (0: before anything is asked). */
  holdPull(reference: string, atBytes = 0): void {
    this.puller.hold(storedName(parseReference(reference)), atBytes);
  }

  releasePull(reference: string): void {
    this.puller.release(storedName(parseReference(reference)));
  }

  /** Resolves when a pull of this reference waits at its hold. */
  async held(reference: string, signal: AbortSignal): Promise<void> {
    const name = storedName(parseReference(reference));
    await this.pulse.until(() => this.puller.isHeld(name), signal);
    signal.throwIfAborted();
  }

  /** The next pull of this reference fails; call it again for the one after that. */
  failPull(reference: string, failure: Failure): void {
    this.failNext('pull', failure, storedName(parseReference(reference)));
  }

  failNext(method: FakeMethod, failure: Failure, target?: string): void {
    this.gate.failNext({ method, target, failure });
  }

  /** Every call of the port so far. */
  get calls(): FakeCall[] {
    return this.gate.calls;
  }

  /** Methods that do not answer until their signal fires. */
  get hanging(): Set<FakeMethod> {
    return this.gate.hanging;
  }

  /** References being pulled now. */
  get pulling(): string[] {
    return this.puller.pulling;
  }

  /** References whose partial pulls are kept for a retry (only where `resume` is declared). */
  get leases(): string[] {
    return this.puller.leases;
  }

  /** Blobs that are there in part, kept or being fetched. */
  get partialBlobs(): string[] {
    return this.store.partialBlobs;
  }

  /** Bytes of blobs on its disk, whole ones and partial ones. */
  get blobBytes(): number {
    return this.store.blobBytes;
  }

  goAway(): void {
    this.gate.goAway();
  }

  comeBack(): void {
    this.gate.comeBack();
  }

  /** @returns the container's id. */
  startContainer(reference: string, options?: { readonly byHand?: boolean }): string {
    const id = this.createContainer(reference, options);
    this.containers.start(id);
    return id;
  }

  /** `byHand`: not the kubelet's, so that only a name is recorded: what that stands for later counts as its image too. */
  createContainer(reference: string, { byHand = false }: { readonly byHand?: boolean } = {}): string {
    return this.containers.create(this.#named(reference).id, normaliseReference(reference), byHand);
  }

  exitContainer(id: string): void {
    this.containers.exit(id);
  }

  deleteContainer(id: string): void {
    this.containers.delete(id);
  }

  protected save(image: FakeImage, names: readonly string[]): void {
    this.store.save(image, names);
    for (const name of names) this.events.emit({ kind: 'image', action: 'add', name });
  }

  #named(reference: string): FakeImage {
    const name = storedName(parseReference(reference));
    const image = this.store.find(name) ?? this.remover.findBeingRemoved(name);
    if (image === undefined) throw new Error(`the fake holds no ${reference}`);
    return image;
  }
}
