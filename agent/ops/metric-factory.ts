import { Counter, Gauge, Histogram, type Registry } from 'prom-client';

/** Makes metrics on one registry; every name begins with `stevedore_`. */
export function createMetricFactory(registry: Registry) {
  const registers = [registry];
  const toOptions = <Label extends string>(name: string, help: string, labelNames: readonly Label[]) => ({
    name: `stevedore_${name}`,
    help,
    labelNames: [...labelNames],
    registers,
  });
  return {
    gauge: <Label extends string = never>(name: string, help: string, labelNames: readonly Label[] = []) =>
      new Gauge<Label>(toOptions(name, help, labelNames)),
    counter: <Label extends string = never>(name: string, help: string, labelNames: readonly Label[] = []) =>
      new Counter<Label>(toOptions(name, help, labelNames)),
    histogram: <Label extends string = never>(
      name: string,
      help: string,
      buckets: number[],
      labelNames: readonly Label[] = [],
    ) => new Histogram<Label>({ ...toOptions(name, help, labelNames), buckets }),
  };
}
