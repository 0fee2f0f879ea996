/** The processes of one scenario: an API server, agents, and the registry's link, which lives in the bench's own process. */

import { setTimeout as wait } from 'node:timers/promises';
import { makeFolder } from '../../harness/folder.ts';
import type { AgentOrder, ProcessFigures } from './agent-process.ts';
import type { ApiFigures, SlotHolder } from './api-process.ts';
import { type Child, startChild } from './child.ts';
import { toConfigurationText } from './cold-image.ts';
import { FastClock } from './fast-time.ts';
import { RegistryLink } from './link.ts';

export interface SwarmOptions {
  readonly maxNodes: number | undefined;
  readonly imageBytes: number;
  readonly nodeBytesPerSecond: number;
  readonly registryBytesPerSecond: number;
}

export interface AgentGroup {
  readonly nodes: readonly string[];
  readonly processes: readonly Child[];
  /** Resident, by the agents: what they added to processes that had loaded everything. */
  readonly bytesPerAgent: number;
}

/** Seconds are the swarm's. */
export class SwarmRun {
  readonly #clock = new FastClock();
  readonly #children: Child[] = [];
  readonly link: RegistryLink;
  readonly #options: SwarmOptions;
  readonly #scope: AsyncDisposableStack;
  readonly #api: Child;
  readonly #folder: string;
  /** Their pulls never end. */
  readonly #endless = new Set<string>();

  /** Everything ends with the scope. */
  static async start(options: SwarmOptions, scope: AsyncDisposableStack): Promise<SwarmRun> {
    const folder = await makeFolder('swarm');
    scope.defer(() => folder.remove());
    return new SwarmRun(options, scope, folder.path);
  }

  constructor(options: SwarmOptions, scope: AsyncDisposableStack, folder: string) {
    this.#options = options;
    this.#scope = scope;
    this.#folder = folder;
    this.link = new RegistryLink(options, this.#clock);
    scope.defer(() => this.link.close());
    this.#api = this.#startChild('./api-process.ts');
  }

  configure(withImage: boolean): Promise<void> {
    return this.#api.ask('configure', toConfigurationText(this.#options.maxNodes, withImage));
  }

  /** Resolves when all of them watch. `isEndless`: what they pull never comes to its end. */
  async startAgents(
    nodes: readonly string[],
    { isWarm = false, isEndless = false, processes: count = 2 } = {},
  ): Promise<AgentGroup> {
    await this.#api.ask('nodes', { names: nodes, folder: this.#folder });
    if (isEndless) for (const node of nodes) this.#endless.add(node);
    const processes = Array.from({ length: count }, () => this.#startChild('./agent-process.ts'));
    const bytes = async (): Promise<number> =>
      (await this.askAll(processes)).reduce((sum, { rssBytes }) => sum + rssBytes, 0);
    const before = await bytes();
    const orders = processes.map((process, index) => {
      const names = nodes.filter((_, place) => place % count === index);
      const order: AgentOrder = { names, folder: this.#folder, isWarm };
      return process.ask('start', order);
    });
    await Promise.all(orders);
    return { nodes, processes, bytesPerAgent: ((await bytes()) - before) / nodes.length };
  }

  /** As when the node loses power; its connections to the registry are gone too. */
  async kill({ nodes, processes }: AgentGroup): Promise<void> {
    await Promise.all(processes.map((process) => process.kill()));
    for (const node of nodes) this.link.leave(node);
    for (const process of processes) this.#children.splice(this.#children.indexOf(process), 1);
  }

  askAll(processes: readonly Child[]): Promise<ProcessFigures[]> {
    return Promise.all(processes.map((process) => process.ask<ProcessFigures>('figures')));
  }

  forgetRequests(): Promise<void> {
    return this.#api.ask('forgetRequests');
  }

  figures(): Promise<ApiFigures> {
    return this.#api.ask('figures');
  }

  holders(): Promise<SlotHolder[]> {
    return this.#api.ask('holders');
  }

  /** How many nodes the status view shows as ready. */
  ready(): Promise<number> {
    return this.#api.ask('ready');
  }

  /** On the swarm's clock, ms. */
  get now(): number {
    return this.#clock.now;
  }

  /** How much faster than the real one the swarm's time runs from now on. */
  setSpeed(factor: number): void {
    this.#clock.factor = factor;
    this.link.plan();
    for (const child of this.#children) child.tell({ news: 'speed', factor });
  }

  async pass(seconds: number): Promise<void> {
    await wait((1000 * seconds) / this.#clock.factor);
  }

  secondsSince(from: number, until = this.#clock.now): number {
    return (until - from) / 1000;
  }

  /** @throws RangeError when that much time has passed first */
  async until(what: string, withinSeconds: number, isSo: () => boolean | Promise<boolean>): Promise<void> {
    const begin = this.#clock.now;
    while (!(await isSo())) {
      if (this.secondsSince(begin) > withinSeconds)
        throw new RangeError(`${what}: not within ${withinSeconds} s of the swarm's time`);
      await wait(50);
    }
  }

  #startChild(file: string): Child {
    const child = startChild(file, (news) => {
      if (news.news === 'left') this.link.leave(news.node);
      else if (news.news === 'pull') this.#beginPull(child, news.node);
    });
    this.#scope.defer(() => child.kill());
    this.#children.push(child);
    child.tell({ news: 'speed', factor: this.#clock.factor });
    return child;
  }

  #beginPull(child: Child, node: string): void {
    const bytes = this.#endless.has(node) ? Infinity : this.#options.imageBytes;
    this.link.begin(node, bytes, () => child.tell({ news: 'pulled', node }));
  }
}
