import { type ClientRequest, type IncomingMessage, request } from 'node:http';
import { connect } from 'node:net';
import { text } from 'node:stream/consumers';
import { errorMessage, Failure } from '../core/failure.ts';
import type { PlanDocument } from '../core/plan-document.ts';
import type { RoundOutcome } from '../core/pull-round.ts';
import {
  type ControlError,
  type ControlledAgent,
  fitsSocketPath,
  planPath,
  prunePath,
  pullPath,
  type RoundEvent,
  silenceLimitMs,
  toControlSocketPath,
  toFailure,
} from './protocol.ts';
import { toPruneBody } from './prune-body.ts';

/** How long an agent may take for an answer that needs neither pull nor removal. */
const answerLimitMs = 30_000;

/**
 * The running agent that holds this state folder; undefined when none does.
 * @throws Failure `other` when one may be there and cannot be asked (not root)
 */
export async function connectControl(stateDir: string, signal: AbortSignal): Promise<ControlledAgent | undefined> {
  signal.throwIfAborted();
  const path = toControlSocketPath(stateDir);
  // No agent can listen there either.
  if (!fitsSocketPath(path)) return undefined;
  return (await isAnswering(path)) ? createControlClient(path) : undefined;
}

/** A Unix socket connects or refuses at once, so there is nothing to wait for or to abort. */
function isAnswering(path: string): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const socket = connect(path);
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', (error: NodeJS.ErrnoException) => {
      if (absentCodes.has(error.code ?? '')) resolve(false);
      else reject(new Failure('other', `the agent cannot be asked on ${path}: ${error.message}`, { cause: error }));
    });
  });
}

/** No folder or socket; a socket file that a killed agent left; something else by that name. */
const absentCodes: ReadonlySet<string> = new Set(['ENOENT', 'ENOTDIR', 'ECONNREFUSED', 'ENOTSOCK']);

function createControlClient(path: string): ControlledAgent {
  return {
    plan: async (signal) => {
      const limited = AbortSignal.any([signal, AbortSignal.timeout(answerLimitMs)]);
      return await guard(signal, async () => {
        // Node's own agent would give up after 5 s of silence (Node 24).
        const asking = request({ socketPath: path, path: planPath, signal: limited, timeout: silenceLimitMs });
        const response = await send(asking);
        return JSON.parse(await text(response)) as PlanDocument;
      });
    },
    followRound: (onEvent, signal) => followStream(path, pullPath, '', onEvent, signal),
    pruneRound: (order, onEvent, signal) => followStream(path, prunePath, toPruneBody(order), onEvent, signal),
  };
}

/**
 * The agent knows what it streams for which question, so the events are taken for what was asked for. A run that broke tells what it has
 * done before it tells why, so the stream is read to its end.
 */
function followStream<Event extends RoundEvent>(
  socketPath: string,
  path: string,
  body: string,
  onEvent: (event: Event) => void,
  signal: AbortSignal,
): Promise<RoundOutcome> {
  return guard(signal, async () => {
    const asking = request({ socketPath, path, method: 'POST', signal, timeout: silenceLimitMs });
    let outcome: RoundOutcome | undefined;
    let failure: Failure | undefined;
    try {
      for await (const line of readLines(await send(asking, body))) {
        if (line === '') continue;
        const event = JSON.parse(line) as Event | ControlError;
        if (isError(event)) {
          failure = toFailure(event);
          break;
        }
        onEvent(event);
        if (event.kind === 'done') outcome = event.outcome;
      }
    } catch (error) {
      // What is done is done, also when the agent goes away right after.
      if (outcome === undefined) throw error;
    }
    if (failure !== undefined) throw failure;
    if (outcome === undefined) throw new Failure('other', 'the agent went away before the round was done');
    return outcome;
  });
}

function isError(event: RoundEvent | ControlError): event is ControlError {
  return event.kind === 'error';
}

/** Not readline's: it does not pass on an error of its input, and a broken connection would look like the end. */
async function* readLines(response: IncomingMessage): AsyncGenerator<string> {
  let rest = '';
  response.setEncoding('utf8');
  for await (const chunk of response as AsyncIterable<string>) {
    const lines = (rest + chunk).split('\n');
    rest = lines.pop() ?? '';
    yield* lines;
  }
}

async function send(sending: ClientRequest, body = ''): Promise<IncomingMessage> {
  const response = await new Promise<IncomingMessage>((resolve, reject) => {
    sending.once('response', resolve);
    sending.on('error', reject);
    sending.once('timeout', () => {
      sending.destroy(new Failure('timeout', `the agent has said nothing for ${silenceLimitMs / 1000} s`));
    });
    sending.end(body);
  });
  if (response.statusCode === 200) return response;
  throw toFailure(JSON.parse(await text(response)) as ControlError);
}

async function guard<T>(signal: AbortSignal, ask: () => Promise<T>): Promise<T> {
  try {
    return await ask();
  } catch (error) {
    signal.throwIfAborted();
    if (error instanceof Failure) throw error;
    throw new Failure('other', `the connection to the running agent broke: ${errorMessage(error)}`, { cause: error });
  }
}
