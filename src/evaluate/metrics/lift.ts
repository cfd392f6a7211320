/**
 * How far a metric is above guessing, on the scale on which guessing is 0 and perfect is 1, so that
 * tasks of 2 and of 1,000 classes can be compared. Negative below chance.
 *
 *     (value - chance) / (1 - chance)      Cohen's kappa with a fixed chance; NaN where chance is 1
 *
 * value, chance   shares in [0, 1]
 */
export function liftOverChance(value: number, chance: number): number {
  return chance === 1 ? NaN : (value - chance) / (1 - chance);
}
