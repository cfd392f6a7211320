/**
 * `AlignVisionConfig`, an EfficientNet by its coefficients, as limn's list of stages and back
 * (transformers' configuration_align.py and modeling_align.py, 5.23). Knows no weights.
 */
import type { EfficientNetConfig, EfficientNetStage } from "../../../towers/image/efficient-net.ts";
import type { JsonFields } from "../../../files/json-fields.ts";
import { pythonFloat } from "../../../files/json-fields.ts";
import { readChannels } from "./layer-keys.ts";

/** Channels before `width_coefficient` of the first convolution, which no field tells. */
const stemChannels = 32;

/** How channels are scaled: `round_filters`. */
interface Scaling {
  coefficient: number;
  divisor: number;
}

/** The nearest multiple of the divisor, the next one where that is more than a tenth below. */
function scaled(channels: number, { coefficient, divisor }: Scaling): number {
  const wanted = channels * coefficient;
  const whole = Math.floor(Math.trunc(wanted + divisor / 2) / divisor) * divisor;
  const near = Math.max(divisor, whole);
  return near < 0.9 * wanted ? near + divisor : near;
}

/** Throws CheckpointError naming the field that limn's EfficientNet cannot express. */
export function readAlignVision(fields: JsonFields): EfficientNetConfig {
  readChannels(fields);
  const activation = fields.raw("hidden_act") ?? "swish";
  if (activation !== "swish" && activation !== "silu") fields.unsupported("hidden_act", '"swish"');
  if ((fields.raw("pooling_type") ?? "mean") !== "mean")
    fields.unsupported("pooling_type", '"mean"');
  const scaling = {
    coefficient: positive(fields, "width_coefficient", 2),
    divisor: fields.integer("depth_divisor", 8),
  };
  const imageSize = fields.side("image_size", 600);
  const stemWidth = scaled(stemChannels, scaling);
  const stages = readStages(fields, scaling, stemWidth);
  const padding = readPadding(fields, imageSize, stages);
  const config: EfficientNetConfig = {
    kind: "efficientNet",
    imageSize,
    stemWidth,
    stages,
    squeezeRatio: positive(fields, "squeeze_expansion_ratio", 0.25),
    padding,
    dropConnect: fields.number("drop_connect_rate", 0.2),
    normEpsilon: fields.number("batch_norm_eps", 1e-3),
    // TensorFlow's momentum is the share of the old statistics.
    normMomentum: complement(fields.number("batch_norm_momentum", 0.99)),
  };
  // The mean is taken by a pooling of this size, which must cover all places.
  const side = sidesOf(imageSize, stages, (_, odd) => padding === "same" && odd).last;
  if (fields.integer("hidden_dim", 2560) < side) {
    fields.fail("hidden_dim", `at least ${side}, the side that is left to be averaged`);
  }
  return config;
}

function positive(fields: JsonFields, key: string, fallback: number): number {
  const value = fields.number(key, fallback);
  return value > 0 ? value : fields.fail(key, "a number greater than 0");
}

/** 1 - share, without the noise of binary fractions. */
function complement(share: number): number {
  return Number((1 - share).toPrecision(12));
}

function readStages(fields: JsonFields, scaling: Scaling, stemWidth: number): EfficientNetStage[] {
  const defaults = {
    kernel_sizes: [3, 3, 5, 3, 5, 5, 3],
    in_channels: [32, 16, 24, 40, 80, 112, 192],
    out_channels: [16, 24, 40, 80, 112, 192, 320],
    strides: [1, 2, 2, 2, 1, 2, 1],
    num_block_repeats: [1, 2, 2, 3, 3, 4, 1],
    expand_ratios: [1, 6, 6, 6, 6, 6, 6],
  };
  const count = integers(fields, "in_channels", defaults.in_channels).length;
  const list = (key: keyof typeof defaults): number[] => {
    const values = integers(fields, key, defaults[key]);
    return values.length === count && count > 0
      ? values
      : fields.fail(key, `${Math.max(1, count)} numbers, one for each of in_channels`);
  };
  const depthCoefficient = positive(fields, "depth_coefficient", 3.1);
  const [kernels, strides] = [list("kernel_sizes"), list("strides")];
  const [repeats, expansions] = [list("num_block_repeats"), list("expand_ratios")];
  const widths = list("out_channels").map((channels) => scaled(channels, scaling));
  const inputs = list("in_channels").map((channels) => scaled(channels, scaling));
  const wanted = [stemWidth, ...widths.slice(0, -1)];
  if (inputs.join() !== wanted.join()) {
    fields.fail("in_channels", `channels that become ${wanted.join(", ")}, what stages receive`);
  }
  if (strides.some((stride) => stride > 2)) fields.unsupported("strides", "1 or 2 for each stage");
  if (kernels.some((kernel) => kernel < 3 || kernel % 2 === 0)) {
    fields.unsupported("kernel_sizes", "odd numbers of at least 3");
  }
  return widths.map((width, i) => ({
    kernel: kernels[i] as number,
    width,
    stride: strides[i] as number,
    depth: Math.ceil(depthCoefficient * (repeats[i] as number)),
    expansion: expansions[i] as number,
  }));
}

/** A list of whole numbers of at least `least`. */
function integers(
  fields: JsonFields,
  key: string,
  fallback: readonly number[],
  least = 1,
): number[] {
  const value = fields.raw(key) ?? fallback;
  const fits = (item: unknown): boolean => Number.isInteger(item) && (item as number) >= least;
  if (Array.isArray(value) && value.every(fits)) return value as number[];
  return fields.fail(key, `a list of whole numbers of at least ${least}`);
}

interface Sides {
  /** Places of the blocks of stride 2 whose input has an odd side. */
  odd: number[];
  /** Places of all blocks of stride 2. */
  halving: number[];
  /** The side that is left. */
  last: number;
}

/** `symmetric` says which blocks pad by as much before as after, of inputs with an odd side or not. */
function sidesOf(
  imageSize: number,
  stages: readonly EfficientNetStage[],
  symmetric: (block: number, odd: boolean) => boolean,
): Sides {
  const sides: Sides = { odd: [], halving: [], last: Math.floor(imageSize / 2) };
  let block = 0;
  for (const { stride, depth } of stages) {
    if (stride === 2) {
      const odd = sides.last % 2 === 1;
      sides.halving.push(block);
      if (odd) sides.odd.push(block);
      const half = sides.last / 2;
      sides.last = symmetric(block, odd) ? Math.ceil(half) : Math.floor(half);
    }
    block += depth;
  }
  return sides;
}

/** `depthwise_padding` lists the blocks that pad by as much before as after. */
function readPadding(
  fields: JsonFields,
  imageSize: number,
  stages: readonly EfficientNetStage[],
): EfficientNetConfig["padding"] {
  const listed = new Set(integers(fields, "depthwise_padding", [], 0));
  const { odd, halving } = sidesOf(imageSize, stages, (block) => listed.has(block));
  const symmetric = halving.filter((block) => listed.has(block));
  if (symmetric.length === 0) return "even";
  // The first convolution always pads as for an even side.
  if (imageSize % 2 === 0 && symmetric.join() === odd.join()) return "same";
  return fields.unsupported("depthwise_padding", "none, or the blocks of stride 2 with odd sides");
}

/** The blocks to list in `depthwise_padding`; undefined where no list computes the same. */
function paddingList({ imageSize, stages, padding }: EfficientNetConfig): number[] | undefined {
  if (padding === "even") return [];
  if (imageSize % 2 === 1) return undefined;
  return sidesOf(imageSize, stages, (_, odd) => odd).odd;
}

interface Channels extends Scaling {
  /** Before scaling. */
  stages: number[];
}

/** Channels that become the stages' widths, by a scaling that makes the stem's of 32. */
function channelsOf({ stemWidth, stages }: EfficientNetConfig): Channels | undefined {
  const coefficient = stemWidth / stemChannels;
  for (const divisor of [8, 4, 2, 1]) {
    const scaling = { coefficient, divisor };
    if (scaled(stemChannels, scaling) !== stemWidth) continue;
    const channels = stages.map(({ width }) => {
      const near = width / coefficient;
      const candidates = [Math.floor(near), Math.ceil(near)];
      return candidates.find((count) => count >= 1 && scaled(count, scaling) === width);
    });
    if (channels.every((count) => count !== undefined)) return { ...scaling, stages: channels };
  }
  return undefined;
}

/** The section `vision_config`; undefined where no `AlignVisionConfig` computes the same. */
export function alignVisionFields(config: EfficientNetConfig): Record<string, unknown> | undefined {
  const channels = channelsOf(config);
  const padding = paddingList(config);
  if (channels === undefined || padding === undefined) return undefined;
  const { stages } = config;
  return {
    model_type: "align_vision_model",
    num_channels: 3,
    image_size: config.imageSize,
    width_coefficient: pythonFloat(channels.coefficient),
    depth_coefficient: pythonFloat(1),
    depth_divisor: channels.divisor,
    kernel_sizes: stages.map(({ kernel }) => kernel),
    in_channels: [stemChannels, ...channels.stages.slice(0, -1)],
    out_channels: channels.stages,
    depthwise_padding: padding,
    strides: stages.map(({ stride }) => stride),
    num_block_repeats: stages.map(({ depth }) => depth),
    expand_ratios: stages.map(({ expansion }) => expansion),
    squeeze_expansion_ratio: pythonFloat(config.squeezeRatio),
    hidden_act: "swish",
    hidden_dim: Math.max(2560, config.imageSize),
    pooling_type: "mean",
    batch_norm_eps: pythonFloat(config.normEpsilon),
    batch_norm_momentum: pythonFloat(complement(config.normMomentum)),
    drop_connect_rate: pythonFloat(config.dropConnect),
  };
}
