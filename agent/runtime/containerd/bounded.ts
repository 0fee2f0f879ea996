export { mapBounded } from '../bounded.ts';
