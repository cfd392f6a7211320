/** Starts to write the file of rows named in the first argument and is killed in the middle. */
import { randn } from "../../torch/index.ts";
import { RowWriter } from "./row-writer.ts";

const writer = new RowWriter(process.argv[2]!, { dtype: "float32", shape: [16], key: "k" });
writer.append(["a", "b"], randn([2, 16]));
process.kill(process.pid, "SIGKILL");
