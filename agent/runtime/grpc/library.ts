/**
 * What we use of the gRPC packages, to be loaded with one dynamic import. They are CommonJS, and when a bundler (esbuild 0.28) splits
 * one off by a dynamic import of its own, the names of its exports are lost; through this module they are not.
 */

export { Client, credentials, Metadata } from '@grpc/grpc-js';
export { fromJSON } from '@grpc/proto-loader';
