/**
 * What we use of the gRPC package, to be loaded with one dynamic import. It is CommonJS, and when a bundler (esbuild 0.28) splits
 * it off by a dynamic import of its own, the names of its exports are lost; through this module they are not.
 */

export { Client, credentials, Metadata } from '@grpc/grpc-js';
