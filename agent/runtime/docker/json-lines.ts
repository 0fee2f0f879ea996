import type { Readable } from 'node:stream';

import { Failure } from '../../core/failure.ts';

/**
 * The JSON values of a stream that carries one per line, as dockerd's pulls and events do. The stream's chunks may end anywhere, also
 * inside a character. Leaving the loop early destroys the stream.
 * @throws Failure `runtime` for a line that is no JSON; else what the stream throws when it breaks.
 */
export async function* readJsonLines(stream: Readable): AsyncGenerator<unknown, void, undefined> {
  stream.setEncoding('utf8');
  let rest = '';
  for await (const chunk of stream) {
    const lines = (rest + String(chunk)).split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) {
      if (line.trim() !== '') yield parseLine(line);
    }
  }
  if (rest.trim() !== '') yield parseLine(rest);
}

function parseLine(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch (error) {
    throw new Failure('runtime', `docker sent a line that is not JSON: ${line.slice(0, 200)}`, { cause: error });
  }
}
