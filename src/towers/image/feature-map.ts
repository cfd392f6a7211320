/** The last feature map of a convolutional tower, as the rows that other towers have. */
import type { Tensor } from "../../torch/index.ts";

/** x [N, C, H, W] -> [N, H W, C], row by row; a view. */
export function mapRows(x: Tensor): Tensor {
  return x.flatten(2).transpose(1, 2);
}
