import { hostname } from 'node:os';
import { type Command, Option } from 'commander';
import type { RuntimeKind } from '../runtime/runtime.ts';
import type { LogLevel, Settings } from '../settings.ts';
import { addClusterOptions, type ClusterOptions, parseCluster, refuseFiles } from './cluster-options.ts';
import {
  createFindGiven,
  type Given,
  parseChoice,
  parseEndpoint,
  parseLabelList,
  parseLabels,
  parseListen,
  parseOwnImage,
  parsePath,
} from './option-values.ts';

/** As commander hands them over: only what was written on the command line. */
export interface CommonOptions extends ClusterOptions {
  readonly config?: string;
  readonly label?: readonly string[];
  readonly labelsFile?: string;
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
  const withFiles = command
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
    );
  return addClusterOptions(withFiles)
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
      `${logLevels.join(', ')} (default: info for run, silent for doctor, error elsewhere; env: STEVEDORE_LOG_LEVEL)`,
    );
}

/** The options that say what to look at: with one of them on the command line, a running agent's answer is not meant. */
export function findViewOptions(options: CommonOptions): readonly string[] {
  const { config, label, labelsFile, runtime, endpoint, ownImage } = options;
  const given = {
    '--config': config,
    '--label': label,
    '--labels-file': labelsFile,
    '--node-name': options.nodeName,
    '--kubeconfig': options.kubeconfig,
    '--namespace': options.namespace,
    '--config-map': options.configMap,
    '--gate-taint': options.gateTaint,
    '--runtime': runtime,
    '--endpoint': endpoint,
    '--own-image': ownImage,
  };
  return Object.entries(given).flatMap(([name, value]) => (value === undefined ? [] : [name]));
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
  const given = createFindGiven(environment);
  const cluster = parseCluster(options, given, environment);
  const config = given('config', options.config);
  const labelOptions = options.label ?? [];
  const labelList = given('labels', undefined);
  const labelsFile = given('labels-file', options.labelsFile);
  const imageFilesystem = given('image-filesystem', options.imageFilesystem);
  if (cluster !== undefined) refuseFiles([config, ...labelOptions.map(toLabelGiven), labelList, labelsFile]);
  return {
    configFile: parsePath(config, defaults.configFile),
    labels: { ...parseLabelList(labelList), ...parseLabels('--label', labelOptions) },
    labelsFile: labelsFile === undefined ? undefined : parsePath(labelsFile, ''),
    nodeName: cluster?.nodeName ?? hostname().toLowerCase(),
    cluster,
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

function toLabelGiven(value: string): Given {
  return { name: '--label', value };
}
