/**
 * The ViTs of timm by name (timm 1.0.31, models/vision_transformer.py) that limn's tower computes:
 * those without layer scale, registers, normed queries or a norm behind the mean.
 */
import type { Activation } from "../../../nn/activation.ts";
import {
  partialPatches,
  type VisionTransformerConfig,
} from "../../../towers/image/vision-transformer.ts";

/** Width, depth, heads, and the perceptron's width over the width where it is not 4. */
const sizes: Readonly<Record<string, readonly [number, number, number, number?]>> = {
  xsmall: [256, 10, 4],
  tiny: [192, 12, 3],
  small: [384, 12, 6],
  medium: [512, 12, 8],
  betwixt: [640, 12, 10],
  base: [768, 12, 12],
  base_plus: [896, 12, 14],
  large: [1024, 24, 16],
  so400m: [1152, 27, 16, 3.7362],
  huge: [1280, 32, 16],
  giant: [1408, 40, 16, 48 / 11],
  giantopt: [1536, 40, 16],
  gigantic: [1664, 48, 16, 64 / 13],
};

type Kind = Pick<VisionTransformerConfig, "classToken" | "pooling" | "normBefore" | "patchBias"> & {
  normEpsilon: number;
  activation: Activation;
};

const plain: Kind = {
  classToken: true,
  pooling: "class",
  normBefore: false,
  patchBias: true,
  normEpsilon: 1e-6,
  activation: "gelu",
};
const clip: Kind = { ...plain, normBefore: true, patchBias: false, normEpsilon: 1e-5 };
const map: Kind = { ...plain, classToken: false, pooling: "map" };
const mean: Kind = { ...plain, classToken: false, pooling: "mean" };
const tanh = { activation: "geluTanh" } as const;

/** `size patch_image ...` of every name; what stands between patch and image is the family. */
const names: readonly (readonly [family: string, kind: Kind, list: string])[] = [
  ["", plain, "tiny 16_224 16_384"],
  ["", plain, "small 32_224 32_384 16_224 16_384 8_224"],
  ["", plain, "base 32_224 32_384 16_224 16_384 8_224"],
  ["", plain, "large 32_224 32_384 16_224 16_384 14_224"],
  ["", plain, "huge 14_224"],
  ["", plain, "giant 14_224"],
  ["", plain, "gigantic 14_224"],
  ["gap_", mean, "huge 14_224 16_448"],
  ["gap_", mean, "giant 16_224"],
  ["clip_", clip, "xsmall 16_224"],
  ["clip_", clip, "medium 32_224 16_224"],
  ["clip_", clip, "betwixt 32_224"],
  ["clip_", clip, "base 32_224 32_256 32_384 32_448 16_224 16_384"],
  ["clip_", clip, "base_plus 16_240"],
  ["clip_", clip, "large 14_224 14_336"],
  ["clip_", clip, "huge 14_224 14_336 14_378"],
  ["clip_", clip, "giant 14_224"],
  ["clip_", clip, "gigantic 14_224 14_378"],
  ["clip_quickgelu_", { ...clip, activation: "quickGelu" }, "base 32_224 16_224"],
  ["clip_quickgelu_", { ...clip, activation: "quickGelu" }, "large 14_224 14_336"],
  ["clip_quickgelu_", { ...clip, activation: "quickGelu" }, "huge 14_224 14_378"],
  ["clip_quickgelu_", { ...clip, activation: "quickGelu" }, "gigantic 14_224"],
  ["siglip_", map, "base 16_224 16_256 16_384 16_512"],
  ["siglip_", map, "large 16_256 16_384"],
  ["siglip_", map, "so400m 14_224 14_378 14_384"],
  ["siglip_", { ...map, ...tanh }, "base 32_256"],
  ["siglip_", { ...map, ...tanh }, "large 16_512"],
  ["siglip_", { ...map, ...tanh }, "so400m 16_256 16_384 16_512"],
  ["siglip_", { ...map, ...tanh }, "giantopt 16_256 16_384"],
  ["siglip_gap_", mean, "base 16_224 16_256 16_384 16_512"],
  ["siglip_gap_", mean, "large 16_256 16_384"],
  ["siglip_gap_", mean, "so400m 14_224 14_378 14_384 14_448 14_896"],
  ["siglip_gap_", { ...mean, ...tanh }, "base 32_256"],
  ["siglip_gap_", { ...mean, ...tanh }, "large 16_512"],
  ["siglip_gap_", { ...mean, ...tanh }, "so400m 16_256 16_384 16_512"],
  ["siglip_gap_", { ...mean, ...tanh }, "giantopt 16_256 16_384"],
];

const towers: Readonly<Record<string, VisionTransformerConfig>> = Object.fromEntries(
  names.flatMap(([family, kind, list]) => {
    const [size = "", ...places] = list.split(" ");
    return places.map((place) => named(family, kind, size, place));
  }),
);

function named(
  family: string,
  kind: Kind,
  size: string,
  place: string,
): [string, VisionTransformerConfig] {
  const [patch = "", image = ""] = place.split("_");
  const [word = "", plus] = size.split("_");
  const name = `vit_${word}_patch${patch}_${plus === undefined ? "" : "plus_"}${family}${image}`;
  const [width, depth, heads, ratio = 4] = sizes[size] as (typeof sizes)[string];
  const mlpWidth = Math.trunc(width * ratio);
  const square = { imageSize: Number(image), patchSize: Number(patch) };
  const partial = partialPatches(square.imageSize, square.patchSize);
  return [name, { kind: "vit", ...square, ...partial, width, depth, heads, mlpWidth, ...kind }];
}

/** The names `timmVit` knows. */
export const timmVitNames: readonly string[] = Object.keys(towers);

/** From a name of timm to its tower; undefined for one that is not known. */
export type TimmVits = (name: string) => VisionTransformerConfig | undefined;

/** A fresh copy of the tower behind a name of timm, with or without the tag of its weights. */
export const timmVit: TimmVits = (name) => {
  const [plainName = ""] = name.split(".");
  return Object.hasOwn(towers, plainName)
    ? { ...(towers[plainName] as VisionTransformerConfig) }
    : undefined;
};
