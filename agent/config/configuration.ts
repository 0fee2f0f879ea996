export type * from '../core/configuration.ts';
export type { Watermark } from '../core/watermark.ts';
