/** Questions and answers between the bench and its processes, over the IPC channel of node:child_process. */

import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { Failure } from '../../../agent/core/failure.ts';

interface Question {
  readonly ask: string;
  readonly id: number;
  readonly value: unknown;
}

interface Answer {
  readonly id: number;
  readonly value?: unknown;
  readonly error?: string;
}

/** What nobody asked for. */
export type News =
  /** The child's: a node begins to pull, or breaks off. */
  | { readonly news: 'pull' | 'left'; readonly node: string }
  /** The bench's. */
  | { readonly news: 'pulled'; readonly node: string }
  | { readonly news: 'speed'; readonly factor: number };

export interface Child {
  readonly pid: number;
  /** @throws Failure `other` with what went wrong there, or when it ended before the answer */
  ask<Result>(what: string, value?: unknown): Promise<Result>;
  tell(news: News): void;
  /** SIGKILL; resolves when it is gone. */
  kill(): Promise<void>;
}

/** @param file beside this one */
export function startChild(file: string, onNews: (news: News) => void): Child {
  const path = fileURLToPath(new URL(file, import.meta.url));
  const child = fork(path, { execArgv: ['--expose-gc'], serialization: 'advanced' });
  const open = new Map<number, PromiseWithResolvers<unknown>>();
  let asked = 0;
  child.on('message', (message: Answer | News) => {
    if ('news' in message) return onNews(message);
    const waiting = open.get(message.id);
    open.delete(message.id);
    if (message.error === undefined) waiting?.resolve(message.value);
    else waiting?.reject(new Failure('other', `${file}: ${message.error}`));
  });
  child.on('exit', (code, signal) => {
    for (const { reject } of open.values()) reject(new Failure('other', `${file} ended: ${String(code ?? signal)}`));
    open.clear();
  });
  return {
    pid: child.pid ?? 0,
    ask<Result>(ask: string, value?: unknown) {
      asked += 1;
      const waiting = Promise.withResolvers<unknown>();
      open.set(asked, waiting);
      const question: Question = { ask, id: asked, value };
      child.send(question);
      return waiting.promise as Promise<Result>;
    },
    tell: (news) => void child.send(news),
    kill: () => kill(child),
  };
}

async function kill(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const gone = once(child, 'exit');
  child.kill('SIGKILL');
  await gone;
}

/** In the child: answers until the bench goes away. */
export function serve(
  answers: Readonly<Record<string, (value: never) => unknown>>,
  onNews: (news: News) => void,
): void {
  process.on('message', (message: Question | News) => {
    if ('news' in message) return onNews(message);
    const { ask, id, value } = message;
    void (async () => {
      try {
        const answer = answers[ask];
        if (answer === undefined) throw new Error(`nobody answers ${ask}`);
        process.send?.({ id, value: await answer(value as never) });
      } catch (error) {
        process.send?.({ id, error: error instanceof Error ? (error.stack ?? error.message) : String(error) });
      }
    })();
  });
  process.on('disconnect', () => process.exit());
}
