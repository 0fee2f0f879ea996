import { hostname } from 'node:os';
import { resolve } from 'node:path';
import { type Command, Option } from 'commander';
import { errorMessage } from '../core/failure.ts';
import { InvalidReferenceError, parseReference, storedName } from '../core/image-reference.ts';
import type { Labels } from '../core/label-selector.ts';
import { labelKeyRule, labelValueRule } from '../core/label-syntax.ts';
import { toSocketPath } from '../runtime/endpoint.ts';
import type { RuntimeKind } from '../runtime/runtime.ts';
import type { LogLevel, Settings } from '../settings.ts';
import { UsageError } from './exit-codes.ts';

/** As commander hands them over: only what was written on the command line. */
export interface CommonOptions {
  readonly config?: string;
  readonly label?: readonly string[];
  readonly labelsFile?: string;
  readonly nodeName?: string;
  readonly runtime?: string;
  readonly endpoint?: string;
  readonly imageFilesystem?: string;
  readonly ownImage?: string;
  readonly stateDir?: string;
  readonly listen?: string;
  readonly logLevel?: string;
}

const defaults = {
  configFile: '/etc/stevedore/config.yaml',
  stateDir: '/var/lib/stevedore',
  listen: '127.0.0.1:9746',
};

const runtimes: readonly (RuntimeKind | 'auto')[] = ['auto', 'docker', 'containerd', 'cri'];
const logLevels: readonly LogLevel[] = ['trace', 'debug', 'info', 'warn', 'error', 'silent'];

/** On the root command; commander takes them before and after the command's name. */
export function addCommonOptions(command: Command): Command {
  const collect = (value: string, earlier: readonly string[] = []): readonly string[] => [...earlier, value];
  return command
    .option('--config <file>', `configuration file (default: ${defaults.configFile}; env: STEVEDORE_CONFIG)`)
    .addOption(
      new Option(
        '--label <key=value>',
        'a label of this node, repeatable; wins over the labels file (env: STEVEDORE_LABELS=a=b,c=d)',
      ).argParser(collect),
    )
    .option(
      '--labels-file <file>',
      'labels of this node, one KEY=VALUE a line, # comments; watched (env: STEVEDORE_LABELS_FILE)',
    )
    .option('--node-name <name>', "this node's name (default: the host name; env: STEVEDORE_NODE_NAME)")
    .option('--runtime <kind>', `container runtime: ${runtimes.join(', ')} (default: auto; env: STEVEDORE_RUNTIME)`)
    .option('--endpoint <url>', "the runtime's socket, unix:///… (default: the usual places; env: STEVEDORE_ENDPOINT)")
    .option(
      '--image-filesystem <dir>',
      'a folder on the image filesystem, for its free space (default: where the runtime says; env: STEVEDORE_IMAGE_FILESYSTEM)',
    )
    .option(
      '--own-image <reference>',
      "the agent's own image, which is never removed (default: none; env: STEVEDORE_OWN_IMAGE)",
    )
    .option('--state-dir <dir>', `state folder (default: ${defaults.stateDir}; env: STEVEDORE_STATE_DIR)`)
    .option(
      '--listen <host:port>',
      `where to serve health and metrics (default: ${defaults.listen}; env: STEVEDORE_LISTEN)`,
    )
    .option(
      '--log-level <level>',
      `${logLevels.join(', ')} (default: info for run, error elsewhere; env: STEVEDORE_LOG_LEVEL)`,
    );
}

/** The options that say what to look at: with one of them on the command line, a running agent's answer is not meant. */
export function findViewOptions(options: CommonOptions): readonly string[] {
  const { config, label, labelsFile, nodeName, runtime, endpoint, ownImage } = options;
  const given = {
    '--config': config,
    '--label': label,
    '--labels-file': labelsFile,
    '--node-name': nodeName,
    '--runtime': runtime,
    '--endpoint': endpoint,
    '--own-image': ownImage,
  };
  return Object.entries(given).flatMap(([name, value]) => (value === undefined ? [] : [name]));
}

/** A value with the name by which the user gave it. An empty variable counts as not set, as manifests often leave it. */
export interface Given {
  readonly name: string;
  readonly value: string;
}

/**
 * The command line wins over the environment; labels of both are put together, key by key.
 * @throws UsageError naming option or variable, value and rule
 */
export function parseSettings(
  options: CommonOptions,
  environment: NodeJS.ProcessEnv,
  defaultLogLevel: LogLevel,
): Settings {
  const given = (name: string, value: string | undefined): Given | undefined => {
    if (value !== undefined) return { name: `--${name}`, value };
    const variable = `STEVEDORE_${name.toUpperCase().replaceAll('-', '_')}`;
    const set = environment[variable];
    return set === undefined || set === '' ? undefined : { name: variable, value: set };
  };
  const labelsFile = given('labels-file', options.labelsFile);
  const imageFilesystem = given('image-filesystem', options.imageFilesystem);
  return {
    configFile: parsePath(given('config', options.config), defaults.configFile),
    labels: { ...parseLabelList(given('labels', undefined)), ...parseLabels('--label', options.label ?? []) },
    labelsFile: labelsFile === undefined ? undefined : parsePath(labelsFile, ''),
    nodeName: parseNodeName(given('node-name', options.nodeName)),
    runtime: parseChoice(given('runtime', options.runtime) ?? { name: '--runtime', value: 'auto' }, runtimes),
    endpoint: parseEndpoint(given('endpoint', options.endpoint)),
    imageFilesystem: imageFilesystem === undefined ? undefined : parsePath(imageFilesystem, ''),
    ownImage: parseOwnImage(given('own-image', options.ownImage)),
    stateDir: parsePath(given('state-dir', options.stateDir), defaults.stateDir),
    listen: parseListen(given('listen', options.listen) ?? { name: '--listen', value: defaults.listen }),
    logLevel: parseChoice(
      given('log-level', options.logLevel) ?? { name: '--log-level', value: defaultLogLevel },
      logLevels,
    ),
  };
}

/** @throws UsageError naming option or variable, value and rule */
export function fail({ name, value }: Given, rule: string): never {
  throw new UsageError(`${name} ${JSON.stringify(value)}: ${rule}`);
}

function parsePath(given: Given | undefined, fallback: string): string {
  if (given === undefined) return fallback;
  if (given.value === '' || given.value.includes('\0')) fail(given, 'must be a path');
  return resolve(given.value);
}

function parseNodeName(given: Given | undefined): string {
  const name = given?.value ?? hostname().toLowerCase();
  if (given !== undefined && !/^[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?$/.test(name)) {
    fail(given, 'must be a DNS name in lower case');
  }
  return name;
}

/** @throws UsageError naming the choices */
export function parseChoice<T extends string>(given: Given, choices: readonly T[]): T {
  return choices.find((known) => known === given.value) ?? fail(given, `must be one of ${choices.join(', ')}`);
}

/** As a runtime stores it, so that it can be compared with what is there. */
function parseOwnImage(given: Given | undefined): string | undefined {
  if (given === undefined) return undefined;
  try {
    return storedName(parseReference(given.value));
  } catch (error) {
    if (!(error instanceof InvalidReferenceError)) throw error;
    return fail(given, `must be an image reference: ${error.rule}`);
  }
}

function parseEndpoint(given: Given | undefined): string | undefined {
  if (given === undefined) return undefined;
  try {
    toSocketPath(given.value);
  } catch (error) {
    throw new UsageError(`${given.name}: ${errorMessage(error)}`);
  }
  return given.value;
}

function parseListen(given: Given): Settings['listen'] {
  const match = /^(?:\[([0-9a-fA-F:.]+)\]|([^\s:[\]/]+)):(\d{1,5})$/.exec(given.value);
  const host = match?.[1] ?? match?.[2];
  const port = Number(match?.[3]);
  if (host === undefined || port > 65_535) {
    fail(given, 'must be HOST:PORT, for example 127.0.0.1:9746, 0.0.0.0:9746 or [::1]:9746');
  }
  return { host, port };
}

function parseLabelList(given: Given | undefined): Labels {
  if (given === undefined) return {};
  const pairs = given.value.split(',').map((pair) => pair.trim());
  return parseLabels(
    given.name,
    pairs.filter((pair) => pair !== ''),
  );
}

function parseLabels(name: string, pairs: readonly string[]): Labels {
  const labels: Record<string, string> = {};
  for (const pair of pairs) {
    const split = pair.indexOf('=');
    if (split < 1) fail({ name, value: pair }, 'must be KEY=VALUE');
    const key = pair.slice(0, split);
    const value = pair.slice(split + 1);
    const rule = labelKeyRule(key) ?? labelValueRule(value);
    if (rule !== undefined) fail({ name, value: pair }, rule);
    labels[key] = value;
  }
  return labels;
}
