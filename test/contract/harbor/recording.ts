/** The recorded exchanges with Harbor 2.15.2 (test/fixtures/harbor): one request and its answer each. */

import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

export interface Recording {
  readonly name: string;
  readonly note: string;
  readonly request: {
    readonly method: string;
    readonly path: string;
    readonly headers: Readonly<Record<string, string | number>>;
    readonly body: unknown;
  };
  readonly response: {
    readonly status: number;
    readonly headers: Readonly<Record<string, string>>;
    /** JSON is parsed; what is binary is described in angle brackets. */
    readonly body: unknown;
  };
}

const folder = fileURLToPath(new URL('../../fixtures/harbor', import.meta.url));
const listOfNames = 'names.json';

/** Every exchange that was recorded, also those that are not here. */
export function recordedNames(): readonly string[] {
  return JSON.parse(readFileSync(join(folder, listOfNames), 'utf8')) as string[];
}

/** Those that are here. */
export function keptNames(): readonly string[] {
  const files = readdirSync(folder).filter((file) => file.endsWith('.json') && file !== listOfNames);
  return files.map((file) => file.slice(0, -'.json'.length));
}

export function loadRecording(name: string): Recording {
  return JSON.parse(readFileSync(join(folder, `${name}.json`), 'utf8')) as Recording;
}
