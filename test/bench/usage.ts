/** What processes use, from /proc (proc(5)). */

import { readFile } from 'node:fs/promises';

/** USER_HZ, which every Linux port that Node runs on sets to 100. */
const ticksPerSecond = 100;

/** CPU seconds of a process since its start, with the children that it has waited for. */
export async function readCpuSeconds(pid: number): Promise<number> {
  const text = await readFile(`/proc/${pid}/stat`, 'utf8');
  // The command in parentheses may hold anything: fields are counted after it, the first is number 3.
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  const [utime, stime, cutime, cstime] = fields.slice(11, 15).map(Number);
  return ((utime ?? 0) + (stime ?? 0) + (cutime ?? 0) + (cstime ?? 0)) / ticksPerSecond;
}

/** CPU seconds that the whole machine has worked since its start. */
export async function readMachineCpuSeconds(): Promise<number> {
  const [first = ''] = (await readFile('/proc/stat', 'utf8')).split('\n');
  // user nice system idle iowait irq softirq steal: not idle, not waiting, not stolen.
  const [user = 0, nice = 0, system = 0, , , irq = 0, softirq = 0] = first.trim().split(/\s+/).slice(1).map(Number);
  return (user + nice + system + irq + softirq) / ticksPerSecond;
}

export interface Memory {
  readonly rssBytes: number;
  /** Proportional: pages that several processes map count in equal parts. */
  readonly pssBytes: number;
  /** Pages of this process alone. */
  readonly privateBytes: number;
}

export async function readMemory(pid: number): Promise<Memory> {
  const text = await readFile(`/proc/${pid}/smaps_rollup`, 'utf8');
  const bytes = (name: string): number => Number(new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(text)?.[1] ?? 0) * 1024;
  return {
    rssBytes: bytes('Rss'),
    pssBytes: bytes('Pss'),
    privateBytes: bytes('Private_Clean') + bytes('Private_Dirty'),
  };
}
