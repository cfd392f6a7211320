/**
 * The part of a ViT's configuration for pictures that patches do not fill: as by a convolution without
 * padding, what is left at the right and the bottom is not looked at.
 */
export function partialPatches(
  imageSize: number,
  patchSize: number,
): { dropsPartialPatches?: true } {
  return imageSize % patchSize === 0 ? {} : { dropsPartialPatches: true };
}
