/** Looks around on this machine for `limn doctor`; nothing here judges. */
import { execFileSync, type ExecFileSyncOptionsWithStringEncoding } from "node:child_process";
import { existsSync, readFileSync, statfsSync } from "node:fs";
import { availableParallelism, totalmem } from "node:os";
import path from "node:path";
import { findEngine, packageRoot } from "../../engine/engine-info.ts";
import { cpuQuota, usableCores } from "../../files/cores.ts";
import type { Facts } from "./doctor-report.ts";

const SIZE = 1024;

/** Collects the facts; a part that fails is reported, never thrown. */
export async function collectFacts(): Promise<Facts> {
  const used = usableCores();
  return {
    limn: limnVersion(),
    node: process.versions.node,
    platform: `${process.platform} ${process.arch}`,
    engine: findEngine()?.record ?? null,
    ...(await engineFacts(used)),
    compiler: compilerVersion(),
    threads: {
      used,
      usable: usableCores(),
      machine: availableParallelism(),
      quota: cpuQuota() ?? null,
    },
    gpu: ["/dev/nvidia0", "/dev/nvidiactl", "/dev/dxg"].some((file) => existsSync(file)),
    ...(await sharpFacts()),
    jpeg: await jpegFacts(),
    disk: { path: process.cwd(), freeBytes: freeBytes(process.cwd()) },
    memory: { totalBytes: totalmem() },
  };
}

type EngineFacts = Pick<
  Facts,
  "engineError" | "libtorch" | "matrixProduct" | "devices" | "inference"
>;

async function engineFacts(threads: number): Promise<EngineFacts> {
  try {
    const torch = await import("../../torch/index.ts");
    const { availablePrecisions } = await import("../../nn/precision.ts");
    const { hasPackedProducts } = await import("../../nn/prepared-product.ts");
    torch.setThreadCount(threads);
    const [start, before] = [performance.now(), process.cpuUsage()];
    const gflops = Math.round(torch.matrixProductRate(SIZE, 15) * 10) / 10;
    const { user, system } = process.cpuUsage(before);
    const available = (performance.now() - start) * 1000 * threads;
    const share = Math.min(1, Math.round(((user + system) / available) * 100) / 100);
    return {
      engineError: null,
      libtorch: torch.libtorchVersion(),
      matrixProduct: { size: SIZE, dtype: "float32", gflops, share },
      devices: torch.devices(),
      inference: { precisions: availablePrecisions(), packed: hasPackedProducts() },
    };
  } catch (error) {
    const engineError = error instanceof Error ? error.message : String(error);
    return { engineError, libtorch: null, matrixProduct: null, devices: [], inference: null };
  }
}

async function sharpFacts(): Promise<Pick<Facts, "sharp" | "sharpError">> {
  try {
    const { default: sharp } = await import("sharp");
    const { sharp: version, vips } = sharp.versions;
    return { sharp: `${version ?? "?"} (libvips ${vips})`, sharpError: null };
  } catch (error) {
    const text = error instanceof Error ? error.message : String(error);
    return { sharp: null, sharpError: text.split("\n")[0] ?? text };
  }
}

async function jpegFacts(): Promise<Facts["jpeg"]> {
  const { jpegDecoder } = await import("../../data/image/native-pixels.ts");
  const { library, reason = null } = jpegDecoder();
  return { library, reason };
}

function compilerVersion(): string | null {
  const named = process.env["CXX"];
  for (const command of named ? [named] : ["c++", "g++", "clang++"]) {
    try {
      const options: ExecFileSyncOptionsWithStringEncoding = {
        encoding: "utf8",
        stdio: ["ignore", "pipe", "ignore"],
      };
      return execFileSync(command, ["--version"], options).split("\n")[0]?.trim() ?? command;
    } catch {
      // the next one may be there
    }
  }
  return null;
}

function limnVersion(): string {
  const text = readFileSync(path.join(packageRoot(), "package.json"), "utf8");
  return (JSON.parse(text) as { version: string }).version;
}

function freeBytes(folder: string): number {
  const { bavail, bsize } = statfsSync(folder);
  return bavail * bsize;
}
