/** A gRPC server of given answers, which keeps what it was asked. */

import type { GrpcClient } from '../../../agent/runtime/grpc/client.ts';

/** By `Service/Method`, the service without its package. A function gets the request; an error is thrown; of a stream it is the one message. */
export type Answers = Record<string, unknown>;

export interface Asked {
  readonly method: string;
  readonly request: Readonly<Record<string, unknown>>;
}

export class ScriptedGrpc {
  readonly answers: Answers;
  asked: Asked[] = [];

  constructor(answers: Answers) {
    this.answers = answers;
  }

  readonly client = {
    unary: (method: Method, request: Asked['request']) => this.answer(method, request),
    stream: (method: Method, request: Asked['request']) => this.items(method, request),
  } as unknown as GrpcClient;

  count(method: string): number {
    return this.asked.filter((asked) => asked.method === method).length;
  }

  private async answer({ service, name }: Method, request: Asked['request']): Promise<unknown> {
    const method = `${service.split('.').at(-1)}/${name}`;
    this.asked.push({ method, request });
    if (!(method in this.answers)) throw new Error(`nobody expects ${method}`);
    const answer = await Promise.resolve(this.answers[method]);
    const value: unknown = typeof answer === 'function' ? await (answer as (of: unknown) => unknown)(request) : answer;
    if (value instanceof Error) throw value;
    return value;
  }

  private async *items(method: Method, request: Asked['request']): AsyncGenerator {
    yield await this.answer(method, request);
  }
}

interface Method {
  readonly service: string;
  readonly name: string;
}
