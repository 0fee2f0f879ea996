/** A level of the image filesystem. All watermarks of one configuration are of the same kind. */
export type Watermark =
  | { readonly kind: 'used'; readonly ratio: number }
  | { readonly kind: 'free'; readonly bytes: number };

