/**
 * A container runtime in memory, for tests of whatever drives the port. It keeps the port's contract (the contract suite runs on it) and
 * behaves like the runtime that `like` names where they differ: what survives an abort, what refuses to be removed, what is reported.
 *
 * Without `faults.bytesPerSecond` and `unpackMs` nothing waits for a timer, so that it suits fake time. Tests drive it through
 * `registry` and the control methods below the port's own.
 */

import { tmpdir } from 'node:os';
import { Failure } from '../../agent/core/failure.ts';
import { normaliseReference, parseReference, repositoryName, storedName } from '../../agent/core/image-reference.ts';
import type * as port from '../../agent/runtime/runtime.ts';
import { FakeContainers } from './fake-containers.ts';
import { FakeEvents } from './fake-events.ts';
import { FakeGate } from './fake-gate.ts';
import type { FakeCall, FakeMethod } from './fake-gate.ts';
import { fakeImage } from './fake-image.ts';
import type { FakeImage, FakeImageSpec } from './fake-image.ts';
import { fakeKinds } from './fake-kinds.ts';
import { FakePuller } from './fake-puller.ts';
import { FakeRegistryContent } from './fake-registry-content.ts';
import { FakeStore } from './fake-store.ts';
import { Pulse } from './pulse.ts';

export interface FakeRuntimeOptions {
  readonly like?: port.RuntimeKind;
  readonly platform?: string;
  readonly registry?: FakeRegistryContent;
  /** Time that each layer takes to unpack, with a sign of progress ten times a second; 0: at once. */
  readonly unpackMs?: number;
}

export class FakeRuntime implements port.Runtime {
  readonly registry: FakeRegistryContent;
  readonly kind: port.RuntimeKind;
  readonly #store: FakeStore;
  readonly #puller: FakePuller;
  readonly #pulse = new Pulse();
  readonly #gate = new FakeGate(this.#pulse);
  readonly #events = new FakeEvents(this.#pulse);
  readonly #containers = new FakeContainers((event) => this.#events.emit(event));

  constructor(options: FakeRuntimeOptions = {}) {
    this.kind = options.like ?? 'containerd';
    this.registry = options.registry ?? new FakeRegistryContent();
    this.#store = new FakeStore(fakeKinds[this.kind].store);
    this.#puller = new FakePuller(this.#store, this.registry, this.#pulse, {
      platform: options.platform ?? 'linux/amd64',
      unpackMs: options.unpackMs ?? 0,
      resumes: fakeKinds[this.kind].capabilities.resume,
      reportsProgress: fakeKinds[this.kind].capabilities.progress,
    });
  }

  async info(signal: AbortSignal): Promise<port.RuntimeInfo> {
    await this.#gate.enter('info', undefined, signal);
    const { info, capabilities } = fakeKinds[this.kind];
    // A path that exists wherever tests run: callers may ask for its filesystem.
    return { kind: this.kind, ...info, imageRoot: tmpdir(), capabilities };
  }

  async listImages(signal: AbortSignal): Promise<readonly port.RuntimeImage[]> {
    await this.#gate.enter('listImages', undefined, signal);
    return this.#store.listImages();
  }

  async listContainers(signal: AbortSignal): Promise<readonly port.RuntimeContainer[]> {
    await this.#gate.enter('listContainers', undefined, signal);
    return this.#containers.list();
  }

  async listLayers(signal: AbortSignal): Promise<port.PresentLayers> {
    await this.#gate.enter('listLayers', undefined, signal);
    return this.#store.listLayers();
  }

  async pull(request: port.PullRequest, signal: AbortSignal): Promise<port.PullResult> {
    await this.#gate.enter('pull', request.reference, signal);
    const checkAlive = this.#gate.lifeCheck();
    const image = await this.#puller.pull(request, signal, checkAlive, (pulled) => {
      const reference = parseReference(request.reference);
      const digestName = `${repositoryName(reference)}@${pulled.manifestDigest}`;
      this.#save(pulled, [...new Set([storedName(reference), digestName])]);
    });
    return { imageId: image.id };
  }

  async discardPartialPulls(keep: ReadonlySet<string>, signal: AbortSignal): Promise<void> {
    await this.#gate.enter('discardPartialPulls', undefined, signal);
    this.#puller.discard(keep);
  }

  async removeImage(imageId: string, signal: AbortSignal): Promise<'removed' | 'absent' | 'in_use'> {
    await this.#gate.enter('removeImage', imageId, signal);
    if (!this.#store.has(imageId)) return 'absent';
    if (fakeKinds[this.kind].refusesInUse && this.#containers.use(imageId)) return 'in_use';
    this.#remove(imageId);
    return 'removed';
  }

  async setPinned(name: string, pinned: boolean, signal: AbortSignal): Promise<void> {
    await this.#gate.enter('setPinned', name, signal);
    if (!fakeKinds[this.kind].capabilities.pin) throw new Failure('runtime', `${this.kind} cannot pin`);
    if (this.#store.find(name) === undefined) throw new Failure('not_found', `no image is named ${name}`);
    this.#store.setPinned(name, pinned);
  }

  async addName(source: string, target: string, signal: AbortSignal): Promise<void> {
    await this.#gate.enter('addName', `${source} ${target}`, signal);
    if (!fakeKinds[this.kind].capabilities.alias) throw new Failure('runtime', `${this.kind} cannot name an image`);
    const image = this.#store.find(source);
    if (image === undefined) throw new Failure('not_found', `no image is named ${source}`);
    this.#save(image, [target]);
  }

  async *watch(signal: AbortSignal): AsyncIterable<port.RuntimeEvent> {
    if (signal.aborted) return;
    await this.#gate.enter('watch', undefined, signal);
    const checkAlive = this.#gate.lifeCheck();
    if (!fakeKinds[this.kind].capabilities.events) throw new Failure('runtime', `${this.kind} tells no events`);
    yield* this.#events.watch(signal, checkAlive);
  }

  close(): void {}

  /** Puts an image there without a pull, as if somebody had imported it. */
  addImage(reference: string, spec: FakeImageSpec): FakeImage {
    const name = storedName(parseReference(reference));
    const image = this.registry.find(name) ?? fakeImage(name, spec);
    this.#store.unpackAll(image);
    this.#save(image, [name]);
    return image;
  }

  /** Removes an image behind the agent's back, with all its names. */
  vanish(reference: string): void {
    this.#remove(this.#named(reference).id);
  }

  /** Gives an image a further name behind the agent's back. */
  tag(reference: string, name: string): void {
    this.#save(this.#named(reference), [normaliseReference(name)]);
  }

  /** Takes a part of the image away, so that it is listed but not whole. */
  damage(reference: string, part: 'config' | 'layer' = 'layer'): void {
    this.#store.damage(this.#named(reference), part);
  }

  /** The pull of this reference waits when that many bytes of its blobs are here (0: before anything is asked). */
  holdPull(reference: string, atBytes = 0): void {
    this.#puller.hold(storedName(parseReference(reference)), atBytes);
  }

  releasePull(reference: string): void {
    this.#puller.release(storedName(parseReference(reference)));
  }

  /** Resolves when a pull of this reference waits at its hold. */
  async held(reference: string, signal: AbortSignal): Promise<void> {
    const name = storedName(parseReference(reference));
    await this.#pulse.until(() => this.#puller.isHeld(name), signal);
    signal.throwIfAborted();
  }

  /** The next pull of this reference fails; call it again for the one after that. */
  failPull(reference: string, failure: Failure): void {
    this.failNext('pull', failure, storedName(parseReference(reference)));
  }

  failNext(method: FakeMethod, failure: Failure, target?: string): void {
    this.#gate.failNext({ method, target, failure });
  }

  /** Every call of the port so far. */
  get calls(): FakeCall[] {
    return this.#gate.calls;
  }

  /** Methods that do not answer until their signal fires. */
  get hanging(): Set<FakeMethod> {
    return this.#gate.hanging;
  }

  /** References being pulled now. */
  get pulling(): string[] {
    return this.#puller.pulling;
  }

  /** References whose partial pulls are kept for a retry (only where `resume` is declared). */
  get leases(): string[] {
    return this.#puller.leases;
  }

  /** Blobs that are there in part, kept or being fetched. */
  get partialBlobs(): string[] {
    return this.#store.partialBlobs;
  }

  /** Bytes of blobs on its disk, whole ones and partial ones. */
  get blobBytes(): number {
    return this.#store.blobBytes;
  }

  goAway(): void {
    this.#gate.goAway();
  }

  comeBack(): void {
    this.#gate.comeBack();
  }

  /** @returns the container's id. */
  startContainer(reference: string): string {
    const id = this.createContainer(reference);
    this.#containers.start(id);
    return id;
  }

  createContainer(reference: string): string {
    return this.#containers.create(this.#named(reference).id, normaliseReference(reference));
  }

  exitContainer(id: string): void {
    this.#containers.exit(id);
  }

  deleteContainer(id: string): void {
    this.#containers.delete(id);
  }

  #named(reference: string): FakeImage {
    const image = this.#store.find(storedName(parseReference(reference)));
    if (image === undefined) throw new Error(`the fake holds no ${reference}`);
    return image;
  }

  #save(image: FakeImage, names: readonly string[]): void {
    this.#store.save(image, names);
    for (const name of names) this.#events.emit({ kind: 'image', action: 'add', name });
  }

  #remove(imageId: string): void {
    const { tellsRemovedNames } = fakeKinds[this.kind];
    for (const removed of this.#store.remove(imageId)) {
      this.#events.emit({ kind: 'image', action: 'remove', name: tellsRemovedNames ? removed : imageId });
    }
  }
}
