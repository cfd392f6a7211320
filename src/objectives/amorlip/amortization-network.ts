/** The networks that learn AmorLIP's log-partition functions. Know no loss and no schedule. */
import { LayerNorm, Linear } from "../../nn/layers.ts";
import { Module } from "../../nn/module.ts";
import { noGrad, randomState, scope, setRandomState, type Tensor } from "../../torch/index.ts";

/**
 * log lambda(u) of unit rows: Linear(D, H), ReLU, LayerNorm, Linear(H, D), ReLU, LayerNorm, + x, ReLU,
 * Linear(D, 1), initialised as torch.nn's layers (arXiv:2505.18983, Appendix C and released code).
 *
 * The output is a logarithm and not limited; a fresh network gives about 0.
 */
export class AmortizationNetwork extends Module {
  readonly expand: Linear;
  readonly norm1: LayerNorm;
  readonly contract: Linear;
  readonly norm2: LayerNorm;
  readonly output: Linear;

  constructor(embedDim: number, hiddenDim: number) {
    super();
    this.expand = new Linear(embedDim, hiddenDim);
    this.norm1 = new LayerNorm(hiddenDim);
    this.contract = new Linear(hiddenDim, embedDim);
    this.norm2 = new LayerNorm(embedDim);
    this.output = new Linear(embedDim, 1);
  }

  /** x [N, D] -> [N] */
  forward(x: Tensor): Tensor {
    return scope(() => {
      const hidden = this.norm1.forward(this.expand.forward(x).relu());
      const back = this.norm2.forward(this.contract.forward(hidden).relu());
      return this.output.forward(back.add(x).relu()).squeeze(1);
    });
  }
}

export interface Modalities {
  image: Tensor;
  text: Tensor;
}

/** One network for images and one for texts, with no shared weight. */
export class AmortizationNetworks extends Module {
  readonly image: AmortizationNetwork;
  readonly text: AmortizationNetwork;

  constructor(embedDim: number, hiddenDim: number) {
    super();
    this.image = new AmortizationNetwork(embedDim, hiddenDim);
    this.text = new AmortizationNetwork(embedDim, hiddenDim);
  }

  /** [N, D] each -> [N] each */
  forward({ image, text }: Modalities): Modalities {
    return { image: this.image.forward(image), text: this.text.forward(text) };
  }

  /** Networks with the same weights in memory of their own. Draws no random number. */
  copy(): AmortizationNetworks {
    const [hiddenDim = 1, embedDim = 1] = this.image.expand.weight.tensor.shape;
    const before = randomState();
    const made = new AmortizationNetworks(embedDim, hiddenDim);
    setRandomState(before);
    before.dispose();
    made.become(this);
    return made;
  }

  /** Takes over the values, element types and device of `other`. */
  become(other: AmortizationNetworks): void {
    const sources = other.parameters();
    scope(() => {
      for (const [i, { tensor }] of this.parameters().entries()) {
        const source = (sources[i] as (typeof sources)[number]).tensor;
        tensor.setData(noGrad(() => source.detach().clone()));
        tensor.grad = null;
      }
    });
  }

  /** weight <- decay weight + (1 - decay) other. */
  approach(other: AmortizationNetworks, decay: number): void {
    const sources = other.parameters();
    noGrad(() => {
      for (const [i, { tensor }] of this.parameters().entries()) {
        tensor.lerp_((sources[i] as (typeof sources)[number]).tensor, 1 - decay);
      }
    });
  }
}
