/**
 * The networks of AmorLIP over a run: the one that learns, its average, the one of the epoch before,
 * and when each of them changes (arXiv:2505.18983, Algorithm 1). Knows no representation loss.
 */
import { CheckpointError } from "../../errors.ts";
import { AdamW } from "../../optimize/adamw.ts";
import { clipGradients } from "../../optimize/clip-gradients.ts";
import { backward, noGrad, scope, withGrad, type Device, type Tensor } from "../../torch/index.ts";
import { amortizationLoss, type Amortization } from "./amortization.ts";
import { AmortizationNetworks, type Modalities } from "./amortization-network.ts";

interface AmortizerOptions {
  embedDim: number;
  hiddenDim: number;
  device: Device;
  amortization: Amortization;
  regularization: number;
  /** Updates of the network in a step that has any (T_lambda). */
  innerSteps: number;
  /** Steps from one update to the next (T_online). */
  onlineInterval: number;
  /** Steps from one change of the average to the next (T_target). */
  targetInterval: number;
  /** Share that the average keeps (alpha). */
  emaDecay: number;
  /** Epochs that a network lives; 0 for the whole run. */
  reinitializeEveryEpochs: number;
  /** Shifts a fresh network's output to the mean of its first targets. */
  startAtTarget: boolean;
  learningRate: number;
  gradientClip: number;
}

/** What one step's networks are fitted to, [N] logarithms each. */
export interface Targets {
  partitions: Modalities;
  targets: Modalities;
}

export interface Fit {
  /** The loss before the last update, [] */
  loss: Tensor;
  /** Root of the mean squared difference of the logarithms then, [] */
  error: Tensor;
}

/** What a resume needs beside the tensors. */
interface Position {
  epoch: number | null;
  stepOfEpoch: number;
}

/** ownership   owns its networks until `dispose()` */
export class Amortizer {
  readonly options: AmortizerOptions;
  readonly online: AmortizationNetworks;
  readonly average: AmortizationNetworks;
  /** The average at the end of the epoch before; null in the first. */
  previous: AmortizationNetworks | null = null;
  readonly #adam: AdamW;
  #epoch: number | null = null;
  #stepOfEpoch = 0;
  #fresh = true;

  /** Draws the first weights from the default generator. */
  constructor(options: AmortizerOptions) {
    this.options = options;
    this.online = new AmortizationNetworks(options.embedDim, options.hiddenDim).to(options.device);
    this.average = this.online.copy();
    this.#adam = new AdamW([{ parameters: new Map(this.online.namedParameters()) }], {
      beta2: 0.999,
      epsilon: 1e-8,
    });
  }

  /** Opens a step: at the first of an epoch, keeps the average as `previous` and may start anew. */
  begin(epoch: number): void {
    if (this.#epoch === epoch) return;
    if (this.#epoch !== null) {
      if (this.previous === null) this.previous = this.average.copy();
      else this.previous.become(this.average);
      const every = this.options.reinitializeEveryEpochs;
      if (every > 0 && epoch % every === 0) this.#reinitialize();
    }
    this.#epoch = epoch;
    this.#stepOfEpoch = 0;
  }

  #reinitialize(): void {
    const { embedDim, hiddenDim, device } = this.options;
    const drawn = new AmortizationNetworks(embedDim, hiddenDim).to(device);
    this.online.become(drawn);
    this.average.become(drawn);
    drawn.dispose();
    this.#adam.dispose();
    this.#fresh = true;
  }

  /** Whether this step updates the network. */
  get due(): boolean {
    const { innerSteps, onlineInterval } = this.options;
    return innerSteps > 0 && this.#stepOfEpoch % onlineInterval === 0;
  }

  /** Updates the network where it is due; null elsewhere. `rows` [N, D] carry no gradient. */
  fit(rows: Modalities, { partitions, targets }: Targets): Fit | null {
    if (this.#fresh && this.options.startAtTarget) this.#shift(rows, targets);
    this.#fresh = false;
    if (!this.due) return null;
    let fit: Fit | null = null;
    for (let i = 0; i < this.options.innerSteps; i++) {
      fit?.loss.dispose();
      fit?.error.dispose();
      fit = scope(() => withGrad(() => this.#update(rows, { partitions, targets })));
    }
    return fit;
  }

  #update(rows: Modalities, { partitions, targets }: Targets): Fit {
    const { amortization: kind, regularization, learningRate, gradientClip } = this.options;
    const logLambda = this.online.forward(rows);
    const [ofImages, ofTexts] = (["image", "text"] as const).map((side) =>
      amortizationLoss(logLambda[side], {
        kind,
        regularization,
        logPartition: partitions[side],
        logTarget: targets[side],
      }),
    ) as [Tensor, Tensor];
    const loss = ofImages.add(ofTexts);
    backward(loss);
    clipGradients(this.online.parameters(), gradientClip);
    this.#adam.step(learningRate);
    this.#adam.zeroGrad();
    return { loss: loss.detach(), error: errorOf(logLambda, targets) };
  }

  #shift(rows: Modalities, targets: Modalities): void {
    scope(() =>
      noGrad(() => {
        const logLambda = this.online.forward(rows);
        for (const side of ["image", "text"] as const) {
          const bias = this.online[side].output.bias?.tensor;
          bias?.add_(targets[side].sub(logLambda[side]).mean());
        }
        this.average.become(this.online);
      }),
    );
  }

  /** Closes a step: changes the average where it is due. */
  end(): void {
    const { targetInterval, emaDecay } = this.options;
    if (this.#stepOfEpoch % targetInterval === 0) this.average.approach(this.online, emaDecay);
    this.#stepOfEpoch++;
  }

  /** Every network's weights and the optimizer's moments; borrowed. */
  *tensors(): Generator<[string, Tensor]> {
    yield* this.online.namedState("online");
    yield* this.average.namedState("average");
    if (this.previous) yield* this.previous.namedState("previous");
    for (const [name, tensor] of this.#adam.stateDict()) yield [`adam.${name}`, tensor];
  }

  get position(): Position {
    return { epoch: this.#epoch, stepOfEpoch: this.#stepOfEpoch };
  }

  /**
   * Puts back what `tensors` and `position` gave.
   *
   * throws  CheckpointError that lists every missing, unexpected and mis-shaped tensor; the networks
   *         are as they were then
   */
  restore(tensors: ReadonlyMap<string, Tensor>, position: unknown, source: string): void {
    const { epoch, stepOfEpoch } = checkPosition(position, source);
    const hasPrevious = [...tensors.keys()].some((name) => name.startsWith("previous."));
    const previous = hasPrevious ? (this.previous ?? this.average.copy()) : null;
    const adam = new Map<string, Tensor>();
    const others = new Map<string, Tensor>();
    for (const [name, tensor] of tensors) {
      if (name.startsWith("adam.")) adam.set(name.slice("adam.".length), tensor);
      else others.set(name, tensor);
    }
    const wanted = new Map([
      ...this.online.namedState("online"),
      ...this.average.namedState("average"),
      ...(previous?.namedState("previous") ?? []),
    ]);
    checkTensors(others, wanted, source);
    this.#adam.load(adam, source);
    noGrad(() => wanted.forEach((target, name) => target.copy_(others.get(name) as Tensor)));
    this.previous = previous;
    this.#epoch = epoch;
    this.#stepOfEpoch = stepOfEpoch;
    this.#fresh = epoch === null;
  }

  dispose(): void {
    this.#adam.dispose();
    this.online.dispose();
    this.average.dispose();
    this.previous?.dispose();
  }
}

function errorOf(logLambda: Modalities, targets: Modalities): Tensor {
  const squared = (["image", "text"] as const).map((side) =>
    logLambda[side].detach().sub(targets[side]).pow(2).mean(),
  ) as [Tensor, Tensor];
  return squared[0].add(squared[1]).mul(0.5).sqrt();
}

function checkPosition(position: unknown, source: string): Position {
  const { epoch, stepOfEpoch } = (position ?? {}) as Partial<Record<keyof Position, unknown>>;
  const isCount = (value: unknown): value is number => Number.isInteger(value);
  if ((epoch === null || isCount(epoch)) && isCount(stepOfEpoch)) return { epoch, stepOfEpoch };
  throw new CheckpointError(
    source,
    `Expected the epoch and step of AmorLIP's networks in ${source} but received ` +
      `${JSON.stringify(position)}; the checkpoint is of another objective`,
  );
}

function checkTensors(
  found: ReadonlyMap<string, Tensor>,
  wanted: ReadonlyMap<string, Tensor>,
  source: string,
): void {
  const problems: string[] = [];
  for (const [name, target] of wanted) {
    const tensor = found.get(name);
    if (tensor === undefined) problems.push(`missing ${name}`);
    else if (tensor.shape.join() !== target.shape.join()) {
      problems.push(`${name} is ${tensor.toString()}, not ${target.toString()}`);
    }
  }
  for (const name of found.keys()) if (!wanted.has(name)) problems.push(`unexpected ${name}`);
  if (problems.length === 0) return;
  throw new CheckpointError(
    source,
    `Expected the state of AmorLIP's networks in ${source} but it differs: ${problems.join("; ")}`,
  );
}
