/** Audits a model on a set whose samples carry metadata: what `limn audit` runs. */
import { rowsAt } from "../../arrays/embeddings.ts";
import type { LoaderOptions } from "../../data/loader/options.ts";
import { lookThrough } from "../../data/look-through.ts";
import { embedDataset } from "../../inference/features/embed-dataset.ts";
import { modelEmbedder } from "../../inference/features/model-embedder.ts";
import { fitsWhere, noSamples, type Where } from "../../inference/features/fits-where.ts";
import { loadModel, type LoadModelOptions } from "../../inference/load-model.ts";
import type { Precision } from "../../inference/encoder.ts";
import type { Device } from "../../torch/index.ts";
import type { AuditCard } from "./audit-card.ts";
import {
  planAudit,
  subjectOf,
  type AuditPlan,
  type AuditQuestions,
  type SetRecords,
} from "./audit-plan.ts";
import { findingsOf, limitsOf } from "./findings.ts";
import { measureAudit } from "./measure-audit.ts";

export interface AuditOptions extends AuditQuestions {
  /** What `loadModel` takes: `hf://organisation/name`, or a path in any layout. */
  model: string;
  /** What its files do not say, and how it is fetched. */
  load?: Omit<LoadModelOptions, "device" | "precision" | "prepare">;
  source: LoaderOptions["source"];
  /** How the card calls the set. */
  title: string;
  /** Pictures per forward pass. Default 64. */
  batchSize?: number;
  device?: Device;
  /** What the model computes in. Default `float32`. */
  precision?: Precision;
  /** A picture of more pixels cannot be read, told from its header. Default: 178,956,970. */
  maxPixels?: number;
  /** Values that samples' records must have. */
  where?: Where | undefined;
  /** Folder that keeps embeddings from one call to the next, as `evaluate` has it. Default: none are kept. */
  cache?: string;
  /** Called before each part of the work with its name. */
  onPart?: (name: string) => void;
}

/**
 * Embeds a set once and measures how the model treats its groups: accuracy, calibration, what faces are taken
 * for, how neutral queries rank groups, associations, the slope over income, and what projections of texts
 * would change. What is asked is checked against the set before the model is loaded.
 *
 * throws  SettingError for questions that cannot be; DataError for a sample that cannot be read or lacks what
 *         is asked of it, fewer than two groups, a key that no sample has; CheckpointError for a model that
 *         does not fit
 */
export async function audit(options: AuditOptions): Promise<AuditCard> {
  const { batchSize = 64, device = "cpu", precision = "float32", onPart = () => {} } = options;
  const plan = planAudit(options);
  onPart("the set's records");
  await checkAhead(options, plan);
  const identify = options.cache !== undefined;
  const loaded = await loadModel(options.model, { ...options.load, device, precision, identify });
  try {
    const embedder = modelEmbedder(loaded, options.cache);
    onPart("pictures");
    const dataset = await embedDataset(embedder, {
      loader: {
        source: options.source,
        transform: loaded.encoder.transform,
        batchSize,
        ...(options.maxPixels !== undefined && { maxPixels: options.maxPixels }),
      },
      where: options.where,
      captions: false,
    });
    const subject = subjectOf(dataset, plan);
    const images = rowsAt(dataset.imageEmbeddings, subject.picked);
    const numbers = await measureAudit({ plan, subject, images, embedder, loaded, onPart });
    const card = {
      format: "limn-audit-card",
      version: 1,
      model: options.model,
      set: options.title,
      count: dataset.keys.length,
      ...numbers,
    } as const;
    return { ...card, findings: findingsOf(card), limits: limitsOf(card) };
  } finally {
    loaded.dispose();
  }
}

/** What is wrong with the records is said before anything is embedded; of very many, afterwards. */
async function checkAhead({ source, where }: AuditOptions, plan: AuditPlan): Promise<void> {
  const set: SetRecords = { keys: [], labels: [], metas: [] };
  const isWhole = await lookThrough(source, {
    captions: false,
    onError: "fail",
    each: ({ key, label, meta }) => {
      if (!fitsWhere(meta, where)) return;
      set.keys.push(key);
      set.labels.push(label);
      set.metas.push(meta ?? {});
    },
  });
  if (isWhole && set.keys.length === 0) throw noSamples(where, JSON.stringify(source));
  if (isWhole) subjectOf(set, plan);
}
