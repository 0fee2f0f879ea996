/** One subject for a group of behaviours. */

import { afterAll, beforeAll } from 'vitest';
import { describeWith, needs } from '../../harness/needs.ts';
import { type AgentParts, createAgentParts } from '../agent-parts.ts';
import type { BehaviourMaker, BehaviourSubject, Login } from '../subject.ts';
import { patientMs } from '../waiting.ts';

export interface Suite {
  /** There once the tests run. */
  readonly subject: BehaviourSubject;
  /** The agent's parts with these logins, closed at the end. @param host default the subject's own */
  agent(logins: readonly Login[], host?: string, totalMs?: number): AgentParts;
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
    body({
      get subject() {
        if (subject === undefined) throw new Error('no subject');
        return subject;
      },
      agent(logins, host, totalMs) {
        const agent = createAgentParts(host ?? this.subject.host, logins, totalMs);
        agents.push(agent);
        return agent;
      },
    });
  });
}
