/** One subject for a group of behaviours. */

import { afterAll, afterEach, beforeAll } from 'vitest';
import { describeWith, needs } from '../../harness/needs.ts';
import { type AgentOptions, type AgentParts, createAgentParts } from '../agent-parts.ts';
import type { BehaviourMaker, BehaviourSubject, Login } from '../subject.ts';
import { patientMs } from '../waiting.ts';

export interface Suite {
  /** There once the tests run. */
  readonly subject: BehaviourSubject;
  /** The agent's parts with these logins, closed at the end. By default they ask the subject itself. */
  agent(logins: readonly Login[], options?: Partial<AgentOptions>): AgentParts;
}

export function describeSuite(name: string, make: BehaviourMaker, body: (suite: Suite) => void): void {
  describeWith(needs.registry, name, () => {
    let subject: BehaviourSubject | undefined;
    const agents: AgentParts[] = [];
    beforeAll(async () => {
      subject = await make();
    }, patientMs);
    afterAll(async () => {
      await Promise.all(agents.map((agent) => agent.close()));
      await subject?.remove();
    }, patientMs);
    afterEach(async () => {
      if (subject === undefined) return;
      await subject.setUpstream('healthy');
      subject.upstream.faults.bytesPerSecond = undefined;
    }, patientMs);
    body({
      get subject() {
        if (subject === undefined) throw new Error('no subject');
        return subject;
      },
      agent(logins, options) {
        const { host, url } = this.subject;
        const agent = createAgentParts(logins, { host, plainHTTP: url.startsWith('http:'), ...options });
        agents.push(agent);
        return agent;
      },
    });
  });
}
